"""Words for people: times in their zone, spans of time, and foreign text made harmless."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

LONGEST = 200
"""Characters of foreign text that a message shows."""
ACCOUNT = re.compile(r"\bD?[UFI][A-Z]?\d{4,}\b")
"""Account ids as IBKR writes them: U1234567, DU1234567 or DUM123456 (paper), F1234567 (advisor), I1234567."""


def clean(text: str, longest: int = LONGEST) -> str:
    """One harmless line of what a window or a program said.

    Args:
        text: foreign text.
        longest: how many characters are kept.

    Returns:
        the text without line ends, control characters and account ids.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = ACCOUNT.sub("(account)", line)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def when(moment: float, zone: ZoneInfo, now: float, *, seconds: bool = False) -> str:
    """An instant as the reader's clock shows it.

    Args:
        moment: seconds since the epoch.
        zone: the reader's.
        now: the present; another year than the present one is named.
        seconds: with seconds.

    Returns:
        such as `Sun 29 Nov, 09:30 CET`.
    """
    local = datetime.fromtimestamp(moment, UTC).astimezone(zone)
    year = "" if local.year == datetime.fromtimestamp(now, UTC).astimezone(zone).year else f" {local.year}"
    clock = f"{local:%H:%M:%S %Z}" if seconds else f"{local:%H:%M %Z}"
    return f"{local:%a} {local.day} {local:%b}{year}, {clock}"


def duration(seconds: float) -> str:
    """A span of time: 21 s, 4 min, 2 h 10 min, 3 days."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def countdown(seconds: float) -> str:
    """What is left, as minutes and seconds: 2:45."""
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def times(count: int) -> str:
    """How often: once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
