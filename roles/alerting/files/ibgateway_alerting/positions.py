"""How far each channel has told each instance's events, on disk."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from .follow import Position
from .hush import Memory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bookmark:
    """What one channel knows of one instance.

    Attributes:
        position: behind the last event that was dealt with.
        seen: time of that event, to find one's place again when the file was replaced.
        memory: what was told since the instance was last ready.
    """

    position: Position
    seen: datetime
    memory: Memory


class Bookmarks:
    """One channel's bookmarks, by instance, in one small file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Bookmark]:
        """Return what was saved; nothing, with an error in the log, when that is unreadable."""
        try:
            content = json.loads(self.path.read_bytes())
            return {name: _bookmark(record) for name, record in content.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.error(
                "%s is unreadable (%s): beginning with the latest events", self.path, type(error).__name__
            )
            return {}

    def save(self, bookmarks: dict[str, Bookmark]) -> None:
        """Replace the file, so that a crash or power cut leaves either the old or the new one.

        Raises:
            OSError: it could not be written, for instance because the disk is full.
        """
        content = json.dumps({name: _record(bookmark) for name, bookmark in bookmarks.items()}).encode()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def forget_others(directory: Path, channels: set[str]) -> None:
    """Remove the bookmarks of channels that are gone: used again later, they must not replay the past."""
    for path in directory.glob("*.json"):
        if path.stem not in channels:
            path.unlink()


def _record(bookmark: Bookmark) -> dict[str, object]:
    return {
        "position": asdict(bookmark.position),
        "seen": bookmark.seen.astimezone(UTC).isoformat(),
        "memory": asdict(bookmark.memory),
    }


def _bookmark(record: dict[str, dict]) -> Bookmark:
    return Bookmark(
        Position(**record["position"]),
        datetime.fromisoformat(str(record["seen"])),
        Memory(**record["memory"]),
    )
