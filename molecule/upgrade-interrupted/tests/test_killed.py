"""A playbook that is killed anywhere leaves a host that works, and the next run finishes it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import kill_after_each_change, kill_at
from harness.costs import counts, since
from harness.instance import Instance
from harness.releases import NEW, OLD, judged
from harness.site import Run

PLAYBOOK = "playbooks/upgrade.yml"


def test_planned(upgrade: Callable[..., Run], live: Instance, tmp_path: Path):
    live.host.check_output("rm -rf /opt/ibgateway/releases/%s", NEW)
    before, pid = counts(live), live.status()["java_pid"]

    killed = []
    for task in kill_after_each_change(PLAYBOOK, tmp_path / "passed", instance="live", version=NEW):
        killed.append(task)
        assert (live.status()["state"], live.status()["java_pid"]) == ("ready", pid), task

    assert {"ibgateway : Install IB Gateway", "Have the next start use them"} <= set(killed)
    assert f"IB Gateway {OLD} → {NEW}" in live.status()["pending"]
    again = upgrade(instance="live")
    assert (again.code, again.changed) == (0, 0), again.output
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
