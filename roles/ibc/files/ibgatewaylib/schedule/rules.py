"""The rules a schedule must keep, every day of the coming years, and the sentences that refuse it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from ..ibc_values import BadValueError, Time24
from ..ibc_values import clock as minutes_of
from . import zones
from .forbidden import DAY, WEEK, Forbidden, Reason, minutes_since_monday
from .windows import DAYS, MARGIN, RegionWindows, Window
from .windows import clock as hhmm

YEARS = 5
"""How far ahead a schedule is checked."""
RESTART_ROOM = 10
"""Minutes from the planned restart to its check, which may repeat it: free of windows, too."""
LOGIN_ROOM = 30
"""Minutes for a login with up to three pushes, five minutes apart: free of windows and restarts."""
TOKEN_ENDS = (6, 60)
"""Weekday and minute in New York at which IBKR ends the week's token (Guides: Sunday 1:00 am)."""
LOGIN_FROM = (6, 195)
"""Weekday and minute in New York from which the weekly login is sensible: Sunday 03:15."""
CHANGE_HOURS = (30, 190)
"""00:30 to 03:10, when clocks change: Java, systemd and Python read such a time in three ways."""
NEW_YORK = "America/New_York"

_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SATURDAY_CLOSED_UNTIL = 195  # minutes; from then on "before Sunday" explains more than "after Sunday"
_OWN_TIMES = {
    "AutoRestartTime": "restarts Gateway daily",
    "AutoLogoffTime": "logs Gateway off daily",
    "ColdRestartTime": "logs in on Sundays, without asking you first",
    "ClosedownAt": "closes Gateway for good",
}


class BadTimeError(ValueError):
    """A time or zone nobody can read, in one sentence with the remedy."""


class Clock:
    """One zone over the years that are checked."""

    def __init__(self, key: str, name: object, today: date) -> None:
        try:
            self.zone: tzinfo = zones.find(name if isinstance(name, str) else str(name))
        except zones.UnknownZoneError as refused:
            raise BadTimeError(f"{key} {refused}") from None
        self.first, self.last = span_of(today)
        self.changes = zones.changes(self.zone, self.first, self.last)
        self.offset = zones.offset(self.zone, zones.midnight(self.first))


class WeeklyTime:
    """A weekly appointment: `minute` since Monday 00:00, in the zone of `clock`."""

    def __init__(self, minute: int, clock: Clock) -> None:
        self.minute, self.clock = minute, clock

    def __str__(self) -> str:
        """Return it as in `Sun 09:30 America/New_York`."""
        return f"{week_text(self.minute)} {self.clock.zone}"


def span_of(today: date) -> tuple[date, date]:
    """Return the first and last day (UTC) that are checked for a schedule made today.

    It begins tomorrow: in New York that is this evening, and "next on" shall not name yesterday.
    """
    return today + timedelta(days=1), today + timedelta(days=YEARS * 366)


def week_text(minute: int) -> str:
    """Return a minute of the week as `Sun 09:30`."""
    return f"{DAYS[minute // DAY]} {hhmm(minute)}"


def daily_minute(value: object) -> int:
    """Return the minute of the day of `daily_restart`.

    Raises:
        BadTimeError: it is no HH:MM.
    """
    if isinstance(value, str) and "/" in value:
        raise BadTimeError(f"daily_restart must be a time alone, not {value!r}: write its zone as timezone")
    try:
        return minutes_of(Time24().check(value)) or 0
    except BadValueError as refused:
        raise BadTimeError(f"daily_restart {refused}") from None


