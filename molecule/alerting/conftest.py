"""Each file's tests begin outside the reset windows, all instances ready, budgets unused, nothing open."""

import pytest
from harness import seams
from harness.instance import Instance
from harness.phone import Phone
from testinfra.host import Host


@pytest.fixture(scope="module", autouse=True)
def everything_is_ready(host: Host, instances: dict[str, Instance]) -> None:
    """Each file's tests begin alike."""
    seams.reset_now(host, False)
    seams.ready(instances)


@pytest.fixture(scope="module")
def phone(host: Host) -> Phone:
    """The operator's phone, being honest."""
    shown = Phone(host)
    shown.script()
    return shown
