"""playbooks/verify.yml finds what is wrong on a live host, and changes nothing."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from harness.site import Run
from testinfra.host import Host


@pytest.fixture(scope="module", autouse=True)
def as_the_inventory_says(site: Callable[..., Run], everything_is_ready: None) -> None:
    """Earlier files leave a host whose paper instance is not as the inventory wants it."""
    run = site()
    assert run.code == 0, run.output


@pytest.fixture
def verify(site: Callable[..., Run]) -> Callable[..., Run]:
    """The read-only checks on this scenario's host."""
    return partial(site, playbook="playbooks/verify.yml")


@pytest.fixture
def broken(host: Host) -> Iterator[None]:
    """A host whose firewall is down and whose live settings others may read."""
    secret = "/run/ibgateway/live/config.ini"
    host.check_output("systemctl stop ibgateway-firewall && chmod 0644 %s", secret)
    yield
    host.check_output("chmod 0600 %s && systemctl start ibgateway-firewall", secret)


def test_a_healthy_host_passes(verify: Callable[..., Run]):
    run = verify()
    assert (run.code, run.changed) == (0, 0), run.output
    assert "FAILED" not in run.output


@pytest.mark.usefixtures("broken")
def test_everything_wrong_is_named_in_one_run(verify: Callable[..., Run], host: Host):
    run = verify()
    assert run.code != 0
    assert run.changed == 0
    assert "3 of 8 checks failed" in run.output
    assert "Found: /run/ibgateway/live/config.ini" in run.output
    assert "Found: ibgateway-firewall.service" in run.output
    assert not host.service("ibgateway-firewall").is_running
