"""A playbook that is killed at any task leaves a host that works, and the next run finishes it."""

from collections.abc import Callable

import pytest
from conftest import NEW, OLD, judged, kill_at
from harness.costs import counts, since
from harness.instance import Instance
from harness.site import Run

PLAYBOOK = "playbooks/upgrade.yml"


@pytest.mark.parametrize(
    "task",
    [
        "Copy installers from the controller",
        "Install IB Gateway",
        "Stop before anything is switched",
        "Have the next start use them",
        "Ask the instances for their state",
        "Remove the releases that nothing needs any more",
    ],
)
def test_planned(upgrade: Callable[..., Run], live: Instance, task: str):
    live.host.check_output("rm -rf /opt/ibgateway/releases/%s", NEW)
    before, pid = counts(live), live.status()["java_pid"]

    kill_at(task, PLAYBOOK, instance="live", version=NEW)

    assert (live.status()["state"], live.status()["java_pid"]) == ("ready", pid)
    run = upgrade(instance="live")
    assert run.code == 0, run.output
    assert f"IB Gateway {OLD} → {NEW}" in live.status()["pending"]
    assert since(live, before)["logins"] == 0


@pytest.mark.parametrize(
    "task", ["Restart the instances whose policy is now", "Follow until each is ready, or was left again"]
)
def test_now(upgrade: Callable[..., Run], live: Instance, task: str):
    before = counts(live)

    kill_at(task, PLAYBOOK, instance="live", version=NEW, ibgateway_restart="now")

    run = upgrade(instance="live", ibgateway_restart="now")
    assert run.code == 0, run.output
    assert (live.wait_for("ready", 150)["gateway_version"]) == NEW
    judged(live)
    assert since(live, before)["logins"] == 0
    assert since(live, before)["pushes.sent"] == 0
