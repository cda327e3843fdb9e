"""The gate's decisions, in their order; and what it reads of the host."""

from __future__ import annotations

import json

import pytest
from fake_clock import WEDNESDAY, FakeClock
from ibgatewaylib import budget, consent
from ibgatewaylib.budget import Standing
from ibgatewaylib.exitcodes import ConfigurationInvalid
from ibgatewaylib.gate import PAUSES, Gate, decide

WINDOW = (3600.0, "23:45-01:45 America/New_York")


def decided(**facts: object) -> tuple[str, str, float]:
    defaults = {
        "resumes": False,
        "failures": 0,
        "waited": 0.0,
        "window": None,
        "policy": "auto",
        "consented": False,
        "standing": Standing(3, 0.0),
        "name": "live",
    }
    found = decide(**{**defaults, **facts})
    assert found.kind == "go" or found.sentence
    return found.kind, found.reason, found.seconds


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ("go", "", 0)),
        ({"resumes": True}, ("go", "", 0)),
        ({"resumes": True, "window": WINDOW, "policy": "consent"}, ("go", "", 0)),
        ({"resumes": True, "standing": Standing(0, 0, "damaged")}, ("go", "", 0)),
        ({"window": WINDOW}, ("wait", "window", 3600)),
        ({"window": WINDOW, "policy": "consent", "consented": True}, ("wait", "window", 3600)),
        ({"window": WINDOW, "standing": Standing(0, 0, "damaged")}, ("wait", "window", 3600)),
        ({"policy": "consent"}, ("park", "consent", 0)),
        ({"policy": "consent", "standing": Standing(0, 9000)}, ("park", "consent", 0)),
        ({"policy": "consent", "consented": True}, ("go", "", 0)),
        ({"policy": "nonsense"}, ("park", "consent", 0)),
        ({"standing": Standing(0, 9000)}, ("park", "budget", 0)),
        ({"standing": Standing(0, 0, "damaged")}, ("park", "budget", 0)),
        ({"standing": Standing(2, 120)}, ("wait", "spacing", 120)),
        ({"policy": "consent", "consented": True, "standing": Standing(2, 120)}, ("wait", "spacing", 120)),
        ({"resumes": True, "failures": 2}, ("wait", "restarts", PAUSES[2])),
        ({"resumes": True, "failures": 2, "waited": PAUSES[2]}, ("go", "", 0)),
        ({"resumes": True, "failures": len(PAUSES)}, ("park", "restarts", 0)),
        ({"failures": len(PAUSES)}, ("park", "restarts", 0)),
    ],
)
def test_decisions(facts, expected):
    assert decided(**facts) == expected


def gate(box, clock=None, **changes: object) -> Gate:
    (box.etc.parent / "reset-windows.json").unlink(missing_ok=True)
    box.write_toml(**{"budget_minutes_apart": 5, **changes})
    return Gate(box.instance(), clock or FakeClock())


def test_login_uses_up_consent_and_budget(box):
    clock = FakeClock()
    asked = gate(box, clock, login="consent")
    assert asked.ask(resumes=False).reason == "consent"
    consent.grant(box.run, "anna", now=clock())
    assert asked.state()["consent"]["by"] == "anna"
    assert asked.ask(resumes=False).kind == "go"
    assert asked.enter().kind == "go"
    assert asked.state()["consent"] is None
    assert asked.state()["budget"]["left"] == 2
    assert asked.ask(resumes=False).reason == "consent"


def test_consent_that_is_gone_at_the_last_moment(box):
    asked = gate(box, login="consent")
    assert (asked.enter().kind, asked.enter().reason) == ("park", "consent")


def test_a_login_that_cannot_be_noted_does_not_start_and_keeps_the_consent(box):
    clock = FakeClock()
    asked = gate(box, clock, login="consent")
    consent.grant(box.run, "anna", now=clock())
    (box.state / "login-budget.json").mkdir()
    assert (asked.enter().kind, asked.enter().reason) == ("park", "budget")
    assert consent.peek(box.run, clock())


def test_spacing_passes(box):
    clock = FakeClock()
    asked = gate(box, clock)
    asked.enter()
    assert asked.ask(resumes=False).seconds == 300
    clock.wait(300)
    assert asked.ask(resumes=False).kind == "go"


def test_window_by_the_clock_and_the_region(box):
    clock = FakeClock(WEDNESDAY - 7 * 3600)  # midnight in New York
    asked = gate(box, clock)
    found = asked.ask(resumes=False)
    assert (found.kind, found.reason) == ("wait", "window")
    assert "23:45-01:45 America/New_York" in found.sentence
    assert asked.ask(resumes=True).kind == "go"
    assert asked.again().kind == "wait"
    clock.wait(found.seconds)
    assert asked.ask(resumes=False).kind == "go"


@pytest.mark.parametrize(
    ("mode", "region", "peer", "kind"),
    [
        ("live", "auto", "", "wait"),
        ("live", "auto", "hdc1.ibllc.com:4000", "go"),
        ("paper", "auto", "hdc1.ibllc.com:4000", "wait"),
        ("live", "asia", "", "go"),
    ],
)
def test_region(box, mode, region, peer, kind):
    (box.settings / "jts.ini").write_text(f"[IBGateway]\nPeer={peer}\n")
    asked = gate(box, FakeClock(WEDNESDAY - 7 * 3600), mode=mode, region=region)
    assert asked.ask(resumes=False).kind == kind


def test_own_windows_replace_the_shipped_ones(box):
    asked = gate(box)
    assert asked.ask(resumes=False).kind == "go"
    box.write_windows(WEDNESDAY - 600, WEDNESDAY + 600)
    asked = Gate(box.instance(), FakeClock())
    assert asked.ask(resumes=False).seconds == 600 + 15 * 60


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"checked_on": "2026-11-24"})])
def test_broken_windows_stop_a_login_but_no_token_restart(box, content):
    asked = gate(box)
    (box.etc.parent / "reset-windows.json").write_text(content)
    with pytest.raises(ConfigurationInvalid, match="reset windows"):
        asked.ask(resumes=False)
    assert asked.ask(resumes=True).kind == "go"
    assert asked.again().kind == "park"


def test_a_login_of_the_controllers_own_needs_consent(box):
    assert gate(box, login="consent").again().reason == "consent"


def test_a_login_of_the_controllers_own(box):
    clock = FakeClock()
    asked = gate(box, clock)
    asked.enter()
    assert asked.again().reason == "spacing"
    # It counted all the same, for nobody could stop it in time.
    assert budget.of(box.instance()).check(clock()).left == 1
    clock.wait(300)
    assert asked.again().kind == "go"
    clock.wait(300)
    assert asked.again().reason == "budget"
