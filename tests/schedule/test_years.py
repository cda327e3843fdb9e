"""Every day from 2026 to 2030, every region, a dozen zones: against the second opinion of `grid`."""

from datetime import date

import grid
import pytest
from ibgatewaylib.schedule import rules, windows
from ibgatewaylib.schedule.compiler import Schedule, compile_schedule

TODAY = date(2026, 1, 1)
ZONES = (
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Zurich",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Asia/Hong_Kong",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "UTC",
)
EACH = pytest.mark.parametrize("zone", ZONES)
REGION = pytest.mark.parametrize("region", windows.REGIONS)


def restarts(mode: str, region: str, zone: str) -> rules.Forbidden:
    return rules.restart_times(mode, windows.shipped().region(region), rules.Clock("timezone", zone, TODAY))


def nearest_on_grid(forbidden: rules.Forbidden, minute: int) -> int:
    return min((free for free in forbidden.free() if free % 5 == 0), key=lambda free: abs(free - minute))


def on_grid(forbidden: rules.Forbidden) -> set[int]:
    return {minute // 5 for minute in forbidden.free() if minute % 5 == 0}


def near_close(region: str, zone: str) -> int:
    """A restart that may be, as near to 17:15 as it gets, on the grid."""
    return nearest_on_grid(restarts("live", region, zone), 17 * 60 + 15)


def good(region: str, zone: str) -> Schedule:
    """A schedule that may be: that restart, and the allowed login nearest to Sunday 09:30."""
    minute = near_close(region, zone)
    home = rules.Clock("timezone", zone, TODAY)
    times = rules.login_times(windows.shipped().region(region), home, minute, home)
    login = nearest_on_grid(times, 6 * 1440 + 9 * 60 + 30)
    return compile_schedule("live", region, zone, windows.clock(minute), rules.week_text(login), today=TODAY)


@EACH
@REGION
@pytest.mark.parametrize("mode", ["live", "paper"])
def test_exactly_the_right_restarts_are_allowed(mode, region, zone):
    forbidden = restarts(mode, region, zone)
    free = on_grid(forbidden)
    assert free == grid.restart_slots(mode, region, zone)


@EACH
@REGION
def test_exactly_the_right_logins_are_allowed(region, zone):
    home = rules.Clock("timezone", zone, TODAY)
    restart = near_close(region, zone)
    forbidden = rules.login_times(windows.shipped().region(region), home, restart, home)
    free = on_grid(forbidden)
    assert free == grid.login_slots(region, zone, zone, restart // 5)
    assert free


@REGION
def test_a_login_may_have_another_zone_than_the_restart(region):
    home, away = (rules.Clock("timezone", zone, TODAY) for zone in ("America/New_York", "Australia/Sydney"))
    restart = near_close(region, "America/New_York")
    forbidden = rules.login_times(windows.shipped().region(region), away, restart, home)
    free = on_grid(forbidden)
    assert free == grid.login_slots(region, "Australia/Sydney", "America/New_York", restart // 5)


@EACH
@REGION
def test_what_systemd_runs_is_never_in_a_window_and_never_missing(region, zone):
    schedule = good(region, zone)
    shut = grid.closed(region, 0)
    checks, logins = grid.runs(schedule.restart_check[0]), grid.runs(schedule.login[0])
    assert len(checks) in (1826, 1827)
    assert len(logins) == 261
    assert not [run for run in (*checks, *logins) if shut[(run - grid.FIRST) // grid.STEP]]
    assert not [run for run in checks if shut[(run - 600 - grid.FIRST) // grid.STEP]]


@REGION
def test_every_window_is_followed_by_a_check(region):
    schedule = compile_schedule("live", region, "UTC", "", "", today=TODAY)
    checks = {run for text in schedule.reset_check for run in grid.runs(text)}
    shut = grid.closed(region, 0)
    ends = [step for step in range(1, grid.STEPS - 12) if shut[step - 1] and not shut[step]]
    assert len(ends) > 1800
    late = {
        grid.FIRST + step * grid.STEP for step in ends if grid.FIRST + step * grid.STEP + 300 not in checks
    }
    # Where spring skips 02:05 in New York, the second look at 03:15 comes ten minutes later.
    assert len(late) == (5 if region == "america" else 0)
    assert all(end + 900 in checks for end in late)


@REGION
def test_launcher_and_second_opinion_agree_on_every_five_minutes(region):
    shut = grid.closed(region, 0)
    spans = windows.shipped().region(region).closures(grid.FIRST, grid.LAST)
    ours = bytearray(grid.STEPS)
    for span in spans:
        low, high = (min(max((edge - grid.FIRST) // grid.STEP, 0), grid.STEPS) for edge in span)
        ours[low:high] = b"\x01" * (high - low)
    assert bytes(ours) == shut
