"""The tests begin with both instances ready, and go on from one to the next."""

from pathlib import Path

import pytest
from harness import seams
from harness.instance import Instance


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this controller keeps what was fetched, in all of the tests."""
    return tmp_path_factory.mktemp("fetched")


@pytest.fixture(scope="module", autouse=True)
def ready(instances: dict[str, Instance], request: pytest.FixtureRequest) -> None:
    """The first file begins with both instances ready."""
    if request.module.__name__ == "test_1_bundle":
        seams.ready(instances)
