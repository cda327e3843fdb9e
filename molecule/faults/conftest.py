"""Run the front door against this scenario's inventory."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from harness import seams
from harness.instance import Instance
from harness.site import Run, run_site


@pytest.fixture(scope="session")
def site() -> Callable[..., Run]:
    """`site.yml` (or `playbook=`) on this scenario's host; takes arguments and extra variables."""
    return partial(run_site, Path(__file__).parent / "inventory")


@pytest.fixture(scope="module", autouse=True)
def everything_is_ready(instances: dict[str, Instance]) -> None:
    """Each file's tests begin when every instance is ready; after a boot, live asks for consent."""
    for instance in instances.values():
        seams.log_in(instance)
