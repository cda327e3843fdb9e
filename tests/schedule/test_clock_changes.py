"""The nights on which clocks change, by name."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import grid
import pytest
from ibgatewaylib.schedule import rules, windows, zones

# City, its clocks' gap and overlap in 2026 (the day, and the wall times from and to).
CHANGES = [
    ("America/New_York", "gap", date(2026, 3, 8), "02:00", "03:00"),
    ("America/New_York", "overlap", date(2026, 11, 1), "01:00", "02:00"),
    ("America/Los_Angeles", "gap", date(2026, 3, 8), "02:00", "03:00"),
    ("America/Los_Angeles", "overlap", date(2026, 11, 1), "01:00", "02:00"),
    ("Europe/London", "gap", date(2026, 3, 29), "01:00", "02:00"),
    ("Europe/London", "overlap", date(2026, 10, 25), "01:00", "02:00"),
    ("Europe/Zurich", "gap", date(2026, 3, 29), "02:00", "03:00"),
    ("Europe/Zurich", "overlap", date(2026, 10, 25), "02:00", "03:00"),
    ("Australia/Sydney", "gap", date(2026, 10, 4), "02:00", "03:00"),
    ("Australia/Sydney", "overlap", date(2026, 4, 5), "02:00", "03:00"),
    ("Africa/Cairo", "gap", date(2026, 4, 24), "00:00", "01:00"),
    ("Africa/Cairo", "overlap", date(2026, 10, 29), "23:00", "24:00"),
]


@pytest.mark.parametrize(
    "name",
    [
        "UTC",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Australia/Lord_Howe",
        *dict.fromkeys(change[0] for change in CHANGES),
    ],
)
def test_readings_are_those_of_each_day(name):
    zone = ZoneInfo(name)
    # In 2011 Samoa left out a day, and Casablanca's clocks change four times in some years.
    for first, days, minutes in (
        (date(2011, 11, 1), range(0, 800), 150),
        (date(2026, 1, 1), range(0, 400), 90),
        (date(2026, 3, 1), range(3, 300, 7), 1440 + 61),
    ):
        asked = [zones.instants(zone, zones.wall_time(first + timedelta(days=n), minutes)) for n in days]
        assert list(zones.readings(zone, first, minutes, days)) == asked
    assert list(zones.readings(zone, date(2026, 1, 1), 0, range(0))) == []


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def minute(clock: str) -> int:
    return grid.slot(clock) * 5


@pytest.mark.parametrize(("zone", "kind", "day", "start", "end"), CHANGES)
def test_a_change_is_seen_and_its_hour_refused(zone, kind, day, start, end):
    wall = zones.wall_time(day, minute(start) + 30)
    early, late = zones.instants(ZoneInfo(zone), wall)
    assert late - early == 3600
    assert zones.exact(ZoneInfo(zone), wall) == (None if kind == "gap" else early)
    clock = rules.Clock("timezone", zone, date(2026, 1, 1))
    for forbidden in (
        rules.restart_times("paper", windows.shipped().region("america"), clock),
        rules.login_times(windows.shipped().region("europe"), clock, None, clock),
    ):
        weekday = day.weekday() * 1440 if forbidden.period == rules.WEEK else 0
        for time in range(minute(start), minute(end)):
            assert "clocks change" in str(forbidden.hit(weekday + time))


def test_hong_kong_has_no_such_hour(compiled):
    schedule = compiled(mode="paper", timezone="Asia/Hong_Kong", daily_restart="02:30")
    assert schedule.start == ("*-*-* 02:35:00 Asia/Hong_Kong",)


@pytest.mark.parametrize(
    ("region", "inside", "ends"),
    [
        # New York, spring: 02:00 does not exist, and is 03:00 by the new time.
        ("america", "2026-03-08 05:00", "2026-03-08 07:00"),
        # New York, autumn: 01:45 comes twice, the second one counts.
        ("america", "2026-11-01 05:50", "2026-11-01 07:00"),
        ("america", "2026-11-02 06:00", "2026-11-02 07:00"),
        # Europe: its clocks change earlier in the night; the window follows them.
        ("europe", "2026-03-28 12:00", None),
        ("europe", "2026-03-29 04:00", "2026-03-29 06:00"),
        ("europe", "2026-10-25 05:00", "2026-10-25 07:00"),
        # Asia: the window in New York time moves, those in Hong Kong time do not.
        ("asia", "2026-03-06 22:00", "2026-03-06 23:00"),
        ("asia", "2026-03-09 21:00", "2026-03-09 22:20"),
        ("asia", "2026-07-01 12:30", "2026-07-01 13:30"),
        ("asia", "2026-12-01 12:30", "2026-12-01 13:30"),
    ],
)
def test_windows_in_utc(region, inside, ends):
    assert windows.shipped().region(region).window_end(at(inside)) == (at(ends) if ends else None)


@pytest.mark.parametrize(
    ("zone", "restart", "login", "runs"),
    [
        # Login in UTC on the Sundays before and after New York's, then Europe's, then Sydney's change.
        ("America/New_York", "17:15", "Sun 09:30",
         {"2026-03-01": "14:30", "2026-03-08": "13:30", "2026-10-25": "13:30", "2026-11-01": "14:30"}),
        ("America/Los_Angeles", "14:15", "Sun 08:00",
         {"2026-03-01": "16:00", "2026-03-08": "15:00", "2026-10-25": "15:00", "2026-11-01": "16:00"}),
        ("Europe/London", "22:15", "Sun 14:00",
         {"2026-03-22": "14:00", "2026-03-29": "13:00", "2026-10-18": "13:00", "2026-10-25": "14:00"}),
        ("Europe/Zurich", "23:15", "Sun 15:30",
         {"2026-03-22": "14:30", "2026-03-29": "13:30", "2026-10-18": "13:30", "2026-10-25": "14:30"}),
        ("Australia/Sydney", "09:15", "Sun 20:30",
         {"2026-03-29": "09:30", "2026-04-05": "10:30", "2026-09-27": "10:30", "2026-10-04": "09:30"}),
        ("Asia/Hong_Kong", "07:30", "Sun 18:00",
         {"2026-03-01": "10:00", "2026-03-08": "10:00", "2026-10-25": "10:00", "2026-11-01": "10:00"}),
    ],
)  # fmt: skip
def test_the_weekly_login_keeps_its_hour(compiled, zone, restart, login, runs):
    schedule = compiled(timezone=zone, daily_restart=restart, weekly_login=login)
    instants = {datetime.fromtimestamp(run, UTC) for run in grid.runs(schedule.login[0])}
    assert {at(f"{day} {clock}") for day, clock in runs.items()} <= instants


def test_a_saturday_evening_in_los_angeles_is_too_early(refusal):
    # Sunday 03:15 New York is 00:15 there, 01:15 when only New York has changed, and then clocks may change.
    text = refusal(timezone="America/Los_Angeles", daily_restart="14:15", weekly_login="Sun 00:20")
    assert text.endswith("the nearest allowed time is Sun 03:10 America/Los_Angeles")


def test_a_check_that_spring_skips_has_a_second_look(compiled):
    schedule = compiled()
    first, second = (set(grid.runs(text)) for text in schedule.reset_check[:2])
    skipped = at("2027-03-14 07:05")
    assert int(skipped.timestamp()) not in first
    assert int((skipped + timedelta(minutes=10)).timestamp()) in second
