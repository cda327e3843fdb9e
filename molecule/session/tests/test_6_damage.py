"""Files that are damaged, and a disk that is full: a clear sentence, the safe side, nothing lost.

Meanwhile the live instance, whose link was lost, is looked after by its check, which takes its time.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from harness import seams
from harness.instance import Instance
from harness.wait import wait_until
from testinfra.host import Host

BUDGET = "/var/lib/ibgateway/paper/login-budget.json"
EVENTS = "/var/lib/ibgateway/paper/events.jsonl"
STATE = "/run/ibgateway/paper/state.json"


def checked(live: Instance) -> str:
    return live.host.check_output("journalctl --output=cat --lines=4 --unit=ibgateway-reset@live.service")


@pytest.fixture(scope="module", autouse=True)
def link_lost(live: Instance, everything_is_ready: None) -> dict[str, int]:
    """Lose the link of the live instance, outside a reset window, and let its check begin."""
    live.simulate("link", "lost")
    live.host.check_output("systemctl start --no-block ibgateway-reset@live.service")
    return {"events": len(live.events()), "logins": len(live.logins()), "java_pid": live.status()["java_pid"]}


@contextmanager
def small_disk(host: Host, folder: str) -> Generator[None]:
    """Put a file system of 8 MiB in a folder's place, with what was in it."""
    host.check_output("mount -t tmpfs -o size=8m,mode=0750 tmpfs /mnt && cp -a %s/. /mnt/", folder)
    host.check_output("chown --reference=%s /mnt && chmod --reference=%s /mnt", folder, folder)
    host.check_output("mount --move /mnt %s 2>/dev/null || { mount --bind /mnt %s; }", folder, folder)
    try:
        yield
    finally:
        host.check_output("umount --lazy %s; umount --lazy /mnt 2>/dev/null || true", folder)


def fill(host: Host, folder: str) -> None:
    """Leave not one byte, nor the rest of the page that the events end in: theirs is a new file."""
    host.check_output("rm -f %s/events.jsonl", folder)
    host.run("dd if=/dev/zero of=%s/.filler bs=4k 2>/dev/null; sync", folder)


@pytest.mark.parametrize("garbage", ["", "{", '{"boot": 1}', "[]", "\\0\\377\\376"])
def test_a_damaged_budget_is_closed(paper: Instance, garbage: str):
    host = paper.host
    host.check_output("ibgatewayctl stop paper")
    logins = len(paper.logins())
    host.check_output("printf '%%b' %s > %s", garbage, BUDGET)

    assert host.run("timeout 60 ibgatewayctl start paper").rc == 1

    status = paper.status()
    assert status["state"] == "parked"
    assert "ibgatewayctl budget paper --reset" in status["status"]
    assert len(paper.logins()) == logins
    assert host.run("ibgatewayctl login paper").rc == 5

    host.check_output("ibgatewayctl budget paper --reset")
    assert host.file(f"{BUDGET}.broken").exists


def test_damaged_events_and_state_are_no_obstacle(paper: Instance):
    host = paper.host
    host.check_output("ibgatewayctl stop paper")
    host.check_output("cp -p %s /var/lib/testbed/events", EVENTS)
    # As a power failure leaves it: half a line.
    host.check_output("printf '%%b' '\\377\\000{\"ty' > %s", EVENTS)
    host.check_output("printf '[{' > %s", STATE)

    for command in ("status", "events paper", "schedule paper", "budget paper"):
        shown = host.run(f"ibgatewayctl {command}")
        assert shown.rc in (0, 1), command
        assert "Traceback" not in shown.stderr
    for what in ("restart", "reset"):
        host.check_output("systemctl start ibgateway-%s@paper.service", what)
    seams.log_in(paper)

    lines = host.check_output("tail -n +2 %s", EVENTS).splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["starting", "login_submitted", "ready"]
    host.check_output("tail -n +2 %s >> /var/lib/testbed/events", EVENTS)
    host.check_output("cat /var/lib/testbed/events > %s", EVENTS)


def test_a_full_disk_allows_no_login(paper: Instance):
    host = paper.host
    host.check_output("ibgatewayctl stop paper")
    with small_disk(host, "/var/lib/ibgateway/paper"):
        logins = len(paper.logins())
        fill(host, "/var/lib/ibgateway/paper")

        assert host.run("timeout 60 ibgatewayctl start paper").rc == 1

        status = paper.status()
        assert status["state"] == "parked"
        assert "No space left on device" in status["status"]
        assert len(paper.logins()) == logins
        assert "events cannot be written" in paper.journal("--lines=30")
    seams.log_in(paper)


def test_a_disk_that_fills_up_under_a_session_loses_no_event(paper: Instance):
    host = paper.host
    host.check_output("ibgatewayctl stop paper")
    host.check_output("ibgatewayctl budget paper --reset")
    seams.plan(paper, "login.delay=3")
    host.check_output("mount --bind /var/lib/ibgateway/paper/settings /media")
    with small_disk(host, "/var/lib/ibgateway/paper"):
        # Gateway's own files are not what this is about.
        host.check_output("mount --bind /media %s/settings", "/var/lib/ibgateway/paper")
        seen = len(paper.events())
        host.check_output("systemctl start --no-block ibgateway@paper.service")
        paper.wait_for_event("login_submitted", after=seen)
        fill(host, "/var/lib/ibgateway/paper")

        paper.wait_for("ready")
        assert paper.events() == []
        assert "events cannot be written" in paper.journal("--lines=60")
        refused = host.run("ibgatewayctl restart paper --soft")
        assert refused.rc != 0
        assert "nothing was done" in refused.stderr

        host.check_output("rm /var/lib/ibgateway/paper/.filler")
        assert paper.wait_for_event("ready", after=0, seconds=20)
        host.check_output("ibgatewayctl stop paper")
        host.check_output("umount /var/lib/ibgateway/paper/settings /media")
    seams.plan(paper)
    seams.log_in(paper)


def test_a_full_run_directory_is_told_and_starts_nothing(paper: Instance):
    host = paper.host
    host.check_output("ibgatewayctl stop paper")
    host.check_output("ibgatewayctl budget paper --reset")
    logins = len(paper.logins())
    with small_disk(host, "/run/ibgateway/paper"):
        fill(host, "/run/ibgateway/paper")
        host.run("timeout 60 ibgatewayctl start paper")
        assert paper.unit_properties()["ExecMainStatus"] in ("77", "78")
        assert len(paper.logins()) == logins
        assert "No space left on device" in paper.journal("--lines=20")
    seams.log_in(paper)


def test_meanwhile_the_link_was_reconnected(live: Instance, link_lost: dict[str, int]):
    # Looked at twice, then RECONNECTDATA, which does not help, then RECONNECTACCOUNT, which does.
    wait_until(lambda: "back after RECONNECTACCOUNT" in checked(live), "the link", 130)

    assert live.types_after(link_lost["events"]) == ["remedy", "remedy"]
    assert (live.status()["java_pid"], len(live.logins())) == (link_lost["java_pid"], link_lost["logins"])
