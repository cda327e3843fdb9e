"""Evaluate the role's own YAML and templates with Ansible's templating, without a host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "ibgateway"

# What probe.py says of a host in good order, with the release installed.
HOST = {
    "architecture": "x86_64",
    "systemd": 252,
    "free_mib": {"/opt/ibgateway": 20000, "/var/lib/ibgateway": 20000},
    "year": 2026,
    "clock_synchronised": True,
    "uids": {"ibgateway": 995, "ibgateway-watch": 994, "trader": 1001},
    "foreign_listeners": {},
    "missing_packages": [],
    "firewall": True,
    "differing": [],
    "releases": {"10.45.1": {"sha256": "ab" * 32, "java": "/opt/ibgateway/releases/10.45.1/jre"}},
}
INSTANCE = {"name": "live", "mode": "live", "username": "u", "password": "p", "api_port": 4001}


def templar(**changes: Any) -> Templar:
    """Return a templar that knows the role's variables for a good host and one instance, with `changes`."""
    if AnsibleCollectionConfig.collection_finder is None:  # once a process, whoever comes first
        init_plugin_loader()
    filter_loader.add_directory(str(ROOT / "plugins" / "filter"))
    loader = DataLoader()
    variables: dict[str, Any] = {}
    for name in ("defaults", "vars"):
        variables |= loader.load_from_file(str(ROLE / name / "main.yml"), trusted_as_template=True)
    variables |= {
        "ibgateway_instances": [INSTANCE],
        "ibgateway_version": "10.45.1",
        "ibgateway_artifacts": {"10.45.1": {"path": __file__, "sha256": "ab" * 32, "size": 1}},
        "ansible_facts": {
            "distribution": "Debian",
            "distribution_version": "13.2",
            "distribution_major_version": "13",
            "memtotal_mb": 1950,
        },
        "_ibgateway_host": HOST | changes.pop("host", {}),
        "_ibgateway_accounts_made": {},
        "ansible_managed": "Ansible managed",
    }
    return Templar(loader=loader, variables=variables | changes)


def render(name: str, **changes: Any) -> str:
    """Return the template `name` as the role would write it."""
    text = (ROLE / "templates" / name).read_text(encoding="utf-8")
    return templar(**changes).template(trust_as_template(text))


def refusals(tasks: str, **changes: Any) -> Iterator[str]:
    """Yield the messages of the asserts that do not hold, in order; a play stops at the first."""
    for task in DataLoader().load_from_file(str(ROLE / "tasks" / tasks), trusted_as_template=True):
        check = task.get("ansible.builtin.assert")
        if check is None:
            continue
        known = templar(**changes)
        for item in known.template(task["loop"]) if "loop" in task else [None]:
            known = templar(**changes | {"item": item})
            if "when" in task and not known.evaluate_conditional(task["when"]):
                continue
            conditions = check["that"] if isinstance(check["that"], list) else [check["that"]]
            if not all(known.evaluate_conditional(condition) for condition in conditions):
                yield known.template(check["fail_msg"]).strip()
