"""Which wall-clock times of every day, or every week, meet something they must not meet.

Every single occurrence in the coming years is laid onto the wall clock, with the offset that holds then. So
an answer holds for each day, the weeks included in which only one of two zones has changed its clocks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta

DAY = 1440
WEEK = 7 * DAY
_MONDAY = date(1970, 1, 5)

Changes = tuple[tuple[int, int, int], ...]


class Reason:
    """Why a time is forbidden.

    Attributes:
        words: text that continues "TIME ZONE …", such as "meets the reset window …".
        dated: whether the day on which it happens next helps to understand it.
    """

    __slots__ = ("dated", "words")

    def __init__(self, words: str, *, dated: bool = False) -> None:
        self.words, self.dated = words, dated


class Hit:
    """What forbids one time: the reason, and the day on which it first does."""

    __slots__ = ("day", "reason")

    def __init__(self, reason: Reason, day: date) -> None:
        self.reason, self.day = reason, day

    def __str__(self) -> str:
        """Return the words that continue "TIME ZONE …"."""
        return f"{self.reason.words}{f' (next on {self.day:%a %d %b %Y})' if self.reason.dated else ''}"


def minutes_since_monday(wall: int) -> int:
    """Return the minutes since Monday 1970-01-05 for wall-clock seconds since 1970-01-01."""
    return wall // 60 - 4 * DAY


class Forbidden:
    """The forbidden minutes of one day (`period` DAY, from midnight) or week (WEEK, from Monday 00:00)."""

    def __init__(self, period: int) -> None:
        self.period = period
        # (first minute, minutes) to (reason, first minute since 1970-01-05 on the wall): few distinct spans.
        self._spans: dict[tuple[int, int], tuple[Reason, int]] = {}

    def add_wall(self, start: int, end: int, reason: Reason) -> None:
        """Forbid a span of wall-clock minutes since Monday 1970-01-05, end excluded."""
        if end > start:
            self._spans.setdefault((start % self.period, end - start), (reason, start))

    def add(self, spans: Iterable[tuple[int, int]], changes: Changes, offset: int, reason: Reason) -> None:
        """Forbid spans of time as one zone's clocks show them.

        Args:
            spans: pairs of instants, in seconds, end excluded.
            changes: the zone's clock changes, see `zones.changes`.
            offset: its offset before the first of them, in seconds.
            reason: of all these spans.
        """
        instants = [change[0] for change in changes]
        for start, end in spans:
            at = start
            while at < end:
                index = bisect_right(instants, at)
                until = min(end, instants[index]) if index < len(instants) else end
                shift = changes[index - 1][2] if index else offset
                self.add_wall(minutes_since_monday(at + shift), minutes_since_monday(until + shift), reason)
                at = until

    def hit(self, minute: int) -> Hit | None:
        """Return what forbids a minute, the soonest first, or None."""
        hits = [
            (first + (minute - start) % self.period, number, reason)
            for number, ((start, length), (reason, first)) in enumerate(self._spans.items())
            if (minute - start) % self.period < length
        ]
        if not hits:
            return None
        wall, _, reason = min(hits)
        return Hit(reason, _MONDAY + timedelta(days=wall // DAY))

    def free(self) -> Iterator[int]:
        """Yield every minute that is not forbidden."""
        return (minute for minute in range(self.period) if not self.hit(minute))

    def nearest(self, minute: int, suits: Callable[[int], bool] = lambda _: True) -> int | None:
        """Return the free minute nearest to one, forwards or backwards, or None when there is none.

        Args:
            minute: where to begin.
            suits: a further condition.
        """
        for distance in range(self.period // 2 + 1):
            for candidate in ((minute + distance) % self.period, (minute - distance) % self.period):
                if not self.hit(candidate) and suits(candidate):
                    return candidate
        return None
