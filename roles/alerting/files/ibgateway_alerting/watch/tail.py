"""The launcher's events: read as the files grow, and kept until whoever handles them has committed them.

A position is written in the transaction in which its event is handled. `poll` gives an event again until that
transaction is on disk, so neither a full disk nor a crash loses one.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..events import Event, GarbageError, parse
from ..follow import Follower, Line, Position
from ..settings import Settings
from ..store import Store, StoreError

log = logging.getLogger(__name__)

LOOK_BACK = 900.0
"""Seconds: seen for the first time, an instance's last quarter of an hour counts, and not its history."""
MOST = 200
"""Events of one instance that are held in memory at a time; a longer backlog comes in several polls."""


@dataclass(frozen=True)
class Place:
    """Behind which event a file was read, and when the latest so far happened (seconds since the epoch)."""

    position: Position
    seen: float


class Tail:
    """Follows the events files of all instances. Never waits."""

    def __init__(self, settings: Settings, store: Store) -> None:
        """Prepare to read on where the database says.

        Args:
            settings: names the instances and where their files are.
            store: holds the positions, as `position:NAME`.
        """
        self._store = store
        self._files = [_File(name, settings.state_root / name / "events.jsonl", store)
                       for name in settings.instances]  # fmt: skip

    def poll(self, now: float) -> list[tuple[Event, Place]]:
        """Look for new events.

        Args:
            now: seconds since the epoch.

        Returns:
            every event that has not been committed, oldest first for each instance. Those handled in one
            transaction are committed there; the others come again.
        """
        return [found for file in self._files for found in file.poll(now)]

    def commit(self, name: str, place: Place) -> None:
        """Remember an event as handled. Call it inside the transaction that handles the event.

        Args:
            name: whose event.
            place: what `poll` gave along with it.
        """
        self._store.remember(key(name), record(place))


def key(name: str) -> str:
    """Under which an instance's place is remembered."""
    return f"position:{name}"


def record(place: Place) -> dict[str, Any]:
    """A place as JSON can hold it."""
    position = place.position
    return {
        "inode": position.inode, "offset": position.offset, "head": position.head, "seen": place.seen,
    }  # fmt: skip


class _File:
    """One instance's events file."""

    def __init__(self, name: str, path: Path, store: Store) -> None:
        self._name = name
        self._path = path
        self._store = store
        self._place = _recall(store, name)
        self._follower = Follower(path, self._place.position if self._place else None)
        self._lines: Iterator[Line] | None = None
        self._pending: deque[tuple[Event, Place]] = deque()
        self._signature: tuple[int, int] | None = None
        self._looked = self._unreadable = False
        self._not_before: float | None = None
        self._skipped = 0

    def poll(self, now: float) -> list[tuple[Event, Place]]:
        self._drop_committed()
        if len(self._pending) < MOST:
            try:
                self._read(now)
                self._unreadable = False
            except OSError as error:
                self._looked, self._lines = False, None
                if isinstance(error, FileNotFoundError):
                    return list(self._pending)  # rotated away this moment
                if not self._unreadable:
                    log.error("%s: cannot read %s (%s)", self._name, self._path, error.strerror)  # noqa: TRY400
                self._unreadable = True
        return list(self._pending)

    def _drop_committed(self) -> None:
        if not self._pending:
            return
        done = self._store.recall(key(self._name))
        if done and any(record(place) == done for _, place in self._pending):
            while record(self._pending.popleft()[1]) != done:
                pass

    def _read(self, now: float) -> None:
        if self._lines is None:
            signature = _signature(self._path)
            if self._looked and signature == self._signature:
                return
            self._signature, self._looked = signature, True
            self._begin(now)
        for line in self._lines:
            self._take(line)
            if len(self._pending) >= MOST:
                return
        self._lines = None
        self._end()

    def _begin(self, now: float) -> None:
        self._skipped = 0
        self._not_before = None
        if self._follower.lost():
            self._not_before = self._place.seen if self._place else now - LOOK_BACK
        self._lines = self._follower.lines()

    def _take(self, line: Line) -> None:
        seen = self._place.seen if self._place else self._not_before or 0.0
        event = self._event(line)
        if event is not None:
            moment = event.time.timestamp()
            if self._not_before is not None and moment < self._not_before:
                self._skipped += 1
                event = None
            else:
                seen = max(seen, moment)
        self._place = Place(line.position, seen)
        if event is not None:
            self._pending.append((event, self._place))

    def _event(self, line: Line) -> Event | None:
        try:
            return parse(line.content, self._name)
        except GarbageError as error:
            reason = "too long" if line.broken else error
            log.warning("%s: skipping a line that is no event (%s)", self._name, reason)
            return None

    def _end(self) -> None:
        """Nothing is left to read. Remember at once what was passed over, where no event does it later."""
        if self._skipped:
            log.info("%s: %d older events do not count", self._name, self._skipped)
        if self._pending or self._place is None:
            return
        try:
            with self._store.transaction():
                self._store.remember(key(self._name), record(self._place))
        except StoreError as error:
            log.warning("%s: passed-over lines will be read again: %s", self._name, error)


def _recall(store: Store, name: str) -> Place | None:
    saved = store.recall(key(name))
    try:
        return Place(Position(saved["inode"], saved["offset"], saved["head"]), float(saved["seen"]))
    except (TypeError, KeyError, ValueError):
        return None


def _signature(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - four times a second: without a second object
    except OSError:
        return None
    return status.st_ino, status.st_size
