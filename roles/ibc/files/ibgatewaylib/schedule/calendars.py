"""systemd's OnCalendar expressions, each with its zone, so that the host's own zone does not matter."""

from __future__ import annotations

from datetime import tzinfo

from .rules import CHANGE_HOURS, DAY, Clock
from .windows import DAYS, clock

SECOND_LOOK = 195
"""03:15, when no zone of ours changes its clocks."""


def daily(zone: tzinfo, minute: int) -> str:
    """Return a job of every day at a minute after midnight."""
    return f"*-*-* {clock(minute)}:00 {zone}"


def weekly(zone: tzinfo, minute: int) -> str:
    """Return a job of every week at a minute after Monday 00:00."""
    return f"{DAYS[minute // DAY % 7]} *-*-* {clock(minute)}:00 {zone}"


def check(hours: Clock, day: int | None, minute: int) -> tuple[str, ...]:
    """Return the calendars of a check that follows a window's end.

    Args:
        hours: the window's zone.
        day: the weekday on which the window starts, or None for every day.
        minute: minutes after midnight of that day.

    Returns:
        One expression; two where the time can be missing when clocks change, because systemd then skips the
        run: a second look at 03:15, which costs nothing on the other days.
    """
    times = [minute]
    start, end = CHANGE_HOURS
    if hours.changes and start <= minute % DAY < end:
        times.append(minute - minute % DAY + SECOND_LOOK)
    if day is None:
        return tuple(daily(hours.zone, time) for time in times)
    return tuple(weekly(hours.zone, day * DAY + time) for time in times)
