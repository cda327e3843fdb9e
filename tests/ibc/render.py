"""Render a role's templates as Ansible does, with its variables, in milliseconds and without a host."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import compiled_once
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

ROOT = Path(__file__).resolve().parents[2]
compiled_once.install()

filter_loader.add_directory(str(ROOT / "plugins" / "filter"))


def section(text: str, name: str) -> dict[str, list[str]]:
    """A unit's section, each key with all its values."""
    found: dict[str, list[str]] = {}
    inside = False
    for line in text.splitlines():
        if line.startswith("["):
            inside = line == f"[{name}]"
        elif inside and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@cache
def loaded(file: Path) -> Any:
    """Return what a role's own YAML file says; it may hold templates, and is trusted. Not to be changed.

    Ansible's own cache copies deeply each time, which takes as long as reading.
    """
    return DataLoader().load_from_file(str(file), unsafe=True, trusted_as_template=True)


class Role:
    """One role's variables and templates.

    Args:
        name: the role.
        variables: what the inventory sets, over the role's defaults.
    """

    def __init__(self, name: str, **variables: Any) -> None:
        if AnsibleCollectionConfig.collection_finder is None:  # once a process, whoever comes first
            init_plugin_loader()
        self.path = ROOT / "roles" / name
        merged: dict[str, Any] = {"ansible_managed": "Ansible managed", "role_path": str(self.path)}
        # Where lookups find the role's files and templates.
        merged["ansible_search_path"] = [str(self.path)]
        # What a test gives as variables is not trusted.
        merged |= (loaded(self.path / "defaults/main.yml") or {}) | variables
        if (self.path / "vars/main.yml").is_file():
            merged |= loaded(self.path / "vars/main.yml") or {}
        self._templar = Templar(loader=DataLoader(), variables=merged)

    def value(self, expression: str, **more: Any) -> Any:
        """Return what a Jinja expression gives.

        Args:
            expression: such as `_ibc_instances`.
            **more: further variables, such as `item`.
        """
        return self._render("{{ " + expression + " }}", more)

    def template(self, name: str, **more: Any) -> str:
        """Return a template's text.

        Args:
            name: the file in the role's `templates`.
            **more: further variables, such as `item`.
        """
        return str(self._render((self.path / "templates" / name).read_text(), more))

    def included(self, *steps: str) -> list[str]:
        """Return the task files that a run would include.

        Args:
            *steps: the files, without suffix, whose includes are asked for.
        """
        found = []
        for task in (task for step in steps for task in loaded(self.path / f"tasks/{step}.yml")):
            if "loop_var" in task.get("loop_control", {}):
                found += self._render(task["loop"], {})
            elif "ansible.builtin.include_tasks" in task and self._templar.evaluate_conditional(task["when"]):
                found.append(task["ansible.builtin.include_tasks"])
        return found

    def _render(self, text: str, more: dict[str, Any]) -> Any:
        templar = self._templar.copy_with_new_env(
            available_variables=self._templar.available_variables | more
        )
        return templar.template(trust_as_template(text), escape_backslashes=False)
