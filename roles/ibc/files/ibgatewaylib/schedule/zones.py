"""Time zones: by full name only, and with the hours that exist twice or not at all.

Instants are whole seconds since 1970 UTC; wall times are naive datetimes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY = 86400
# More than any zone's offset and the longest jump of its clocks (Samoa's, a day) together.
_NEAR = 3 * DAY

# Names outside these are abbreviations, which follow no summer time (EST) or are unknown to systemd (ET), or
# old aliases that Debian 13 moved to the package tzdata-legacy (US/Eastern).
_FULL_NAME = re.compile(
    r"UTC|(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Etc|Europe|Indian|Pacific)"
    r"(?:/[A-Za-z0-9_+-]+)+"
)
_MEANT = {
    "America/New_York": ("ET", "EST", "EDT", "EST5EDT", "US/Eastern", "New York"),
    "America/Chicago": ("CT", "CST", "CDT", "CST6CDT", "US/Central", "Chicago"),
    "America/Denver": ("MT", "MST", "MDT", "MST7MDT", "US/Mountain"),
    "America/Los_Angeles": ("PT", "PST", "PDT", "PST8PDT", "US/Pacific"),
    "Europe/London": ("GB", "BST", "WET", "London"),
    "Europe/Zurich": ("CET", "CEST", "MET", "Zurich"),
    "Asia/Hong_Kong": ("HKT", "Hongkong", "Hong Kong"),
    "Asia/Singapore": ("SGT", "Singapore"),
    "Asia/Tokyo": ("JST", "Japan", "Tokyo"),
    "Australia/Sydney": ("AET", "AEST", "AEDT", "Sydney"),
    "UTC": ("GMT", "Z", "Zulu", "UCT", "Universal"),
}


class UnknownZoneError(ValueError):
    """No usable zone; the text is the end of a sentence (`must be …`) and names the remedy."""


@lru_cache(maxsize=64)
def find(name: object) -> ZoneInfo:
    """Return a zone by its full name.

    Args:
        name: such as America/New_York, or UTC.

    Raises:
        UnknownZoneError: an abbreviation, an alias, no zone at all, or no zone database on this machine.
    """
    if isinstance(name, str) and _FULL_NAME.fullmatch(name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise UnknownZoneError(f"must be the full name of a time zone, not {name!r}: {_remedy(str(name))}")


def instants(zone: tzinfo, wall: datetime) -> tuple[int, int]:
    """Return the earliest and the latest instant a wall time can mean.

    They differ in the hour that autumn repeats, and in the one that spring skips (one reading by the time
    before the change, one by the time after).
    """
    first = int(wall.replace(tzinfo=zone).timestamp())
    second = int(wall.replace(tzinfo=zone, fold=1).timestamp())
    return (first, second) if first <= second else (second, first)


def readings(zone: tzinfo, first: date, minutes: int, days: range) -> Iterator[tuple[int, int]]:
    """Yield `instants` of one wall time on many days, and ask the zone only near its changes.

    Args:
        zone: of the wall time.
        first: the day from which `days` counts.
        minutes: after 00:00; more than a day's minutes run on.
        days: ascending.
    """
    if not days:
        return
    begin = first + timedelta(days=days[0] - 5)
    turns = changes(zone, begin, first + timedelta(days=days[-1] + minutes // 1440 + 6))
    shift, passed = offset(zone, midnight(begin)), 0
    wall = midnight(first) + minutes * 60
    for number in days:
        local = wall + number * DAY
        while passed < len(turns) and turns[passed][0] + _NEAR <= local:
            shift, passed = turns[passed][2], passed + 1
        if passed < len(turns) and turns[passed][0] - _NEAR < local:
            yield instants(zone, wall_time(first + timedelta(days=number), minutes))
        else:
            yield local - shift, local - shift


def exact(zone: tzinfo, wall: datetime) -> int | None:
    """Return the instant at which systemd runs a job for a wall time.

    A time that autumn repeats runs at its first pass; one that spring skips does not run: None (seen with
    systemd 252, and its issues 5595 and 8647).
    """
    instant = int(wall.replace(tzinfo=zone).timestamp())
    return instant if datetime.fromtimestamp(instant, zone).replace(tzinfo=None) == wall else None


def offset(zone: tzinfo, instant: int) -> int:
    """Return a zone's offset from UTC at an instant, in seconds east."""
    return int(datetime.fromtimestamp(instant, zone).utcoffset().total_seconds())


@lru_cache(maxsize=64)
def changes(zone: tzinfo, first: date, last: date) -> tuple[tuple[int, int, int], ...]:
    """Return a zone's clock changes between two days: (instant, offset before, offset after), in seconds."""
    low, high = midnight(first), midnight(last)
    found = []
    before = offset(zone, low)
    for day in range(low, high, DAY):
        after = offset(zone, day + DAY)
        if after != before:
            left, right = day, day + DAY
            while right - left > 1:
                middle = (left + right) // 2
                left, right = (middle, right) if offset(zone, middle) == before else (left, middle)
            found.append((right, before, after))
            before = after
    return tuple(found)


def midnight(day: date) -> int:
    """Return the instant at which a day begins in UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def wall_time(day: date, minutes: int) -> datetime:
    """Return the wall time so many minutes after a day's 00:00; more than a day's minutes run on."""
    return datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)


def _remedy(name: str) -> str:
    # Only a refusal needs these, and the launcher shall stay small.
    import difflib
    import zoneinfo

    known = zoneinfo.available_timezones()
    if not known:
        return "this machine has no time zone database; install the package tzdata"
    meant = [full for full, short in _MEANT.items() if name.upper() in (word.upper() for word in short)]
    by_lower = {full.lower(): full for full in known if _FULL_NAME.fullmatch(full)}
    near = difflib.get_close_matches(name.lower().replace(" ", "_"), by_lower, n=1, cutoff=0.6)
    return f"write {(meant or [by_lower[word] for word in near] or ['a name such as America/New_York'])[0]}"
