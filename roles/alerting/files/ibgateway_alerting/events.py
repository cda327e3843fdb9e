"""One event: a line of an instance's events file, as the launcher writes it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# A line that a power cut or a full disk left unfinished gets the next one appended to it.
START_OF_EVENT = b'{"time"'
TYPE = re.compile(r"[a-z][a-z0-9_]{0,39}")


class GarbageError(ValueError):
    """The line is not an event."""


@dataclass(frozen=True)
class Event:
    """A fact about one instance.

    Attributes:
        instance: name of the instance.
        type: one of the launcher's event types, or one this version does not know.
        time: when it happened, in UTC.
        detail: what the launcher adds, by key; not to be trusted as text.
    """

    instance: str
    type: str
    time: datetime
    detail: dict[str, Any] = field(default_factory=dict)


def parse(line: bytes, instance: str) -> Event:
    """Return the event of one line.

    Args:
        line: a line of the file, with or without its end.
        instance: whose file it is; the file decides, not the line's content.

    Raises:
        GarbageError: the line holds no event.
    """
    try:
        return _from(line, instance)
    except GarbageError:
        start = line.rfind(START_OF_EVENT)
        if start <= 0:
            raise
        return _from(line[start:], instance)


def _from(line: bytes, instance: str) -> Event:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise GarbageError("not JSON") from error
    if not isinstance(record, dict):
        raise GarbageError("not an object")
    kind = record.get("type")
    if not isinstance(kind, str) or not TYPE.fullmatch(kind):
        raise GarbageError("no event type")
    detail = record.get("detail")
    return Event(instance, kind, _time(record.get("time")), detail if isinstance(detail, dict) else {})


def _time(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise GarbageError("no time") from error
