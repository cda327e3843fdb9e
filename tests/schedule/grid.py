"""A second, plain opinion on five years of windows: one byte for every five minutes, nothing clever.

Written against the facts, not against the compiler: its windows are typed in here, margins included, and
a zone is asked for its offset every day, and on days of change every half hour.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

STEP = 300
FIRST = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
LAST = int(datetime(2031, 1, 1, tzinfo=UTC).timestamp())
STEPS = (LAST - FIRST) // STEP
DAY, WEEK = 288, 2016
# A step's number within a week that begins on Monday: 1970-01-01 was a Thursday.
ORIGIN = FIRST // STEP + 3 * DAY

NEW_YORK, ZURICH, HONG_KONG = "America/New_York", "Europe/Zurich", "Asia/Hong_Kong"
EVERY_DAY = range(7)
FRIDAY, SUNDAY = 4, 6

# Published windows and 15 minutes on each side: zone, days on which they begin, from, to (hours).
WINDOWS = {
    "america": [(NEW_YORK, EVERY_DAY, "23:30", "26:00")],
    "europe": [(ZURICH, EVERY_DAY, "05:30", "08:00")],
    "asia": [
        (NEW_YORK, EVERY_DAY, "16:30", "18:00"),
        (HONG_KONG, EVERY_DAY, "04:30", "06:20"),
        (HONG_KONG, EVERY_DAY, "20:00", "21:30"),
    ],
}
WEEKEND = (NEW_YORK, [FRIDAY], "22:45", "27:15")


def slot(clock: str, day: int = 0) -> int:
    """Return the five-minute slot of `HH:MM` on a day of the week."""
    hours, minutes = clock.split(":")
    return day * DAY + (int(hours) * 60 + int(minutes)) // 5


@lru_cache(maxsize=32)
def segments(zone: str) -> list[tuple[int, int, int]]:
    """Return (first step, last step + 1, offset in steps) of the time between a zone's clock changes."""
    info = ZoneInfo(zone)

    def offset(step: int) -> int:
        seconds = datetime.fromtimestamp(FIRST + step * STEP, info).utcoffset().total_seconds()
        return int(seconds) // STEP

    found = [(0, 0, offset(0))]
    for day in range(0, STEPS, DAY):
        # A day without a difference between its ends has no change within: there are none so close together.
        stride = DAY if offset(day) == offset(day + DAY) else 6
        for step in range(day, day + DAY, stride):
            if offset(step) == found[-1][2]:
                found[-1] = (found[-1][0], step + stride, found[-1][2])
            else:
                found.append((step, step + stride, offset(step)))
    return found


def steps_of(zone: str, number: int, period: int) -> Iterable[slice]:
    """Return the steps at which a zone's clocks show a slot of the day or week, as slices."""
    for start, end, offset in segments(zone):
        first = start + (number - start - offset - ORIGIN) % period
        if first < end:
            yield slice(first, end, period)


def mark(grid: bytearray, zone: str, numbers: Iterable[int], period: int) -> None:
    """Set the steps at which a zone's clocks show one of the slots."""
    for number in numbers:
        for steps in steps_of(zone, number % period, period):
            grid[steps] = b"\x01" * len(range(steps.start, steps.stop, period))


@lru_cache(maxsize=16)
def closed(region: str, room: int) -> bytes:
    """Return the grid of a region's windows, each widened by `room` slots before it."""
    grid = bytearray(STEPS)
    for zone, days, start, end in [*WINDOWS[region], WEEKEND]:
        for day in days:
            mark(grid, zone, range(slot(start, day) - room, slot(end, day)), WEEK)
    return bytes(grid)


def shown(grid: bytes, zone: str, period: int, low: int = 0, high: int = STEPS) -> set[int]:
    """Return the slots of the day or week at which a zone's clocks ever meet a set step in a range."""
    found = set()
    for number in range(period):
        for steps in steps_of(zone, number, period):
            first = steps.start + max(0, -(-(low - steps.start) // period)) * period
            if any(grid[first : min(steps.stop, high) : period]):
                found.add(number)
                break
    return found


def clock_changes(zone: str, period: int, room: int) -> set[int]:
    """Return the slots that a zone's clock changes make unsafe: 00:30 to 03:10, and those hit indeed."""
    parts = segments(zone)
    if len(parts) == 1:
        return set()
    unsafe = {
        day * DAY + number
        for day in range(period // DAY)
        for number in range(slot("00:30") - room, slot("03:10"))
    }
    for (_, end, before), (_, _, after) in pairwise(parts):
        low, high = sorted((before, after))
        unsafe |= {(ORIGIN + end + shift) % period for shift in range(low - room, high)}
    return unsafe


def restart_slots(mode: str, region: str, zone: str) -> set[int]:
    """Return the slots of the day at which a daily restart may be planned."""
    grid = bytearray(closed(region, 2))
    if mode == "live":
        mark(grid, NEW_YORK, range(slot("01:00", SUNDAY), slot("03:45", SUNDAY)), WEEK)
    return set(range(DAY)) - shown(bytes(grid), zone, DAY) - clock_changes(zone, DAY, 2)


def steps_at(zone: str, number: int, period: int) -> list[int]:
    """Return every step at which a zone's clocks show a slot, in order."""
    return sorted(step for steps in steps_of(zone, number, period) for step in range(STEPS)[steps])


def login_slots(region: str, zone: str, home: str, restart: int) -> set[int]:
    """Return the slots of the week at which the weekly login may be."""
    ends = steps_at(NEW_YORK, slot("01:00", SUNDAY), WEEK)
    ends = [end for number, end in enumerate(ends) if number == 0 or end - ends[number - 1] > DAY]
    begins = steps_at(NEW_YORK, slot("03:15", SUNDAY), WEEK)
    restarts = steps_at(home, restart, DAY)
    grid = bytearray(b"\x01" * STEPS)
    for end, begin in zip(ends[:-1], begins, strict=False):
        last = restarts[bisect_left(restarts, end)] - 6
        grid[begin : last + 1] = b"\x00" * max(0, last + 1 - begin)
    both = (int.from_bytes(grid) | int.from_bytes(closed(region, 6))).to_bytes(STEPS)
    return set(range(WEEK)) - shown(both, zone, WEEK, ends[0], ends[-1]) - clock_changes(zone, WEEK, 0)


def runs(expression: str) -> list[int]:
    """Return the instants at which systemd runs one of our calendars in these five years.

    test_systemd.py compares this with systemd itself.
    """
    days, _, rest = expression.rpartition(" *-*-* ") if " *-*-* " in expression else ("", "", expression[6:])
    clock, zone = rest.split(" ")
    info, number = ZoneInfo(zone), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    hour, minute, _ = (int(part) for part in clock.split(":"))
    found = []
    for ordinal in range(FIRST // 86400 - 1, LAST // 86400 + 1):
        day = datetime.fromtimestamp(ordinal * 86400, UTC)
        if days and number[day.weekday()] != days:
            continue
        wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=info)
        instant = int(wall.timestamp())
        there = datetime.fromtimestamp(instant, info)
        if (there.hour, there.minute) == (hour, minute) and FIRST <= instant < LAST:
            found.append(instant)
    return found
