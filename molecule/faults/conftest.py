"""Run the front door against this scenario's inventory."""

import pytest
from harness import seams
from harness.instance import Instance


@pytest.fixture(scope="module", autouse=True)
def everything_is_ready(instances: dict[str, Instance]) -> None:
    """Each file's tests begin when every instance is ready; after a boot, live asks for consent."""
    for instance in instances.values():
        seams.log_in(instance)
