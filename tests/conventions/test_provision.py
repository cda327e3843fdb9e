"""What the order of the provisioning play promises, and what keeps it quick."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
(PLAY,) = yaml.safe_load((ROOT / "playbooks/provision.yml").read_text())


def imported(part: str) -> list[tuple[str, str]]:
    """Role and task file of each import in a part of the play."""
    imports = [
        task["ansible.builtin.import_role"] for task in PLAY[part] if "ansible.builtin.import_role" in task
    ]
    return [(entry["name"], entry["tasks_from"]) for entry in imports]


def test_everything_is_checked_first_and_the_instances_start_last():
    assert imported("pre_tasks") == [("ibc", "preflight.yml"), ("alerting", "preflight.yml")]
    assert [role["role"] for role in PLAY["roles"]] == ["ibgateway", "ibc", "alerting"]
    assert imported("post_tasks") == [("ibc", "start.yml"), ("alerting", "check.yml"), ("ibc", "let_go.yml")]
    # Alone, the roles do that themselves (test_ibc_units.py, test_role.py). A channel that is not usable
    # fails the run, but only after the start.
    assert PLAY["vars"]["_ibc_starts_later"] is True
    assert PLAY["vars"]["_alerting_checks_later"] is True


def test_old_names_of_variables_are_refused_before_anything_else():
    first = PLAY["pre_tasks"][0]
    assert "ibgateway_renamed_problems" in first["vars"]["_provision_renamed"]
    assert first["tags"] == "always"


def test_a_fleet_goes_at_once_unless_told_otherwise():
    assert PLAY["serial"] == "{{ fleet_serial | default('100%') }}"
    assert PLAY["max_fail_percentage"] == "{{ fleet_max_fail_percentage | default(100) }}"


def test_the_filters_are_loaded_before_the_first_task():
    # docs/benchmarks.md: a play without such a template takes twice the time.
    before, _ = yaml.safe_load((ROOT / "site.yml").read_text())
    for play in (before, PLAY):
        assert re.fullmatch(r"\{\{.+\| *[a-z]+ *\}\}", play["hosts"])


def test_what_nearly_each_task_asks_for_is_resolved_once():
    for role in ("ibc", "ibgateway"):
        tasks = yaml.safe_load((ROOT / f"roles/{role}/tasks/preflight.yml").read_text())
        (kept,) = (task for task in tasks if task["name"].startswith("Keep what was seen"))
        assert kept["ansible.builtin.set_fact"][f"_{role}_public"] == f"{{{{ _{role}_public }}}}"
