"""Which wall-clock times of every day, or every week, meet something they must not meet.

Every single occurrence in the coming years is laid onto the wall clock, with the offset that holds then. So
an answer holds for each day, the weeks included in which only one of two zones has changed its clocks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
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
            offset: its offset, in seconds, where it has no changes.
            reason: of all these spans.
        """
        # What holds between two changes; the last one holds for ever.
        pieces = [(change[0], change[1]) for change in changes]
        pieces.append((sys.maxsize, changes[-1][2] if changes else offset))
        number = 0
        for start, end in sorted(spans):
            while pieces[number][0] <= start:
                number += 1
            until, shift = pieces[number]
            at, piece = start, number
            while end > until:
                self.add_wall(minutes_since_monday(at + shift), minutes_since_monday(until + shift), reason)
                at, piece = until, piece + 1
                until, shift = pieces[piece]
            self.add_wall(minutes_since_monday(at + shift), minutes_since_monday(end + shift), reason)

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

    def free(self) -> list[int]:
        """Return every minute that is not forbidden."""
        taken = bytearray(2 * self.period)
        for start, length in self._spans:
            stop = start + min(length, self.period)
            taken[start:stop] = b"\x01" * (stop - start)
        return [minute for minute in range(self.period) if not taken[minute] | taken[minute + self.period]]

    def nearest(self, minute: int) -> int | None:
        """Return the free minute nearest to one, forwards or backwards, or None when there is none."""
        half = self.period // 2
        return min(
            self.free(), key=lambda free: abs((free - minute + half) % self.period - half), default=None
        )
