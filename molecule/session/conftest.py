"""Each file's tests begin outside the reset windows, all instances ready and their login budgets unused."""

import pytest
from harness import seams
from harness.instance import Instance
from testinfra.host import Host


@pytest.fixture(scope="module", autouse=True)
def everything_is_ready(host: Host, instances: dict[str, Instance]) -> None:
    """Each file's tests begin alike."""
    seams.reset_now(host, False)
    seams.ready(instances)
