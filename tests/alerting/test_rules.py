"""The table of rules: what is shipped is sound, what is wrong is refused with its place."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from ibgateway_alerting import rules
from ibgateway_alerting.model import SEVERITIES
from ibgateway_alerting.rules import BadRulesError
from ibgateway_alerting.watch import conditions, evidence
from ibgatewaylib.events import TYPES
from ibgatewaylib.reasons import REASONS

RULE = {"condition": "x", "kind": "x", "severity": "info"}


def table(*changes: dict) -> dict:
    return {"grace": 600, "remedy_apart": 1800, "rule": [{**RULE, **change} for change in changes]}


def test_shipped_rules_are_sound():
    shipped = rules.load()
    assert shipped.grace == 600
    assert [rule.delay for rule in shipped.of("link_lost")] == [120, 900]
    assert shipped.of("from_the_future") == ()
    assert shipped.expires("logins_too_often") == 86400
    assert shipped.expires("crashed") is None


def test_every_condition_that_is_made_has_a_rule():
    content = tomllib.loads(rules.SHIPPED.read_text())
    ruled = {rule["condition"] for rule in content["rule"]}
    source = Path(evidence.__file__).read_text() + Path(conditions.__file__).read_text()
    made = {*evidence.PARKED.values(), *conditions.API, *conditions.LOGIN_KINDS, "parked"}
    assert made <= ruled
    # And none is ruled that nothing makes.
    assert [name for name in ruled if f'"{name}"' not in source and name not in HOST_ONLY] == []


HOST_ONLY = {"windows_outdated", "store_damaged"}  # made by the brain itself


def test_every_event_of_the_launcher_is_understood():
    assert [kind for kind in TYPES if not hasattr(evidence._Event, f"on_{kind}")] == []


def test_every_reason_to_park_is_a_condition_or_plainly_parked():
    known = {*evidence.PARKED, "consent", "two_factor_missed", "closed"}
    assert {reason for reason, codes in REASONS.items() if 77 in codes} == known


def test_what_explains_a_unit_that_is_down_exists():
    kinds = set(rules.load().kinds)
    assert set(conditions.EXPLAINS_DOWN) <= kinds
    assert set(conditions.LOGIN_KINDS) <= kinds


@pytest.mark.parametrize("kind", ["login", "crashed", "credentials_rejected", "api_wedged", "unit_failed"])
def test_what_needs_somebody_is_urgent(kind: str):
    worst = max(SEVERITIES.index(rule.severity) for rule in rules.load().of(kind))
    assert worst >= SEVERITIES.index("action")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({**table({}), "graze": 1}, "graze is unknown"),
        ({"grace": 600, "remedy_apart": 1, "rule": []}, "no rule"),
        ({"remedy_apart": 1, "rule": [RULE]}, "grace must be a number"),
        (table({"severity": "bad"}), "x: severity: 'bad' is none of info"),
        (table({"window": "shut"}), "x: window: 'shut' is none of tell, hold"),
        (table({"remedy": "reboot"}), "x: remedy: 'reboot' is none of nothing, reset"),
        (table({"delay": -1}), "x: delay must be a number"),
        (table({"delay": True}), "x: delay must be a number"),
        (table({"repeat_hours": "often"}), "x: repeat_hours must be a number"),
        (table({"colour": "red"}), "x: colour is unknown"),
        (table({"kind": ""}), "x: kind is missing"),
        (table({"condition": 3}), "a rule has no condition"),
        (table({"inhibited_by": ["ghost"]}), "names ghost, which no rule makes"),
        (table({"inhibited_by": ["x"]}), "cannot be inhibited by itself"),
        (table({"inhibited_by": "x"}), "must be a list of names"),
        (table({"flap": {"times": 3}}), "flap needs times and within"),
        (table({"flap": {"times": 1, "within": 9}}), "two times or more"),
        (table({"quiet_end": "yes"}), "quiet_end must be true or false"),
        (table({"anew": True}), "x: anew: True is none of nothing, always, changed"),
        (table({}, {}), "a longer delay and a higher severity"),
        (table({}, {"delay": 9, "severity": "warning", "kind": "y"}), "the same kind"),
    ],
)
def test_wrong_tables_are_refused(content: dict, says: str):
    with pytest.raises(BadRulesError, match=says):
        rules.parse(content)


def test_second_rule_makes_it_worse():
    parsed = rules.parse(table({}, {"delay": 9, "severity": "warning"}))
    assert [rule.severity for rule in parsed.of("x")] == ["info", "warning"]


def test_repeat_never_is_not_repeat_as_usual():
    assert rules.parse(table({"repeat_hours": 0})).of("x")[0].repeat_hours == 0
    assert rules.parse(table({})).of("x")[0].repeat_hours is None


@pytest.mark.parametrize("text", [None, "rule = [", "\xff"])
def test_unreadable_file_names_the_remedy(tmp_path: Path, text: str | None):
    file = tmp_path / "rules.toml"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadRulesError, match="run the playbook again"):
        rules.load(file)


def test_wrong_file_is_named(tmp_path: Path):
    file = tmp_path / "rules.toml"
    file.write_text("grace = 1\n")
    with pytest.raises(BadRulesError, match=r"rules\.toml: there is no rule"):
        rules.load(file)
