"""Reading `events.jsonl` for the operator, also while it grows and is rotated."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

from .ctl_host import BECOME_OPERATOR, CtlError

_PAUSE = 0.5


def last(file: Path, count: int) -> list[dict]:
    """The newest events.

    Args:
        file: the events file; the rotated one beside it is read too when needed.
        count: how many.

    Returns:
        the events, oldest first; a damaged line is left out.

    Raises:
        CtlError: not readable by this user (3).
    """
    events: list[dict] = []
    for part in (file, file.with_name(file.name + ".1")):
        if len(events) < count:
            events = [event for line in _read(part) if (event := _parse(line))] + events
    return events[-count:] if count else []


def follow(file: Path, show) -> None:
    """Show each event that comes, until interrupted.

    Args:
        file: the events file; may not exist yet.
        show: called with each event.
    """
    stream = None
    rest = ""
    skip = file.exists()
    try:
        while True:
            if stream is None:
                with contextlib.suppress(FileNotFoundError):
                    stream = file.open(encoding="utf-8", errors="replace")
            if stream:
                if skip:
                    stream.seek(0, 2)
                    skip = False
                *lines, rest = (rest + stream.read()).split("\n")
                for line in lines:
                    if event := _parse(line):
                        show(event)
                if not lines and _rotated(file, stream):
                    stream.close()
                    stream, rest = None, ""
                    continue
            time.sleep(_PAUSE)
    finally:
        if stream:
            stream.close()


def _rotated(file: Path, stream) -> bool:
    try:
        return file.stat().st_ino != os.fstat(stream.fileno()).st_ino
    except OSError:
        return True


def _read(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except PermissionError:
        raise CtlError(f"{file} is not readable for this user: {BECOME_OPERATOR}", 3) from None
    except OSError:
        return []


def _parse(line: str) -> dict | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
