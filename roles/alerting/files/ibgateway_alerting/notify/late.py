"""A message that waited says so, because what it tells may be over."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from ..model import Message
from ..text import duration, when

LATE_SECONDS = 60.0


def with_note(message: Message, since: float, now: float, zone: ZoneInfo) -> Message:
    """Return the message, with a first line about its delay when that is worth a line.

    Args:
        message: what is about to be sent.
        since: when what it tells happened, seconds since the epoch.
        now: the present time, likewise.
        zone: in which people read times.
    """
    if now - since <= LATE_SECONDS:
        return message
    moment, age = when(since, zone, now), duration(now - since)
    note = f"Late: this is from {moment}, {age} ago; it could not be delivered before."
    return replace(message, body=f"{note}\n{message.body}")
