"""What the events on disk say: was there a restart, a full login, how many soft restarts?"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import ctl_events
from .ctl_host import parse_time
from .schedule import zones
from .schedule.rules import NEW_YORK, TOKEN_ENDS, daily_minute

SOFT_APART = 30 * 60
SOFT_A_DAY = 3
"""Soft restarts the machine may do by itself: one in 30 minutes, three in 24 hours."""


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def read(file: Path) -> list[tuple[float, str, dict]]:
    """Every event that is kept.

    Args:
        file: events.jsonl; the rotated file beside it is read too.

    Returns:
        (seconds since the epoch, type, detail), oldest first; what is damaged or has no time is left out.

    Raises:
        CtlError: not readable by this user.
    """
    found = []
    for event in ctl_events.last(file, sys.maxsize):
        moment, detail = parse_time(event.get("time")), event.get("detail")
        if moment is not None and isinstance(event.get("type"), str):
            found.append((moment, event["type"], detail if isinstance(detail, dict) else {}))
    return found


def started_since(events: list[tuple[float, str, dict]], moment: float) -> bool:
    """Whether the launcher began a run at or after an instant."""
    return any(kind == "starting" and when >= moment for when, kind, _ in events)


def last_full_login(events: list[tuple[float, str, dict]]) -> float | None:
    """When a run last became ready after its credentials had been submitted, None if never seen."""
    found = None
    submitted = False
    for when, kind, _ in events:
        if kind == "starting":
            submitted = False
        elif kind == "login_submitted":
            submitted = True
        elif kind == "ready" and submitted:
            found = when
    return found


def soft_restart_refusal(events: list[tuple[float, str, dict]], now: float) -> str:
    """Why the machine may not do another soft restart by itself now; empty when it may.

    Restarts that seem to be in the future, after the clock was set back, count as well.
    """
    made = [
        when for when, kind, detail in events if kind == "restart_planned" and detail.get("kind") == "soft"
    ]
    if any(when > now - SOFT_APART for when in made):
        return f"the last soft restart is less than {SOFT_APART // 60} minutes ago"
    if sum(when > now - 86400 for when in made) >= SOFT_A_DAY:
        return f"there were {SOFT_A_DAY} soft restarts in 24 hours already"
    return ""


def token_outlived(events: list[tuple[float, str, dict]], now: datetime) -> bool | None:
    """Whether IBKR ended the token since the last full login, so that a restart would need another one.

    Returns:
        None when the events know of no full login.
    """
    last = last_full_login(events)
    return None if last is None else last < token_end(now).timestamp()


def token_end(now: datetime) -> datetime:
    """When IBKR last ended the week's token: Sunday 01:00 New York, in UTC."""
    zone = zones.find(NEW_YORK)
    weekday, minute = TOKEN_ENDS
    local = now.astimezone(zone)
    day = local.date() - timedelta(days=(local.weekday() - weekday) % 7)
    while True:
        moment = datetime.fromtimestamp(zones.instants(zone, zones.wall_time(day, minute))[0], UTC)
        if moment <= now:
            return moment
        day -= timedelta(days=7)


def planned_restart(now: datetime, daily_restart: str, timezone: str) -> datetime | None:
    """When the daily restart was last due, in UTC; None when there is none."""
    if not daily_restart:
        return None
    zone = zones.find(timezone)
    minute = daily_minute(daily_restart)
    day = now.astimezone(zone).date()
    for _ in range(3):
        instant = zones.exact(zone, zones.wall_time(day, minute))
        if instant is not None and datetime.fromtimestamp(instant, UTC) <= now:
            return datetime.fromtimestamp(instant, UTC)
        day -= timedelta(days=1)
    return None
