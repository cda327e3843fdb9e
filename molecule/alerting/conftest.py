"""Each file's tests begin outside the reset windows, all instances ready, budgets unused, nothing open."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from harness import seams
from harness.instance import Instance
from harness.phone import Phone
from harness.site import Run, run_site
from testinfra.host import Host


@pytest.fixture(scope="session")
def site() -> Callable[..., Run]:
    """`site.yml` on this scenario's host; takes ansible-playbook's arguments and extra variables."""
    return partial(run_site, Path(__file__).parent / "inventory")


@pytest.fixture(scope="module", autouse=True)
def everything_is_ready(host: Host, instances: dict[str, Instance]) -> None:
    """Each file's tests begin alike."""
    seams.reset_now(host, False)
    for instance in instances.values():
        seams.plan(instance)
        seams.log_in(instance)


@pytest.fixture(scope="module")
def phone(host: Host) -> Phone:
    """The operator's phone, being honest."""
    shown = Phone(host)
    shown.script()
    return shown
