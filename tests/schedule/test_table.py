"""The coming days, for people and for programs."""

from datetime import UTC, datetime, timedelta

import pytest
from ibgatewaylib.schedule import windows, zones
from ibgatewaylib.schedule.agenda import agenda
from ibgatewaylib.schedule.table import table

EUROPE = windows.shipped().region("europe")
SATURDAY = datetime(2026, 3, 28, 12, tzinfo=UTC)


@pytest.fixture
def zurich(compiled):
    return compiled(
        region="europe",
        timezone="Europe/Zurich",
        daily_restart="23:15",
        weekly_login="Sun 15:30",
        today=SATURDAY.date(),
        windows=windows.ResetWindows(SATURDAY.date(), {"europe": EUROPE}),
    )


def test_the_table_through_a_clock_change(zurich):
    assert table(zurich, agenda(zurich, EUROPE, SATURDAY, 2)) == (
        "live, reset windows of europe\n"
        "            Europe/Zurich    America/New_York\n"
        "Sat 28 Mar  03:45-Sun 08:00  Fri 22:45-Sun 02:00  weekend: outages are usual, no alert for them\n"
        "            23:15            18:15                daily restart, no tap\n"
        "Sun 29 Mar  05:30-08:00      Sat 23:30-Sun 02:00  reset: no login, no restart\n"
        "            15:30            09:30                weekly login: your tap\n"
        "            23:15            17:15                daily restart, no tap\n"
        "Mon 30 Mar  05:30-08:00      Sun 23:30-Mon 02:00  reset: no login, no restart\n"
    )


def test_one_zone_is_one_column(compiled):
    schedule = compiled(mode="paper")
    lines = table(schedule, agenda(schedule, windows.shipped().region("america"), SATURDAY, 1)).splitlines()
    assert lines[1].split() == ["America/New_York"]
    assert "17:15" in lines[3]
    assert "daily stop and start, no tap" in lines[3]


def test_another_zone_can_be_asked_for(zurich):
    text = table(zurich, agenda(zurich, EUROPE, SATURDAY, 2), "Asia/Hong_Kong")
    assert "Asia/Hong_Kong" in text.splitlines()[1]
    assert "21:30" in text
    with pytest.raises(zones.UnknownZoneError):
        table(zurich, [], "HKT")


def test_warnings_and_assumptions_are_shown(compiled):
    schedule = compiled(region="auto", daily_restart="")
    text = table(schedule, [])
    assert text.startswith("live, reset windows of america, assumed until the first login\n")
    assert "daily_restart is empty" in text


def test_two_weeks_hold_everything_and_fit_a_screen(zurich):
    entries = agenda(zurich, EUROPE, SATURDAY)
    kinds = [entry.kind for entry in entries]
    assert (kinds.count("restart"), kinds.count("login"), kinds.count("closed")) == (14, 2, 14)
    text = table(zurich, entries)
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) <= 40
    ends = [entry.end or entry.start for entry in entries]
    assert all(end >= SATURDAY for end in ends)
    assert all(entry.start < SATURDAY + timedelta(days=14) for entry in entries)


def test_programs_read_the_same(zurich):
    first, second, *_ = [entry.as_dict() for entry in agenda(zurich, EUROPE, SATURDAY, 1)]
    assert first["kind"] == "quiet"
    assert second == {
        "start": "2026-03-28T22:15:00+00:00",
        "end": None,
        "kind": "restart",
        "text": "daily restart, no tap",
    }
