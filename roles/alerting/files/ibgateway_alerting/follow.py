"""Read an events file as it grows, through rotation, truncation and restarts of the reader."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ibgatewaylib.fingerprint import sha256

# A run of this many bytes without a line end is not an event, and is not kept in memory either.
LONGEST_LINE = 64 * 1024
# So many bytes at a file's beginning tell it from another one that got the same inode number.
HEAD = 256


@dataclass(frozen=True)
class Position:
    """How far an events file was read.

    Attributes:
        inode: of the file.
        offset: bytes read of it.
        head: hash of its first bytes, as far as they were read.
    """

    inode: int
    offset: int
    head: str


@dataclass(frozen=True)
class Line:
    """A complete line, and the position behind it. `broken` when it was too long to be read."""

    content: bytes
    position: Position
    broken: bool = False


class Follower:
    """Reads `events.jsonl` and its rotated predecessors (`events.jsonl.1` is the youngest)."""

    def __init__(self, path: Path, position: Position | None) -> None:
        self.path = path
        self.position = position

    def lost(self) -> bool:
        """Return whether the position no longer names a place in a file: never read, or replaced."""
        return self._place(self._files()) is None

    def lines(self) -> Iterator[Line]:
        """Yield the complete lines behind the position, oldest first, and move the position along.

        When the position is lost, yields everything that is there.

        Raises:
            OSError: a file cannot be read. A missing one has no lines.
        """
        files = self._files()
        start, offset = self._place(files) or (0, 0)
        for path, inode in files[start:]:
            yield from self._read(path, inode, offset)
            offset = 0

    def _files(self) -> list[tuple[Path, int]]:
        """Return path and inode of each file, oldest first; seen twice alike, so not amid a rotation."""
        files = None
        while files != (files := self._scan()):
            pass
        return files

    def _scan(self) -> list[tuple[Path, int]]:
        rotated = [p for p in self.path.parent.glob(self.path.name + ".*") if p.suffix[1:].isdigit()]
        rotated.sort(key=lambda p: int(p.suffix[1:]), reverse=True)
        found = []
        for path in (*rotated, self.path):
            with contextlib.suppress(FileNotFoundError):
                found.append((path, path.stat().st_ino))
        return found

    def _place(self, files: list[tuple[Path, int]]) -> tuple[int, int] | None:
        """Find the position among the files, as index and offset."""
        if self.position is None:
            return None
        for index, (path, inode) in enumerate(files):
            if inode != self.position.inode:
                continue
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                long_enough = os.fstat(file.fileno()).st_size >= self.position.offset
                if long_enough and _head(file.read(min(HEAD, self.position.offset))) == self.position.head:
                    return index, self.position.offset
        return None

    def _read(self, path: Path, inode: int, offset: int) -> Iterator[Line]:
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(path.open("rb"))
            except FileNotFoundError:
                return
            if os.fstat(file.fileno()).st_ino != inode:
                return  # rotated since; found under its new name the next time
            head = file.read(HEAD)
            file.seek(offset)
            while chunk := file.readline(LONGEST_LINE):
                complete = chunk.endswith(b"\n")
                if not complete and len(chunk) < LONGEST_LINE:
                    return  # the writer has not finished this line
                offset += len(chunk)
                if len(head) < min(HEAD, offset):
                    file.seek(0)
                    head = file.read(HEAD)
                    file.seek(offset)
                self.position = Position(inode, offset, _head(head[:offset]))
                yield Line(chunk, self.position, broken=not complete)


def _head(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]
