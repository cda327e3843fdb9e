"""Each test begins outside the reset windows, with the old release, all ready and nothing pending."""

from collections.abc import Callable
from functools import partial

import pytest
from harness.phone import Phone
from harness.releases import everything_is_old_and_ready, upgrade  # noqa: F401 - fixtures
from harness.site import Run
from testinfra.host import Host


@pytest.fixture(scope="session")
def rollback(site: Callable[..., Run]) -> Callable[..., Run]:
    """`rollback.yml`."""
    return partial(site, playbook="playbooks/rollback.yml")


@pytest.fixture(scope="module")
def phone(host: Host) -> Phone:
    """The operator's phone."""
    return Phone(host)
