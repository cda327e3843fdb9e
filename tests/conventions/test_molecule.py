"""Molecule skips a step whose playbook is missing, with a warning only; here it is an error."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BASE = yaml.safe_load((ROOT / ".config/molecule/config.yml").read_text())
SCENARIOS = sorted((ROOT / "molecule").glob("*/molecule.yml"))
OWN_STEPS = {"check", "idempotence", "syntax", "verify"}


@pytest.fixture(params=SCENARIOS, ids=lambda path: path.parent.name)
def scenario(request: pytest.FixtureRequest) -> Path:
    return request.param.parent


def test_every_step_has_its_playbook(scenario: Path):
    own = yaml.safe_load((scenario / "molecule.yml").read_text())
    playbooks = {**BASE["ansible"]["playbooks"], **own.get("ansible", {}).get("playbooks", {})}
    for step in own["scenario"]["test_sequence"]:
        name, *files = step.split()
        if name not in OWN_STEPS:
            assert [file for file in [playbooks[name], *files] if not (scenario / file).is_file()] == [], step


def test_every_scenario_ends_as_it_began(scenario: Path):
    sequence = yaml.safe_load((scenario / "molecule.yml").read_text())["scenario"]["test_sequence"]
    assert (sequence[0], sequence[-1]) == ("destroy", "destroy")
    assert "verify" in sequence


def test_every_scenario_has_tests(scenario: Path):
    assert list((scenario / "tests").glob("test_*.py"))
