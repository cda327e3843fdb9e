"""Run the front door against this scenario's inventory."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from harness.site import Run, run_site


@pytest.fixture(scope="session")
def site() -> Callable[..., Run]:
    """`site.yml` on this scenario's host; takes ansible-playbook's arguments and extra variables."""
    return partial(run_site, Path(__file__).parent / "inventory")
