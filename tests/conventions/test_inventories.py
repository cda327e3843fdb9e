"""The example inventory shows every variable an operator meets, once, and no other."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "inventories/example/group_vars/gateways"
ROLES = ("ibgateway", "ibc", "alerting")
SHOWN = re.compile(r"^(?:# )?((?:ibgateway|ibc|alerting)_\w+):", re.MULTILINE)


def options() -> dict[str, dict]:
    found = {}
    for role in ROLES:
        spec = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())
        found |= {
            name: option
            for name, option in spec["argument_specs"]["main"]["options"].items()
            if name.startswith(f"{role}_")
        }
    return found


def test_every_variable_is_shown_once():
    shown = [name for file in EXAMPLE.glob("*.yml") for name in SHOWN.findall(file.read_text())]
    assert sorted(shown) == sorted(options())


def test_required_variables_are_not_commented_out():
    given = {name for file in EXAMPLE.glob("*.yml") for name in yaml.safe_load(file.read_text())}
    assert {name for name, option in options().items() if option.get("required")} <= given


def test_secrets_come_from_the_vault():
    text = (EXAMPLE / "main.yml").read_text()
    named = set(re.findall(r"\bvault_\w+", text))
    vault = yaml.safe_load((EXAMPLE / "vault.yml").read_text())
    assert named == set(vault)
    assert all("CHANGE-ME" in value for value in vault.values())


def test_the_commented_defaults_are_the_real_ones():
    commented = dict(
        re.findall(r"^# ((?:ibgateway|ibc|alerting)_\w+): (.+)$", (EXAMPLE / "main.yml").read_text(), re.M)
    )
    defaults = {}
    for role in ROLES:
        defaults |= yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text()) or {}
    assert {name: yaml.safe_load(value) for name, value in commented.items()} == {
        name: defaults.get(name) for name in commented
    }


def test_every_inventory_uses_known_variables_only():
    known = set(options())
    files = [
        *(ROOT / "inventories").rglob("group_vars/**/*.yml"),
        *(ROOT / "molecule/shared/group_vars").glob("*.yml"),
    ]
    own = re.compile(r"^(ibgateway|ibc|alerting)_")
    for file in files:
        used = {name for name in yaml.safe_load(file.read_text()) or {} if own.match(name)}
        assert used <= known, file
