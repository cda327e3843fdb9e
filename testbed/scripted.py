"""What the stand-ins share: failures that a test scripts, and a record of what arrived."""

import json
import os
import socket
import struct
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class Script:
    """What to do in place of an honest answer, one entry for each coming call.

    An entry is one of {"status": 429, "text": "…", "retry_after": 5}, {"hang": SECONDS}, {"reset": true},
    {"raw": "no JSON"}, {"ok": true}; with "taken": true the call is obeyed first, and only its answer
    is lost; with "ok": true a call that hangs is answered at the end. A last entry with "always": true stays.
    """

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._entries: dict[str, list[Json]] = {}
        self._clears = 0

    def obey(self, given: Json) -> None:
        """Do what a test asks.

        Args:
            given: {"answers": [entry, …]}, with "method" for one kind of call alone; or {"clear": true}:
                be honest again, and let go what hangs.
        """
        with self._lock:
            if given.get("clear"):
                self._entries.clear()
                self._clears += 1
                self._lock.notify_all()
            else:
                self._entries.setdefault(given.get("method", "*"), []).extend(given["answers"])

    def next(self, method: str) -> tuple[Json, int]:
        """What to do with this call, empty for an honest answer; how often it was cleared before."""
        with self._lock:
            for name in (method, "*"):
                entries = self._entries.get(name)
                if entries:
                    return entries[0] if entries[0].get("always") else entries.pop(0), self._clears
            return {}, self._clears

    def hang(self, seconds: float, clears: int) -> None:
        """Wait so long, or until the script has been cleared since it was this number of times."""
        with self._lock:
            self._lock.wait_for(lambda: self._clears != clears, seconds)


def obeyed(plan: Json) -> bool:
    """Whether a call does what it asks for, whatever its answer."""
    return not plan or bool(plan.get("taken") or plan.get("ok"))


def reset(connection: socket.socket) -> None:
    """End a connection without a word: lingering for zero seconds is a reset (socket(7))."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def record(path: Path, entry: Json) -> None:
    """Append one line with a single write, so that parallel calls never mix.

    Args:
        path: the record.
        entry: what to write, after the time.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = json.dumps({"time": now, **entry}, ensure_ascii=False, separators=(",", ":")) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)
