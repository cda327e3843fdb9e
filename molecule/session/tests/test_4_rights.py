"""An operator without root does what is listed and nothing else; timers explain themselves; VNC on demand."""

import json
import re

from harness.instance import Instance, json_lines
from harness.wait import wait_until
from testinfra.backend.base import CommandResult
from testinfra.host import Host

OPERATOR = "ops"


def operator(host: Host, command: str) -> CommandResult:
    """Run a command as the operator, who has no root here."""
    return host.run("cd / && timeout 90 runuser -u %s -- sh -c %s", OPERATOR, command)


def test_the_operator_sees_everything(host: Host, live: Instance):
    for command in ("status", "budget live", "schedule live", "log live -n 5", "events live -n 5"):
        shown = operator(host, f"ibgatewayctl {command}")
        assert (shown.rc, shown.stderr) == (0, ""), command
        assert shown.stdout, command


def test_the_operator_stops_gives_consent_and_resets_the_budget(host: Host, live: Instance):
    logins = len(live.logins())
    assert operator(host, "ibgatewayctl stop live").rc == 0
    assert operator(host, "ibgatewayctl start live").rc == 1
    assert live.status()["state"] == "parked"

    given = operator(host, "ibgatewayctl login live")

    assert given.rc == 0, given.stderr
    assert live.status()["state"] == "ready"
    assert len(live.logins()) == logins + 1
    assert operator(host, "ibgatewayctl budget live --reset").rc == 0
    assert live.status()["budget"]["left"] == 3


REFUSED = re.compile(
    r"Interactive authentication required|[Pp]ermission denied|not permitted|Access denied|as root|"
    r"Connection refused"
)
FORBIDDEN = [
    "systemctl start ibgateway-login@live.service",
    "systemctl start ibgateway-restart@live.service",
    "systemctl start ibgateway-reset@live.service",
    "systemctl start ibgateway-cycle@paper.service",
    "systemctl restart ibgateway@live.service",
    "systemctl stop ibgateway-display@live.service",
    "systemctl stop ibgateway-watch.service",
    "systemctl stop ibgateway-restart@live.timer",
    "systemctl stop ssh.service",
    "systemctl kill ibgateway@live.service",
    "systemctl disable ibgateway@live.service",
    "systemctl set-property ibgateway@live.service MemoryMax=1",
    "systemctl daemon-reload",
    "systemctl reboot",
    "systemd-run true",
    "/usr/local/lib/ibgateway/act consent live",
    "ibgatewayctl appointment login live",
    "touch /run/ibgateway/live/consent.json",
    "cat /run/ibgateway/live/config.ini",
    "cat /etc/ibgateway/live/credentials/password.cred",
    "ls /var/lib/ibgateway/live/settings",
    "bash -c 'echo STOP >/dev/tcp/127.0.0.1/7462'",
    "rm -f /var/lib/ibgateway/live/login-budget.json",
]


def test_the_operator_may_do_nothing_else(host: Host, live: Instance):
    seen, pid = len(live.events()), live.status()["java_pid"]

    for command in FORBIDDEN:
        refused = operator(host, command.replace("systemctl ", "systemctl --no-ask-password "))
        assert refused.rc != 0, command
        assert REFUSED.search(refused.stderr), f"{command}: {refused.stderr}"

    assert live.types_after(seen) == []
    assert (live.status()["state"], live.status()["java_pid"]) == ("ready", pid)


def test_another_user_may_not_even_that(host: Host):
    for command in (
        "systemctl --no-ask-password start ibgateway-consent@live.service",
        "ibgatewayctl stop live",
    ):
        assert host.run("cd / && runuser -u nobody -- sh -c %s", command).rc != 0, command


def test_timers_explain_themselves_and_are_never_made_up_for(host: Host):
    listed = json.loads(host.check_output("systemctl list-timers --all --output=json 'ibgateway-*@*'"))
    assert sorted(timer["unit"] for timer in listed) == [
        "ibgateway-cycle@paper.timer",
        "ibgateway-login@live.timer",
        "ibgateway-reset@live.timer",
        "ibgateway-reset@paper.timer",
        "ibgateway-restart@live.timer",
        "ibgateway-restart@paper.timer",
    ]
    for timer in listed:
        shown = host.check_output("systemctl show %s", timer["unit"])
        assert timer["next"], timer["unit"]
        assert "Persistent=no" in shown
        assert "AccuracyUSec=1s" in shown
        assert "UnitFileState=enabled" in shown
        assert re.search(r"Description=IB Gateway \w+: .+", shown)
        calendars = re.findall(r"OnCalendar=([^;]+);", shown)
        assert calendars
        for calendar in calendars:
            assert re.search(r" (?:UTC|[A-Z]\w+/\w+) $", calendar), calendar


def test_vnc_is_there_on_demand_and_for_this_machine_only(host: Host, live: Instance):
    port = live.ports["vnc"]
    assert not host.socket(f"tcp://127.0.0.1:{port}").is_listening

    shown = operator(host, "ibgatewayctl vnc live --json")

    assert shown.rc == 0, shown.stderr
    answer = json.loads(shown.stdout)
    assert re.fullmatch(r"[0-9A-Za-z]{8}", answer["password"])
    assert f"-L {port}:127.0.0.1:{port}" in answer["ssh"]
    listening = host.check_output("ss -Hltn sport = :%s", str(port)).splitlines()
    assert [line.split()[3] for line in listening] == [f"127.0.0.1:{port}"]
    processes = host.check_output("ps -eo args")
    assert answer["password"] not in processes
    assert host.check_output("systemctl show -P RuntimeMaxUSec ibgateway-vnc@live.service") == "30min"

    assert operator(host, "systemctl stop ibgateway-vnc@live.service").rc == 0
    wait_until(lambda: not host.socket(f"tcp://127.0.0.1:{port}").is_listening, "VNC to end", 20)
    assert not host.file("/run/ibgateway/live/vnc-password").exists


def test_the_watcher_told_of_it(host: Host):
    told = json_lines(host, "/var/lib/testbed/webhook.jsonl")
    assert any("live" in entry["body"] and "ibgatewayctl login live" in entry["body"] for entry in told)
