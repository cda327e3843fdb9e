"""Every playbook that changes a host takes it first, and gives it back when it ends well."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHANGING = ("provision", "upgrade", "rollback", "restart", "restore", "decommission")
# What may come before: it looks and asks, and changes nothing on the host.
HARMLESS = {"ansible.builtin.assert", "ansible.builtin.pause", "ansible.builtin.debug"}


def tasks(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every task, those in blocks, too."""
    for entry in entries:
        if "block" in entry:
            yield from tasks(entry["block"])
        else:
            yield entry


def role_file(task: dict[str, Any]) -> tuple[str, str]:
    """Role and file of an import."""
    given = task.get("ansible.builtin.import_role", {})
    return given.get("name", ""), given.get("tasks_from", "")


@pytest.mark.parametrize("name", CHANGING)
def test_a_playbook_takes_the_host_before_it_changes_it_and_gives_it_back(name: str):
    play = yaml.safe_load((ROOT / f"playbooks/{name}.yml").read_text())[0]
    parts = [play.get(part, []) for part in ("pre_tasks", "tasks", "post_tasks")]
    every = [task for part in parts for task in tasks(part)]
    taking = [role_file(task) in {("ibc", "hold.yml"), ("ibc", "preflight.yml")} for task in every]
    giving = [role_file(task) == ("ibc", "let_go.yml") for task in every]
    assert taking.count(True) == giving.count(True) == 1
    assert all(not HARMLESS.isdisjoint(task) for task in every[: taking.index(True)])
    assert taking.index(True) < giving.index(True)


def test_looking_at_the_host_takes_it():
    preflight = yaml.safe_load((ROOT / "roles/ibc/tasks/preflight.yml").read_text())
    (look,) = [task for task in preflight if task["name"] == "Look at the host"]
    assert look["ansible.builtin.import_tasks"] == "hold.yml"


@pytest.mark.parametrize("name", ["backup", "login", "status", "support_bundle", "verify"])
def test_the_others_are_kept_out_by_nobody(name: str):
    assert "hold.yml" not in (ROOT / f"playbooks/{name}.yml").read_text()
