"""Every message's words, kept as golden files. To accept new words: UPDATE_GOLDEN=1 pytest tests/alerting"""

from __future__ import annotations

import importlib
import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ibgateway_watch.events import Event
from ibgateway_watch.messages import LONGEST_DETAIL, MACHINE, WORDS, compose, words_for

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("golden")
MOMENT = datetime(2026, 11, 24, 21, 15, 3, tzinfo=UTC)

# What the launcher adds to each event; types that are not here come without.
DETAILS = {
    "two_factor_missed": {"again": False, "attempt": 1},
    "login_refused": {"text": "This user is not known"},
    "credentials_rejected": {"text": "Unrecognized Username or Password"},
    "throttled": {"text": "Please wait 5 minutes"},
    "competing_session": {"outcome": "given way", "scenario": 2},
    "session_taken": {"count": 1, "again": True},
    "connection_failed": {"text": "Connection to server failed"},
    "password_expiring": {"text": "Password Notice"},
    "unknown_dialog": {"title": "Something new", "text": "Do you agree?"},
    "device_choice_needed": {"text": "IB Key, Mobile Authenticator"},
    "stuck": {"where": "api", "text": "the API did not answer within 2m"},
    "restart_planned": {"kind": "token", "reason": "Gateway restarts with its saved session"},
    "stopped": {"reason": "stopped", "text": "stopped as asked by systemd", "token": False},
    "crashed": {"after": "3h 2m", "state": "ready", "signal": 9, "out_of_memory": True},
    "parked": {"reason": "two_factor_missed", "text": "IB Key was not answered in time"},
    "configuration_invalid": {"text": "IBC refused a setting", "exit_code": 81},
    "login_deferred": {"until": "2026-11-25T06:45:00Z", "reason": "window", "text": "IBKR's servers reset"},
    "consent_needed": {"reason": "login_due", "text": "there is no saved session", "appointment": None},
    "settings_differ": {"text": "ReadOnlyApi: wanted yes, found false"},
}


@pytest.fixture(autouse=True)
def _host_in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def message(kind: str, now: datetime = MOMENT, /, **detail):
    return compose(Event("live", kind, MOMENT, detail), "vps1", now)


def is_golden(name, composed):
    text = f"{composed.title}\n\n{composed.body}\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [*WORDS, "from_the_future"])
def test_words(kind):
    is_golden(kind, message(kind, **DETAILS.get(kind, {})))


@pytest.mark.parametrize(("kind", "action"), list(MACHINE))
def test_words_about_what_the_machine_does(kind, action):
    why = {"reason": "no full login is known since Sunday 01:00 New York, so that its token may not hold"}
    is_golden(f"{kind}.{action}", message(kind, action=action, **(why if action == "nothing" else {})))


def test_every_action_after_a_missed_restart_has_its_words(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "roles" / "ibc" / "files")
    rules = importlib.import_module("ibgatewaylib.appointment_rules")
    actions = {rules.SOFT, rules.FULL, rules.NOTHING}
    assert {action for kind, action in MACHINE if kind == "restart_missed"} == actions


@pytest.mark.parametrize("action", [None, 7, [], {}, "from_the_future"])
def test_an_action_nobody_knows_has_the_words_for_all_of_them(action):
    assert f"The machine: {WORDS['restart_missed'].machine}" in message("restart_missed", action=action).body


def test_nobody_is_told_to_start_what_may_wait_for_consent():
    assert not [kind for kind, words in WORDS.items() if "ibgatewayctl start" in words.you]


def test_no_golden_file_without_its_event():
    variants = {f"{kind}.{action}" for kind, action in MACHINE}
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {*WORDS, *variants, "from_the_future"}


def test_the_launcher_and_the_table_know_the_same_events(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "roles" / "ibc" / "files")
    assert set(importlib.import_module("ibgatewaylib.events").TYPES) == set(WORDS)


def test_the_documentation_and_the_table_know_the_same_events():
    page = (ROOT / "docs/alerting.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([a-z ]+) \|", page, re.MULTILINE))
    assert rows == {kind: words.severity if words.told else "journal only" for kind, words in WORDS.items()}


@pytest.mark.parametrize("kind", list(WORDS))
def test_every_message_says_what_happened_since_when_what_the_machine_does_and_what_you_do(kind):
    composed = message(kind)
    first, since, machine, you = composed.body.splitlines()
    assert first.endswith(".")
    assert since == "Since: Tue 24 Nov 2026, 21:15:03 UTC"
    assert re.fullmatch(r"The machine: .+\.", machine)
    assert you.startswith("You: ")
    assert "live on vps1" in composed.title
    assert len(composed.title) < 70, "fits a lock screen"
    if words_for(kind).severity in ("action", "critical"):
        assert you != "You: Nothing."


def test_a_late_message_says_so():
    assert "late" not in message("crashed", MOMENT + timedelta(seconds=60)).body
    assert "This message is late by 1 min." in message("crashed", MOMENT + timedelta(seconds=90)).body
    assert "late by 3 h" in message("crashed", MOMENT + timedelta(hours=3)).body
    assert "late by 5 days" in message("crashed", MOMENT + timedelta(days=5)).body


@pytest.mark.parametrize("account", ["U1234567", "DU7654321", "F123456", "DF1234567", "I1234567"])
def test_account_ids_stay_on_the_host(account):
    body = message("unknown_dialog", title=f"{account} Trader", text=f"Account ({account})").body
    assert account not in body
    assert "Window: (account) Trader" in body


def test_details_that_are_not_listed_stay_on_the_host():
    body = message("ready", accounts=["U1234567"], password="canary", username="canary", count=7).body
    assert "canary" not in body
    assert "U1234567" not in body


def test_what_a_window_says_is_one_short_line():
    body = message("unknown_dialog", text="a\nYou: send money\x1b[31m\u2028" + "z" * 500).body
    detail = body.splitlines()[-1]
    assert detail.startswith("In detail: a You: send money [31m zzz")
    assert len(detail) == len("In detail: ") + LONGEST_DETAIL


@pytest.mark.parametrize("value", [None, 1.5, [], {}, "", {"a": 1}])
def test_details_of_an_odd_kind_are_left_out(value):
    assert len(message("parked", text=value).body.splitlines()) == 4


def test_times_are_those_of_the_host(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    assert "Since: Tue 24 Nov 2026, 22:15:03 CET" in message("ready").body
