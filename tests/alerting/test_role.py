"""What the role promises about its own files."""

from __future__ import annotations

import ast
import re

import yaml
from conftest import ROLE

PACKAGE = ROLE / "files" / "ibgateway_watch"


def imports(path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return names | {
        node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level
    }


def test_only_one_module_knows_apprise():
    assert [path.name for path in PACKAGE.glob("*.py") if "apprise" in imports(path)] == ["channels.py"]


def test_the_entry_point_is_valid_python_before_it_is_rendered():
    ast.parse((ROLE / "templates" / "ibgateway-watch.py.j2").read_text(encoding="utf-8"))


def test_every_package_is_pinned_by_version_and_hash_and_names_no_host():
    text = (ROLE / "files" / "requirements.txt").read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"\n(?=[a-z])", re.sub(r"^ *#.*\n?", "", text, flags=re.MULTILINE).strip())
    assert len(entries) > 5
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==[0-9.]+ ", entry), entry
        assert entry.count("--hash=sha256:") >= 1


def test_the_defaults_are_the_documented_interface():
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    assert set(defaults) == {name for name, option in options.items() if not option.get("required")}


def test_the_role_keeps_its_task_budget():
    """At most 11 remote tasks on a run that changes nothing; a block with a condition is not run then."""
    remote = 0
    for name in ("preflight", "install", "configure", "service"):
        for task in yaml.safe_load((ROLE / "tasks" / f"{name}.yml").read_text(encoding="utf-8")):
            local = {"ansible.builtin.assert", "ansible.builtin.debug"} & task.keys()
            empty_loop_or_skipped = "block" in task or "loop" in task or "outdated" in str(task.get("when"))
            remote += not local and not empty_loop_or_skipped
    assert 5 <= remote <= 11
