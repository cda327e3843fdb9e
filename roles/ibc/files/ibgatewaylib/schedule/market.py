"""Market hours of an instance, as the operator writes them: when nobody wants a restart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from . import zones
from .windows import DAYS

_FORM = re.compile(r"(\w{3})(?:-(\w{3}))? (\d{2}):(\d{2})-(\d{2}):(\d{2}) (\S+)")
EXAMPLE = "Mon-Fri 09:30-16:00 America/New_York"


class BadHoursError(ValueError):
    """Hours nobody can read, in one sentence with the remedy."""


class Hours:
    """The same hours on some days of the week; an end that is not after the start is the next day's.

    Args:
        text: such as `Mon-Fri 09:30-16:00 America/New_York`.

    Raises:
        BadHoursError: it has another form, or names no such day, time or zone.
    """

    __slots__ = ("_days", "_end", "_start", "_zone", "text")

    def __init__(self, text: object) -> None:
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        if not found or any(day and day not in DAYS for day in found.group(1, 2)):
            raise BadHoursError(
                f'market_hours must be days, hours and a zone, such as "{EXAMPLE}", not {text!r}'
            )
        first = DAYS.index(found[1])
        count = (DAYS.index(found[2] or found[1]) - first) % 7 + 1
        self._days = {(first + number) % 7 for number in range(count)}
        self._start, self._end = _minutes(found[3], found[4], text), _minutes(found[5], found[6], text)
        if self._end <= self._start:
            self._end += 24 * 60
        try:
            self._zone = zones.find(found[7])
        except zones.UnknownZoneError as refused:
            raise BadHoursError(f"the zone of market_hours {refused}") from None
        self.text = text

    def closes(self, now: datetime) -> datetime | None:
        """When the market that is open now closes, in its own zone; None while it is closed."""
        local = now.astimezone(self._zone)
        wall = local.replace(tzinfo=None)
        for back in (0, 1):
            day = wall.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=back)
            if day.weekday() not in self._days:
                continue
            if day + timedelta(minutes=self._start) <= wall < day + timedelta(minutes=self._end):
                return (day + timedelta(minutes=self._end)).replace(tzinfo=self._zone)
        return None


def closing(texts: Iterable[str], now: datetime) -> datetime | None:
    """When the last market that is open now closes; None while all are closed.

    Raises:
        BadHoursError: as `Hours`.
    """
    return max(filter(None, (Hours(text).closes(now) for text in texts)), default=None)


def _minutes(hours: str, minutes: str, text: object) -> int:
    if int(hours) > 23 or int(minutes) > 59:
        raise BadHoursError(f"market_hours has a time that does not exist: {text!r}")
    return int(hours) * 60 + int(minutes)
