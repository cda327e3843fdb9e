"""Every role keeps the same shape, and its interface is what it says it is."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.playbook.block import Block
from ansible.playbook.handler import Handler

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
STEPS = ("preflight", "install", "configure", "service")
# Steps that one role alone has, by the step that they come before.
MORE_STEPS = {"ibgateway": {"service": ["care"]}}


class _Loader(yaml.SafeLoader):
    """Reads Ansible's own tags (!vault, !unsafe) as plain text."""


_Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def load(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader


def options(role: Path) -> dict[str, Any]:
    return load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def tasks(entries: list[dict[str, Any]]):
    """Every task of a list, those inside blocks too."""
    for task in entries or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part, []))


@pytest.fixture(params=ROLES, ids=lambda path: path.name)
def role(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_there_are_the_three_roles():
    assert [path.name for path in ROLES] == ["alerting", "ibc", "ibgateway"]


def test_the_interface_is_the_defaults_and_what_is_required(role: Path):
    own = {name: spec for name, spec in options(role).items() if name.startswith(f"{role.name}_")}
    required = {name for name, spec in own.items() if spec.get("required")}
    defaults = set(load(role / "defaults/main.yml") or {})
    assert required & defaults == set(), "a required variable has no default"
    assert required | defaults == set(own)


def test_stated_defaults_are_the_real_ones(role: Path):
    stated = {name: spec["default"] for name, spec in options(role).items() if "default" in spec}
    defaults = load(role / "defaults/main.yml") or {}
    assert {name: defaults.get(name) for name in stated if name in defaults} == {
        name: value for name, value in stated.items() if name in defaults
    }


def test_every_option_is_described(role: Path):
    def undescribed(specs: dict[str, Any], above: str = "") -> list[str]:
        found = [above + name for name, spec in specs.items() if not spec.get("description")]
        for name, spec in specs.items():
            found += undescribed(spec.get("options", {}), f"{above}{name}.")
        return found

    assert undescribed(options(role)) == []


def test_other_roles_variables_are_read_only_where_the_interface_names_them(role: Path):
    foreign = {name for name in options(role) if not name.startswith(f"{role.name}_")}
    known = {name for other in ROLES if other != role for name in options(other)} - set(options(role))
    files = [
        path for folder in ("tasks", "templates", "vars", "handlers") for path in (role / folder).rglob("*")
    ]
    text = "\n".join(path.read_text() for path in files if path.is_file())
    words = set(text.replace("'", " ").replace('"', " ").replace("|", " ").replace("(", " ").split())
    assert words & known == set()
    assert [name for name in foreign if name not in text] == [], "named, but not used"


def test_the_steps_are_imported_statically_and_tagged(role: Path):
    entries = load(role / "tasks/main.yml")
    if "block" in entries[0]:  # the playbook has checked already: then nothing of it is loaded again
        (included,) = entries[0]["block"]
        assert included.keys() == {"name", "ansible.builtin.include_tasks"}
        assert entries[0]["when"] == f"not (_{role.name}_is_checked | default(false))"
        entries[0]["ansible.builtin.import_tasks"] = included["ansible.builtin.include_tasks"]
    imported = [entry.get("ansible.builtin.import_tasks") for entry in entries]
    more = MORE_STEPS.get(role.name, {})
    steps = [name for step in STEPS for name in [*more.get(step, []), step]]
    assert imported == [f"{step}.yml" for step in steps]
    for step, entry in zip(steps, entries, strict=True):
        own = (
            {f"{role.name}_{other}" for other in steps[1:]}
            if step == "preflight"
            else {f"{role.name}_{step}"}
        )
        assert set(entry["tags"]) == {role.name, *own}


def test_every_step_exists_and_does_something(role: Path):
    for step in STEPS:
        assert load(role / f"tasks/{step}.yml"), step


def test_tags_reach_into_what_is_included_at_run_time(role: Path):
    # A step's tags are inherited by what it includes. Those of the include itself are not, and a task's own
    # would be asked for in vain where its file is not included.
    files = {file.name: list(tasks(load(file))) for file in (role / "tasks").glob("*.yml")}
    including = [
        (name, task)
        for name, every in files.items()
        for task in every
        if "ansible.builtin.include_tasks" in task
    ]
    assert including
    assert [
        task for every in files.values() for task in every if "ansible.builtin.include_role" in task
    ] == []
    part, needed = f"_{role.name}_part", f"_{role.name}_needed"
    conditional = re.findall(r"\['(\w+\.yml)'\] if ", str(load(role / "vars/main.yml")[needed]))
    looped = []
    for name, task in including:
        file = task["ansible.builtin.include_tasks"]
        assert "tags" not in task, (name, task["name"])
        if file == f"{{{{ {part} }}}}":
            assert task["loop_control"] == {"loop_var": part}
            looped.append(task["loop"])
            continue
        assert "when" in task or name == "main.yml", f"{name}: {file} is always needed, so import it"
        conditional.append(file)
    # Each of what is needed at times is included by one task, and each task includes some of that.
    places = load(role / "vars/main.yml")[needed]
    of = [f"{needed}['{place}']" for place in places] if isinstance(places, dict) else [needed]
    assert sorted(looped) == sorted(f"{{{{ {one} }}}}" for one in of)
    assert len(conditional) == len(set(conditional))
    for file in conditional:
        assert [inner["name"] for inner in files[file] if "tags" in inner] == [], file


# Keys of a task that are not its module.
KEYWORDS = {*Handler.fattributes, *Block.fattributes}


def test_only_builtin_modules_are_used(role: Path):
    files = [*(role / "tasks").glob("*.yml"), *(role / "handlers").glob("*.yml")]
    used = {key for file in files for task in tasks(load(file)) for key in task.keys() - KEYWORDS}
    assert [module for module in used if not module.startswith("ansible.builtin.")] == []


def test_every_task_and_handler_is_named(role: Path):
    files = [*(role / "tasks").glob("*.yml"), *(role / "handlers").glob("*.yml")]
    assert [(file.name, task) for file in files for task in tasks(load(file)) if not task.get("name")] == []


def test_templates_say_that_they_are_managed(role: Path):
    for template in (role / "templates").rglob("*.j2"):
        head = "\n".join(template.read_text().splitlines()[:3])
        assert "ansible" in head.lower(), f"{template.name}: say in the first lines that Ansible writes it"


def test_errors_name_a_remedy(role: Path):
    for task in tasks(load(role / "tasks/preflight.yml")):
        check = task.get("ansible.builtin.assert")
        if check:
            assert len(check.get("fail_msg", "")) > 30, task["name"]