def weekly_time(value: object, timezone: str, today: date) -> WeeklyTime:
    """Return the appointment that `weekly_login` names.

    Args:
        value: a day, a time and, where it is not `timezone`, a zone: `Sun 09:30`, `Sun 09:30 Europe/Zurich`.
        timezone: the instance's zone.
        today: the day from which on it is checked.

    Raises:
        BadTimeError: it has another form, or no such day, time or zone exists.
    """
    words = value.split() if isinstance(value, str) else []
    if len(words) not in (2, 3):
        raise BadTimeError(
            f'weekly_login must be a day and a time, not {value!r}: write "Sun 09:30" in quotes'
        )
    word = words[0].lower()
    day = next((number for number, name in enumerate(_NAMES) if word in (name, name[:3])), None)
    if day is None:
        raise BadTimeError(
            f"weekly_login must begin with a weekday, not {words[0]!r}: write one of {', '.join(DAYS)}"
        )
    try:
        minute = minutes_of(Time24().check(words[1])) or 0
    except BadValueError as refused:
        raise BadTimeError(f"weekly_login {refused}") from None
    zone = words[2] if len(words) == 3 else timezone
    return WeeklyTime(day * DAY + minute, Clock("the zone of weekly_login", zone, today))


def restart_times(mode: str, region: RegionWindows, clock: Clock) -> Forbidden:
    """Return the times of the day at which a daily restart must not be.

    Args:
        mode: live or paper; only live has a weekly token.
        region: the windows that count.
        clock: the instance's zone.
    """
    forbidden = Forbidden(DAY)
    _add_changes(forbidden, clock, RESTART_ROOM)
    _add_windows(forbidden, region, clock, RESTART_ROOM)
    if mode == "live":
        spans = [
            (ends, opens + LOGIN_ROOM * 60)
            for ends, opens in zip(_weekly(TOKEN_ENDS, clock), _weekly(LOGIN_FROM, clock), strict=True)
        ]
        reason = Reason(
            "comes on Sunday after IBKR ended the token, at 01:00 New York, and before there was time for "
            "the weekly login, which is possible from 03:15",
            dated=True,
        )
        forbidden.add(spans, clock.changes, clock.offset, reason)
    return forbidden


def login_times(region: RegionWindows, clock: Clock, restart: int | None, home: Clock) -> Forbidden:
    """Return the times of the week at which the weekly login must not be.

    Args:
        region: the windows that count.
        clock: the zone of the appointment.
        restart: the daily restart's minute of the day, or None for none.
        home: the instance's zone.
    """
    forbidden = Forbidden(WEEK)
    _add_changes(forbidden, clock, 0)
    early = Reason(
        "comes before Sunday 03:15 New York: IBKR ends the week's token at 01:00, and until 03:15 its reset "
        "may end a new one, too"
    )
    late = Reason(
        f"is not {LOGIN_ROOM} minutes or more before the daily restart ({hhmm(restart or 0)} {home.zone}) "
        "that follows Sunday 01:00 New York, when IBKR ends the token"
    )
    before, after = [], []
    ends, opens = _weekly(TOKEN_ENDS, clock), _weekly(LOGIN_FROM, clock)
    saturday = _weekly((5, _SATURDAY_CLOSED_UNTIL), clock)
    for week, (end, begin) in enumerate(zip(ends, opens, strict=True)):
        next_end = ends[week + 1] if week + 1 < len(ends) else end + WEEK * 60
        if restart is None:
            before.append((end, begin))
            continue
        number = bisect_left(saturday, end)
        before.append((saturday[number - 1] if number else end, begin))
        latest = _first_run(home.zone, restart, end) - LOGIN_ROOM * 60
        after.append((latest + 60, saturday[number] if number < len(saturday) else next_end))
    forbidden.add(before, clock.changes, clock.offset, early)
    forbidden.add(after, clock.changes, clock.offset, late)
    _add_windows(forbidden, region, clock, LOGIN_ROOM)
    return forbidden


