"""Two releases of IB Gateway, and what the tests of upgrades begin with.

A scenario's conftest.py imports the fixtures.
"""

import json
from collections.abc import Callable
from functools import partial

import pytest
from testinfra.host import Host

from harness import seams
from harness.instance import Instance
from harness.site import Run

OLD, NEW = "10.37.1", "10.45.1"


def record(instance: Instance) -> dict:
    """What the host has noted of the instance's releases."""
    result = instance.host.run("cat /etc/ibgateway/%s/upgrade.json", instance.name)
    return json.loads(result.stdout) if result.rc == 0 else {}


def judged(instance: Instance) -> None:
    """What the timer does ten minutes after the daily restart, now."""
    instance.host.check_output("systemctl start ibgateway-restart@%s.service", instance.name)


def back_to_old(instance: Instance) -> None:
    """Have an instance run the old release, with nothing pending and nothing remembered."""
    host, name = instance.host, instance.name
    seams.plan(instance)
    status = instance.status()
    if status["gateway_version"] != OLD or status["pending"] or status["state"] != "ready":
        host.check_output("ibgatewayctl stop %s", name)
        host.check_output(
            f"ibgatewayctl upgrade begin {name} --gateway-version {OLD} --ibc-version 3.25.0 --again"
        )
    host.check_output("rm -f /etc/ibgateway/%s/upgrade.json", name)
    seams.log_in(instance)


@pytest.fixture(scope="session")
def upgrade(site: Callable[..., Run]) -> Callable[..., Run]:
    """`upgrade.yml` to the new release."""
    return partial(site, playbook="playbooks/upgrade.yml", version=NEW)


@pytest.fixture(autouse=True)
def everything_is_old_and_ready(host: Host, live: Instance, paper: Instance) -> None:
    """Each test begins alike."""
    seams.reset_now(host, False)
    for instance in (live, paper):
        back_to_old(instance)
