"""The past week: stretches from events, blocks in the terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from ctl_stand_ins import write_events
from ibgatewaylib import ctl_timeline
from ibgatewaylib.timeline import (
    DOWN,
    LOGIN,
    PARKED,
    READY,
    RESTART,
    STOPPED,
    UNKNOWN,
    Span,
    ready_share,
    spans,
)

WINDOW = ctl_timeline.WINDOW
TOKEN = {"resumes": True}


def states(*events: tuple, start: float = 0, end: float = 100) -> list[tuple[float, float, str]]:
    given = [(when, kind, more[0] if more else {}) for when, kind, *more in events]
    return [(one.start, one.end, one.state) for one in spans(given, start, end)]


def test_a_login():
    found = states((10, "starting"), (12, "login_submitted"), (14, "two_factor_waiting"), (40, "ready"))
    assert found == [(0, 10, UNKNOWN), (10, 40, LOGIN), (40, 100, READY)]


def test_what_was_before_counts():
    assert states((-50, "ready"), (20, "crashed")) == [(0, 20, READY), (20, 100, DOWN)]


def test_a_planned_restart():
    found = states(
        (-9, "ready"), (50, "restart_planned", {"kind": "token"}), (51, "starting", TOKEN),
        (53, "token_restart"), (80, "ready"),
    )  # fmt: skip
    assert found == [(0, 50, READY), (50, 80, RESTART), (80, 100, READY)]


def test_a_stop_and_start_that_belong_together_are_a_restart():
    found = states((-9, "ready"), (50, "stopped"), (60, "starting"), (61, "login_submitted"), (70, "ready"))
    # Paper restarts by a login that asks nobody.
    assert found == [(0, 50, READY), (50, 70, RESTART), (70, 100, READY)]


def test_a_push_makes_a_restart_a_login():
    found = states(
        (-9, "ready"), (50, "restart_planned"), (60, "starting"), (61, "login_submitted"),
        (65, "two_factor_waiting"), (80, "ready"),
    )  # fmt: skip
    assert found == [(0, 50, READY), (50, 60, RESTART), (60, 80, LOGIN), (80, 100, READY)]


def test_a_stop_that_lasts():
    found = states((-9, "ready"), (50, "stopped"), (2000, "starting"), start=0, end=3000)
    assert found == [(0, 50, READY), (50, 2000, STOPPED), (2000, 3000, LOGIN)]


def test_a_missed_push_parks():
    found = states((-9, "crashed"), (5, "starting"), (6, "login_submitted"), (50, "parked"))
    assert found == [(0, 5, DOWN), (5, 50, LOGIN), (50, 100, PARKED)]


def test_a_run_that_was_cut_off():
    assert states((-9, "ready"), (50, "starting", TOKEN)) == [(0, 50, READY), (50, 100, DOWN)]


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("two_factor_waiting", {}),
        ("settings_differ", {}),
        ("consent_needed", {}),
        ("from_the_future", {}),
        ("configuration_invalid", {"continues": True}),
    ],
)
def test_a_session_that_works_goes_on(kind, detail):
    assert states((-9, "ready"), (50, kind, detail)) == [(0, 100, READY)]


def test_what_comes_after_the_end_does_not_count():
    assert states((-1, "ready"), (100, "crashed"), (200, "stopped")) == [(0, 100, READY)]


def test_nothing_is_known():
    found = spans([], 0, 100)
    assert found == [Span(0, 100, UNKNOWN)]
    assert ready_share(found) is None


def test_the_share_is_of_the_time_that_counts():
    found = [Span(0, 50, UNKNOWN), Span(50, 80, READY), Span(80, 90, DOWN), Span(90, 500, STOPPED)]
    assert ready_share(found) == 0.75


# --- blocks -----------------------------------------------------------------------------------------------


def blocks(*found: Span, windows=(), width: int = 4) -> list[str]:
    return ctl_timeline.blocks(list(found), list(windows), 0, 4 * 3600, width)


def test_a_planned_restart_does_not_show():
    found = blocks(Span(0, 1800, READY), Span(1800, 2400, RESTART), Span(2400, 14400, READY))
    assert found == [READY] * 4


@pytest.mark.parametrize("state", [DOWN, PARKED])
def test_a_short_time_down_shows(state):
    found = blocks(Span(0, 1800, READY), Span(1800, 1801, state), Span(1801, 14400, READY))
    assert found == [DOWN, READY, READY, READY]


def test_a_login_always_shows():
    found = blocks(Span(0, 7200, DOWN), Span(7200, 7210, LOGIN), Span(7210, 14400, READY))
    assert found == [DOWN, DOWN, LOGIN, READY]


def test_a_stop_and_what_is_not_known():
    found = blocks(Span(0, 5500, UNKNOWN), Span(5500, 12000, STOPPED), Span(12000, 14400, READY))
    assert found == [UNKNOWN, UNKNOWN, STOPPED, READY]


def test_a_window_shows_where_all_is_well():
    found = blocks(
        Span(0, 3600, UNKNOWN), Span(3600, 7200, READY), Span(7200, 14400, DOWN), windows=[(3700, 9000)]
    )
    assert found == [UNKNOWN, WINDOW, DOWN, DOWN]


# --- the command ------------------------------------------------------------------------------------------


@pytest.fixture
def week(box, now, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    now("2026-11-25 15:00")
    write_events(
        box,
        ("2026-11-17 12:00", "ready", {}),
        ("2026-11-20 12:00", "crashed", {"exit_code": 1}),
        ("2026-11-20 17:58", "starting", {}),
        ("2026-11-20 17:59", "login_submitted", {"attempt": 1}),
        ("2026-11-20 18:00", "ready", {}),
    )


def test_timeline(week, run):
    code, out, _ = run("timeline")
    assert code == 0
    days, live, _, legend, summary = out.splitlines()
    assert days.split() == ["Thu", "19", "Fri", "20", "Sat", "21", "Sun", "22", "Mon", "23", "Tue", "24"]
    assert live.startswith("live  ")
    assert len(live) <= 90
    assert "░░L" in live
    assert live[6:].strip("█▓░L·") == ""
    assert "█ ready  ▓ ready, in a reset window  L login  ░ down or parked  · stopped" in legend
    assert summary == "live: ready 96.4 % of the time, 1 login, longest away 6h00m"


def test_timeline_as_json(week, run):
    code, out, _ = run("timeline", "live", "--days", "6", "--json")
    [live] = json.loads(out)["instances"]
    assert code == 0
    assert (live["instance"], live["logins"]) == ("live", 1)
    assert [one["state"] for one in live["spans"]] == [READY, DOWN, LOGIN, READY]
    assert live["spans"][1]["from"] == "2026-11-20T12:00:00+00:00"
    assert datetime.fromisoformat(live["spans"][-1]["to"]) == datetime(2026, 11, 25, 15, tzinfo=UTC)
    assert live["windows"]


def test_timeline_of_a_new_instance(box, now, run):
    assert "nothing is known of these days" in run("timeline")[1]
