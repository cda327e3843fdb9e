"""The playbooks an operator runs from his computer: status, login and restart."""

from collections.abc import Callable
from functools import partial

import pytest
from harness.instance import Instance
from harness.site import Run


@pytest.fixture
def status(site: Callable[..., Run]) -> Callable[..., Run]:
    return partial(site, playbook="playbooks/status.yml")


def unused_budget(instance: Instance) -> int:
    """Begin the login budget anew; return how many logins arrived so far."""
    instance.host.check_output("ibgatewayctl budget %s --reset", instance.name)
    return len(instance.logins())


def test_status_is_one_table(status: Callable[..., Run]):
    run = status()
    assert (run.code, run.changed) == (0, 0), run.output
    assert all(word in run.output for word in ("session", "live", "paper", "ready"))


def test_login_gives_consent_once_and_status_tells_before_and_after(
    site: Callable[..., Run], status: Callable[..., Run], live: Instance
):
    live.host.check_output("ibgatewayctl stop live")
    down = status()
    assert down.code != 0
    assert "Not ready: session/live" in down.output
    logins = unused_budget(live)

    run = site(playbook="playbooks/login.yml", instance="live")

    assert run.code == 0, run.output
    assert live.status()["state"] == "ready"
    assert len(live.logins()) == logins + 1
    again = site(playbook="playbooks/login.yml", instance="live")
    assert (again.code, again.changed) == (0, 0), again.output
    assert len(live.logins()) == logins + 1


def test_a_full_restart_must_be_meant(site: Callable[..., Run], paper: Instance):
    before, logins = paper.status()["java_pid"], unused_budget(paper)

    refused = site(playbook="playbooks/restart.yml", instance="paper", ibgateway_restart_full=True)

    assert refused.code != 0
    assert "Nothing was done" in refused.output
    assert paper.status()["java_pid"] == before

    meant = site(
        playbook="playbooks/restart.yml",
        instance="paper",
        ibgateway_restart_full=True,
        ibgateway_restart_confirm="yes",
    )

    assert meant.code == 0, meant.output
    assert paper.wait_for("ready")["java_pid"] != before
    assert len(paper.logins()) == logins + 1


def test_an_instance_that_is_not_there_is_refused(site: Callable[..., Run]):
    run = site(playbook="playbooks/restart.yml", instance="lvie")
    assert run.code != 0
    assert "lvie" in run.output