def refuse(what: str, minute: int, clock: Clock, forbidden: Forbidden) -> str:
    """Return why a time is refused, with the nearest one that is not; an empty text when it may be.

    Args:
        what: the setting's name.
        minute: of the day, or of the week.
        clock: its zone.
        forbidden: `restart_times` or `login_times`.
    """
    hit = forbidden.hit(minute)
    if not hit:
        return ""
    shown = hhmm if forbidden.period == DAY else week_text
    nearest = forbidden.nearest(minute)
    remedy = "no time is free, so change the schedule around it or ibc_reset_windows"
    if nearest is not None:
        remedy = f"the nearest allowed time is {shown(nearest)} {clock.zone}"
    return f"{what} {shown(minute)} {clock.zone} {hit}: {remedy}"


def settings_conflicts(settings: Mapping[str, Any], scheduled: str) -> Iterator[str]:
    """Yield a sentence for each time in IBC's settings that would work against the schedule.

    Args:
        settings: what the operator wrote in `ibc_settings` or the instance's `settings`.
        scheduled: what the schedule holds, such as "daily_restart 17:15"; empty for nothing.
    """
    for name, effect in _OWN_TIMES.items():
        if scheduled and settings.get(name):
            yield (
                f"{name} {settings[name]} in the settings {effect}, which fights with {scheduled}: remove "
                f"{name}, the schedule sets what IBC needs"
            )


def _add_changes(forbidden: Forbidden, clock: Clock, room: int) -> None:
    """Forbid the hours in which a zone's clocks change; those of a zone without changes are free."""
    if not clock.changes:
        return
    start, end = CHANGE_HOURS
    subject = f"or its check {room} minutes later " if room else ""
    reason = Reason(
        f"{subject}falls into {hhmm(start)}-{hhmm(end)}, when clocks change in that zone and a time can be "
        "missing or come twice"
    )
    for day in range(forbidden.period // DAY):
        forbidden.add_wall(day * DAY + start - room, day * DAY + end, reason)
    for instant, before, after in clock.changes:
        begin, end = (minutes_since_monday(instant + change) for change in sorted((before, after)))
        what = "is missing" if after > before else "comes twice"
        words = f"{subject}falls into {hhmm(begin)}-{hhmm(end)}, which {what} when that zone's clocks change"
        forbidden.add_wall(begin - room, end, Reason(words, dated=True))


def _add_windows(forbidden: Forbidden, region: RegionWindows, clock: Clock, room: int) -> None:
    for window in region.closing:
        margin = MARGIN // 60
        free = f"{margin + room} minutes kept free before and {margin} after it"
        reason = Reason(f"meets the reset window {window}, with {free}", dated=True)
        spans = [
            (opens - MARGIN - room * 60, closes + MARGIN)
            for opens, closes in _occurrences(window, clock.first, clock.last)
        ]
        forbidden.add(spans, clock.changes, clock.offset, reason)


@lru_cache(maxsize=64)
def _occurrences(window: Window, first: date, last: date) -> tuple[tuple[int, int], ...]:
    """Return the times a window is open, from the first that opens on these days."""
    begin = zones.midnight(first)
    return tuple(span for span in window.occurrences(begin, zones.midnight(last)) if span[0] >= begin)


def _weekly(when: tuple[int, int], clock: Clock) -> tuple[int, ...]:
    return _new_york(when, clock.first, clock.last)


@lru_cache(maxsize=16)
def _new_york(when: tuple[int, int], first: date, last: date) -> tuple[int, ...]:
    """Return the earliest reading of a weekly New York time, for each week that is checked."""
    zone, (weekday, minute) = zones.find(NEW_YORK), when
    day = first + timedelta(days=(weekday - first.weekday()) % 7)
    return tuple(
        zones.instants(zone, zones.wall_time(day + timedelta(days=number), minute))[0]
        for number in range(0, (last - first).days, 7)
    )


def _first_run(zone: tzinfo, minute: int, after: int) -> int:
    """Return the first run at or after an instant of a daily job at a minute of the day."""
    day = datetime.fromtimestamp(after, UTC).date() - timedelta(days=1)
    while True:
        earliest, _ = zones.instants(zone, zones.wall_time(day, minute))
        if earliest >= after:
            return earliest
        day += timedelta(days=1)
