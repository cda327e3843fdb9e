"""The past week: stretches from events, blocks in the terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from ctl_stand_ins import write_events
from ibgatewaylib import ctl_timeline
from ibgatewaylib.timeline import DOWN, LOGIN, READY, UNKNOWN, Stretch, share, stretches

WINDOW = ctl_timeline.WINDOW


def states(*events: tuple[float, str] | tuple[float, str, dict], start: float = 0, end: float = 100):
    given = [(when, kind, more[0] if more else {}) for when, kind, *more in events]
    return [(one.start, one.end, one.state) for one in stretches(given, start, end)]


def test_a_login():
    found = states((10, "starting"), (12, "login_submitted"), (14, "two_factor_waiting"), (40, "ready"))
    assert found == [(0, 10, UNKNOWN), (10, 12, DOWN), (12, 40, LOGIN), (40, 100, READY)]


def test_what_was_before_counts():
    assert states((-50, "ready"), (20, "crashed")) == [(0, 20, READY), (20, 100, DOWN)]


def test_a_restart_by_the_token():
    found = states(
        (-9, "ready"), (50, "restart_planned", {"kind": "token"}), (51, "starting"), (53, "token_restart"),
        (80, "ready"),
    )  # fmt: skip
    assert found == [(0, 50, READY), (50, 80, DOWN), (80, 100, READY)]


def test_a_restart_that_is_only_announced_is_none_yet():
    assert states((-9, "ready"), (50, "restart_planned", {"kind": "soft"})) == [(0, 100, READY)]


@pytest.mark.parametrize(
    "kind", ["two_factor_waiting", "settings_differ", "consent_needed", "from_the_future"]
)
def test_a_session_that_works_goes_on(kind):
    assert states((-9, "ready"), (50, kind)) == [(0, 100, READY)]


def test_events_out_of_order_and_after_the_end():
    assert states((60, "crashed"), (-1, "ready"), (100, "ready"), (200, "stopped")) == [
        (0, 60, READY),
        (60, 100, DOWN),
    ]


def test_nothing_is_known():
    found = stretches([], 0, 100)
    assert found == [Stretch(0, 100, UNKNOWN)]
    assert share(found, READY) is None


def test_the_share_is_of_the_known_time():
    assert share([Stretch(0, 50, UNKNOWN), Stretch(50, 80, READY), Stretch(80, 90, DOWN)], READY) == 0.75


# --- blocks -----------------------------------------------------------------------------------------------


def blocks(*found: Stretch, windows=(), width: int = 4) -> list[str]:
    return ctl_timeline.blocks(list(found), list(windows), 0, 4 * 3600, width)


def test_a_short_absence_does_not_show():
    assert (
        blocks(Stretch(0, 1800, READY), Stretch(1800, 2099, DOWN), Stretch(2099, 14400, READY)) == [READY] * 4
    )


def test_five_minutes_show():
    assert blocks(Stretch(0, 1800, READY), Stretch(1800, 2100, DOWN), Stretch(2100, 14400, READY)) == [
        DOWN, READY, READY, READY,
    ]  # fmt: skip


def test_a_login_always_shows():
    assert blocks(Stretch(0, 7200, DOWN), Stretch(7200, 7210, LOGIN), Stretch(7210, 14400, READY)) == [
        DOWN, DOWN, LOGIN, READY,
    ]  # fmt: skip


def test_a_window_shows_where_all_is_well():
    found = blocks(
        Stretch(0, 3600, UNKNOWN), Stretch(3600, 7200, READY), Stretch(7200, 14400, DOWN),
        windows=[(3700, 9000)],
    )  # fmt: skip
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
    assert live[6:].strip("█▓░L") == ""
    assert (
        "█ ready  ▓ ready, in a reset window  L login  ░ down  (a block is 2h00m, America/New_York)" in legend
    )
    assert summary == "live: ready 96.4 % of the time, 1 login, longest away 5h59m"


def test_timeline_as_json(week, run):
    code, out, _ = run("timeline", "live", "--days", "6", "--json")
    [live] = json.loads(out)["instances"]
    assert code == 0
    assert (live["instance"], live["logins"]) == ("live", 1)
    assert [one["state"] for one in live["stretches"]] == [READY, DOWN, LOGIN, READY]
    assert live["stretches"][1]["from"] == "2026-11-20T12:00:00+00:00"
    assert datetime.fromisoformat(live["stretches"][-1]["to"]) == datetime(2026, 11, 25, 15, tzinfo=UTC)
    assert live["windows"]


def test_timeline_of_a_new_instance(box, now, run):
    assert "nothing is known of these days" in run("timeline")[1]
