"""Notice that the database was written, ten times a second and at almost no cost."""

from __future__ import annotations

import os
import time

from ..store import Store

ASK_SECONDS = 1.0


class Changes:
    """Looks at the write-ahead log's time and size, which costs a third of asking SQLite.

    The kernel's clock for files is coarse, so two writes may look like one: SQLite is asked each second, too.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._log = f"{store.path}-wal"
        self._looks: tuple[int, int] | None = None
        self._version = -1
        self._asked = float("-inf")

    def seen(self) -> bool:
        """Whether another connection has written since the last call; true at the first."""
        looks, now = None, time.monotonic()
        try:
            status = os.stat(self._log)  # noqa: PTH116 - ten times a second
            looks = status.st_mtime_ns, status.st_size
        except FileNotFoundError:
            pass
        if looks == self._looks and now - self._asked < ASK_SECONDS:
            return False
        self._looks, self._asked = looks, now
        before, self._version = self._version, self._store.changes()
        return before != self._version
