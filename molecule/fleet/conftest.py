"""Four hosts at once, as the front door and as their own operator see them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra
import yaml
from harness.instance import Instance
from harness.site import Run, run_site
from testinfra.host import Host

INVENTORY = Path(__file__).parent / "inventory"
NAMES = ("fleet1", "fleet2", "fleet3", "fleet4")
# Nothing listens there: a host with this ssh port cannot be reached.
CLOSED_PORT = 9
# Not localhost, on which site.yml looks whether the demo's host is up.
RECAP = re.compile(r"(fleet\d) : ok=(\d+) changed=(\d+) unreachable=(\d+) failed=(\d+)")


@dataclass(frozen=True)
class Fleet:
    """The four hosts.

    Args:
        folder: where changed inventories are written.
    """

    folder: Path

    def run(self, *arguments: str, hosts: dict[str, dict[str, Any]] | None = None, **options: Any) -> Run:
        """Run `site.yml` (or `playbook=`) on the fleet.

        Args:
            *arguments: further arguments of ansible-playbook.
            hosts: variables of single hosts, over those of the scenario's inventory.
            **options: `playbook`, and extra variables.
        """
        if hosts:
            more = self.folder / "more.yml"
            more.write_text(yaml.safe_dump({"gateways": {"hosts": hosts}}))
            arguments = (f"--inventory={more}", *arguments)
        return run_site(INVENTORY, *arguments, **options)

    def host(self, name: str) -> Host:
        """One of the hosts, as root."""
        return testinfra.get_host(f"ansible://{name}", ansible_inventory=str(INVENTORY / "hosts.yml"))

    def instance(self, host: str, name: str) -> Instance:
        """One instance of the scenario's inventory."""
        there = self.host(host)
        given = there.ansible.get_variables()["ibgateway_instances"]
        return Instance(there, next(entry for entry in given if entry["name"] == name))


def recap(run: Run) -> dict[str, dict[str, int]]:
    """What Ansible's summary says of each host: ok, changed, unreachable and failed tasks."""
    keys = ("ok", "changed", "unreachable", "failed")
    return {
        host: dict(zip(keys, map(int, counts), strict=True)) for host, *counts in RECAP.findall(run.output)
    }


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """The four hosts."""
    return Fleet(tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="session")
def summary() -> Callable[[Run], dict[str, dict[str, int]]]:
    """Reads Ansible's summary."""
    return recap
