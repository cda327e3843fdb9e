"""What a schedule holds on the coming days, for programs; `table` shows it to people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from . import rules, zones
from .compiler import Schedule
from .windows import DAYS, RegionWindows

TEXTS = {
    "restart": "daily restart, no tap",
    "paper_restart": "daily stop and start, no tap",
    "login": "weekly login: your tap",
    "closed": "reset: no login, no restart",
    "quiet": "weekend: outages are usual, no alert for them",
}


@dataclass(frozen=True)
class Entry:
    """Something that happens; `kind` is a key of TEXTS, instants are in UTC, `end` is None for a moment."""

    start: datetime
    end: datetime | None
    kind: str

    @property
    def text(self) -> str:
        """What to call it."""
        return TEXTS[self.kind]

    def as_dict(self) -> dict[str, str | None]:
        """Return it for JSON, with RFC 3339 instants."""
        end = self.end.isoformat() if self.end else None
        return {"start": self.start.isoformat(), "end": end, "kind": self.kind, "text": self.text}


def described(schedule: Schedule, entries: list[Entry]) -> dict[str, Any]:
    """Return a schedule and what it brings, for programs.

    Args:
        schedule: whose.
        entries: from `agenda`.
    """
    return {
        "region": schedule.region,
        "region_known": schedule.region_known,
        "timezone": schedule.timezone,
        "daily_restart": schedule.daily_restart,
        "weekly_login": schedule.weekly_login,
        "weekly_login_timezone": schedule.weekly_login_timezone,
        "warnings": list(schedule.warnings),
        "entries": [entry.as_dict() for entry in entries],
    }


def agenda(schedule: Schedule, windows: RegionWindows, start: datetime, days: int = 14) -> list[Entry]:
    """Return what begins, or still lasts, in the days after an instant.

    Args:
        schedule: whose.
        windows: of the schedule's region.
        start: time-zone-aware.
        days: how many.
    """
    first, last = int(start.timestamp()), int((start + timedelta(days=days)).timestamp())
    entries = [Entry(_utc(opens), _utc(closes), "closed") for opens, closes in windows.closures(first, last)]
    entries += [
        Entry(_utc(opens), _utc(closes), "quiet") for opens, closes in windows.quiet.occurrences(first, last)
    ]
    if schedule.daily_restart:
        kind = "restart" if schedule.mode == "live" else "paper_restart"
        minute = rules.daily_minute(schedule.daily_restart)
        zone = zones.find(schedule.timezone)
        entries += [Entry(_utc(run), None, kind) for run in _runs(zone, minute, None, first, last)]
    if schedule.weekly_login:
        day, _, time = schedule.weekly_login.partition(" ")
        minute = rules.daily_minute(time)
        zone = zones.find(schedule.weekly_login_timezone)
        entries += [
            Entry(_utc(run), None, "login") for run in _runs(zone, minute, DAYS.index(day), first, last)
        ]
    return sorted(
        (entry for entry in entries if _utc(first) < (entry.end or entry.start + timedelta(seconds=1))
         and entry.start < _utc(last)),
        key=lambda entry: (entry.start, entry.kind),
    )  # fmt: skip


def _runs(zone: tzinfo, minute: int, weekday: int | None, first: int, last: int) -> Iterator[int]:
    """Yield the instants at which systemd runs a daily or weekly job."""
    day: date = datetime.fromtimestamp(first, zone).date()
    while zones.midnight(day) <= last + zones.DAY:
        instant = zones.exact(zone, zones.wall_time(day, minute))
        if instant is not None and weekday in (None, day.weekday()) and first <= instant < last:
            yield instant
        day += timedelta(days=1)


def _utc(instant: int) -> datetime:
    return datetime.fromtimestamp(instant, UTC)
