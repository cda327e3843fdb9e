"""What the processes may do: the watcher starts four kinds of unit, the notifier sees nothing of Gateway."""

import re

import pytest
from harness.instance import Instance, unit_properties
from testinfra.host import Host

REFUSED = re.compile(r"Interactive authentication required|Access denied|[Pp]ermission denied|not permitted")


def as_user(host: Host, user: str, command: str):
    return host.run("cd / && runuser -u %s -- sh -c %s", user, command)


@pytest.mark.parametrize(
    "unit",
    [
        "ibgateway@live",
        "ibgateway-login@live",
        "ibgateway-pause@live",
        "ibgateway-budget-reset@live",
        "ssh",
        "ibgateway-vnc@live",
    ],
)
@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_the_watcher_may_not(host: Host, unit: str, verb: str):
    refused = as_user(host, "ibgateway-watch", f"systemctl --no-ask-password {verb} {unit}.service")
    assert refused.rc != 0
    assert REFUSED.search(refused.stderr), refused.stderr


@pytest.mark.parametrize(
    "unit",
    ["ibgateway-consent@live", "ibgateway-restart-soft@live", "ibgateway-reset@live", "ibgateway-guard@live"],
)
def test_the_watcher_may_not_stop_what_it_may_start(host: Host, unit: str):
    assert as_user(host, "ibgateway-watch", f"systemctl --no-ask-password stop {unit}.service").rc != 0


def test_the_watcher_may_have_the_session_looked_after(host: Host, live: Instance):
    assert (
        as_user(host, "ibgateway-watch", "systemctl --no-ask-password start ibgateway-reset@live.service").rc
        == 0
    )
    assert live.status()["state"] == "ready"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ibgateway/live/instance.toml",
        "/var/lib/ibgateway/live/events.jsonl",
        "/run/ibgateway/live/state.json",
    ],
)
def test_the_notifier_sees_nothing_of_gateway(host: Host, path: str):
    pid = host.check_output("systemctl show -P MainPID ibgateway-notify.service")
    seen = host.run("nsenter --target=%s --mount -- runuser -u ibgateway-notify -- cat %s", pid, path)
    assert seen.rc != 0


def test_the_notifier_may_start_nothing(host: Host):
    for unit in ("ibgateway-consent@live", "ibgateway-reset@live"):
        assert as_user(host, "ibgateway-notify", f"systemctl --no-ask-password start {unit}.service").rc != 0


@pytest.mark.parametrize("unit", ["ibgateway-watch.service", "ibgateway-notify.service"])
def test_they_are_confined(host: Host, unit: str):
    shown = unit_properties(host, unit)
    assert shown["MemoryDenyWriteExecute"] == "yes"
    assert shown["NoNewPrivileges"] == "yes"
    assert shown["ProtectSystem"] == "strict"
    assert shown["CapabilityBoundingSet"] == ""
    exposure = host.check_output("systemd-analyze security --no-pager %s | tail -1", unit)
    assert float(re.search(r"([0-9.]+) (?:OK|MEDIUM)", exposure)[1]) < 3.0, exposure


def test_the_watcher_reaches_loopback_alone(host: Host):
    shown = unit_properties(host, "ibgateway-watch.service")
    assert "127.0.0.0/8" in shown["IPAddressAllow"]
    assert shown["IPAddressDeny"]
