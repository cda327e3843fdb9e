"""A change of settings waits for the planned restart, unless the operator says now."""

from collections.abc import Callable

from harness import properties
from harness.instance import Instance
from harness.site import Run

CHANGED = {"ibc_settings": {"MinimizeMainWindow": True}}


def test_a_change_is_marked_and_the_session_is_left_alone(
    site: Callable[..., Run], paper: Instance, live: Instance
):
    before = {instance.name: instance.status()["java_pid"] for instance in (paper, live)}

    run = site("--tags=ibc", **CHANGED)

    assert run.code == 0, run.output
    assert run.changed > 0
    for instance in (paper, live):
        status = instance.status()
        assert (status["state"], status["java_pid"]) == ("ready", before[instance.name])
        assert any("ibc.ini" in reason for reason in status["pending"])
        assert "restart pending" in instance.host.run("ibgatewayctl status %s", instance.name).stdout


def test_now_means_now(site: Callable[..., Run], paper: Instance, live: Instance):
    before, live_pid = paper.status(), live.status()["java_pid"]
    logins = len(paper.logins())
    # The live instance would ask for a tap; this one change is for paper alone.
    given = [{**live.given}, {**paper.given, "restart": "now"}]

    run = site("--tags=ibc", **CHANGED, ibgateway_instances=given)

    assert run.code == 0, run.output
    status = paper.wait_for("ready")
    assert status["java_pid"] != before["java_pid"]
    assert status["pending"] == []
    assert len(paper.logins()) == logins + 1
    settings = properties.load(paper.host.file("/run/ibgateway/paper/config.ini").content)
    assert settings["MinimizeMainWindow"] == "yes"
    assert live.status()["java_pid"] == live_pid


def test_the_next_run_changes_nothing(site: Callable[..., Run], paper: Instance):
    before = paper.status()["java_pid"]
    run = site("--tags=ibc", **CHANGED)
    assert (run.code, run.changed) == (0, 0), run.output
    assert paper.status()["java_pid"] == before
