"""Evaluate the role's own YAML and templates with Ansible's templating, without a host."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import compiled_once
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "ibgateway"
compiled_once.install()

# What probe.py says of a host in good order, with the release installed.
HOST = {
    "architecture": "x86_64",
    "distribution": {"id": "debian", "version": "13", "name": "Debian GNU/Linux 13 (trixie)"},
    "memory_mib": 1950,
    "systemd": 252,
    "free_mib": {"/opt/ibgateway": 20000, "/var/lib/ibgateway": 20000},
    "year": 2026,
    "swap_mib": 1024,
    "time_kept": True,
    "uids": {"ibgateway": 995, "ibgateway-watch": 994, "trader": 1001},
    "accounts_to_make": [],
    "units_down": [],
    "foreign_listeners": {},
    "missing_packages": [],
    "packages_interrupted": False,
    "packages_broken": [],
    "firewall": True,
    "differing": [],
    "seen": {},
    "instances": ["live"],
    "leftover": [],
    "releases": {"10.45.1": {"sha256": "ab" * 32, "java": "/opt/ibgateway/releases/10.45.1/jre"}},
}
INSTANCE = {"name": "live", "mode": "live", "username": "u", "password": "p", "api_port": 4001}


@cache
def loaded(part: str) -> Any:
    """Return what a file of the role's says, such as tasks/main.yml; not to be changed.

    Ansible's own cache copies deeply each time, which takes as long as reading.
    """
    return DataLoader().load_from_file(str(ROLE / part), unsafe=True, trusted_as_template=True)


def templar(**changes: Any) -> Templar:
    """Return a templar that knows the role's variables for a good host and one instance, with `changes`."""
    if AnsibleCollectionConfig.collection_finder is None:  # once a process, whoever comes first
        init_plugin_loader()
    filter_loader.add_directory(str(ROOT / "plugins" / "filter"))
    variables = loaded("defaults/main.yml") | loaded("vars/main.yml")
    variables |= {
        "ibgateway_instances": [INSTANCE],
        "ibgateway_version": "10.45.1",
        "ibgateway_artifacts": {"10.45.1": {"path": __file__, "sha256": "ab" * 32, "size": 1}},
        "_ibgateway_host": HOST | changes.pop("host", {}),
        "_ibgateway_accounts_made": {},
        "_ibgateway_guarded": {"results": []},
        "ansible_managed": "Ansible managed",
        "ansible_search_path": [str(ROLE)],
    }
    return Templar(loader=DataLoader(), variables=variables | changes)


def render(name: str, **changes: Any) -> str:
    """Return the template `name` as the role would write it."""
    text = (ROLE / "templates" / name).read_text(encoding="utf-8")
    return templar(**changes).template(trust_as_template(text))


def refusals(tasks: str, **changes: Any) -> Iterator[str]:
    """Yield what the asserts have against the host, in order; a play stops at the first that has anything."""
    for task in loaded(f"tasks/{tasks}"):
        check = task.get("ansible.builtin.assert")
        if check is None:
            continue
        known = templar(**changes | task.get("vars", {}))
        if not known.evaluate_conditional(check["that"]):
            yield from known.template(check["fail_msg"]).splitlines()
