"""Fixtures of every scenario's tests, and the evidence that a failed one prints.

testinfra's surface is kept narrow on purpose (run, check_output, file): it is little maintained, and so few
functions could be replaced by our own.
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pytest
from harness.instance import Instance
from harness.site import Run, run_site
from testinfra.host import Host

JOURNAL_LINES = 150
_printed: dict[str, str] = {}


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Callable[..., Run]:
    """`site.yml` (or `playbook=`) on the scenario's hosts; takes arguments and extra variables."""
    scenario = request.session.items[0].path.parents[1]
    return partial(run_site, scenario / "inventory")


@pytest.fixture(scope="module")
def instances(host: Host) -> dict[str, Instance]:
    """The host's instances by name, from the scenario's inventory."""
    given = host.ansible.get_variables()["ibgateway_instances"]
    return {entry["name"]: Instance(host, entry) for entry in given}


@pytest.fixture(scope="module")
def live(instances: dict[str, Instance]) -> Instance:
    """The instance with a live account."""
    return instances["live"]


@pytest.fixture(scope="module")
def paper(instances: dict[str, Instance]) -> Instance:
    """The instance with a paper account."""
    return instances["paper"]


@pytest.fixture(params=["live", "paper"])
def instance(request: pytest.FixtureRequest, instances: dict[str, Instance]) -> Instance:
    """Each of the instances in turn."""
    return instances[request.param]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """Add the journal of the host's units to the report of a failed test."""
    report = yield
    host = getattr(item, "funcargs", {}).get("_testinfra_host")
    if report.failed and call.when != "teardown" and host is not None:
        name = host.backend.hostname
        journal = host.run(f"journalctl --no-pager --lines={JOURNAL_LINES} --unit='ibgateway*' 2>&1").stdout
        shown = "(nothing new since the failure above)" if _printed.get(name) == journal else journal
        _printed[name] = journal
        report.sections.append((f"journal of the units on {name}", shown))
    return report
