"""`events.jsonl`: what happened to an instance, one JSON object a line, for the watcher and the operator."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable

ROTATE_AT = 1 << 20
"""Size in bytes at which the file becomes `events.jsonl.1` (the one before that is dropped)."""

_KEEP_UNWRITTEN = 1000

TYPES = frozenset(
    [
        "starting",
        "token_restart",
        "login_submitted",
        "two_factor_waiting",
        "two_factor_answered",
        "two_factor_missed",
        "ready",
        "login_refused",
        "credentials_rejected",
        "throttled",
        "maintenance",
        "competing_session",
        "session_taken",
        "connection_failed",
        "password_expiring",
        "unknown_dialog",
        "device_choice_needed",
        "stuck",
        "restart_planned",
        "restart_missed",
        "stopping",
        "stopped",
        "crashed",
        "parked",
        "configuration_invalid",
        "login_deferred",
        "consent_needed",
        "settings_differ",
        "remedy",
        "upgraded",
        "upgrade_failed",
    ]
)


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds, of seconds since the epoch."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{milliseconds:03d}Z"


class EventLog:
    """Appends events: one write, fsync, rotation. A failure is reported, kept and retried, never raised.

    Args:
        file: the file to append to.
        instance: the instance's name, part of every event.
        problem: called with one sentence when events cannot be written, and when they can again.
    """

    def __init__(self, file: Path, instance: str, problem: Callable[[str], None]) -> None:
        self.last: dict | None = None
        self._file = file
        self._instance = instance
        self._problem = problem
        self._unwritten: list[bytes] = []

    def emit(self, kind: str, detail: dict) -> dict:
        """Write one event.

        Args:
            kind: one of `TYPES`.
            detail: JSON-serialisable facts; never a secret.

        Returns:
            the event as written.

        Raises:
            ValueError: the type is not part of the contract.
        """
        if kind not in TYPES:
            raise ValueError(f"unknown event type {kind!r}")
        event = {"time": timestamp(time.time()), "instance": self._instance, "type": kind, "detail": detail}
        self.last = event
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"
        if len(self._unwritten) < _KEEP_UNWRITTEN:
            self._unwritten.append(line.encode("utf-8", "replace"))
        self.retry(report=len(self._unwritten) == 1)
        return event

    @property
    def behind(self) -> bool:
        """Whether events wait to be written."""
        return bool(self._unwritten)

    def retry(self, *, report: bool = False) -> None:
        """Write what could not be written before, in order.

        Args:
            report: say so when it fails.
        """
        waited = not report
        while self._unwritten:
            try:
                self._append(self._unwritten[0])
            except OSError as error:
                if report:
                    self._problem(
                        f"events cannot be written to {self._file} ({error.strerror}); kept and retried"
                    )
                return
            del self._unwritten[0]
            if waited and not self._unwritten:
                self._problem(f"events are written to {self._file} again")

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and size + len(line) > ROTATE_AT:
                self._file.replace(self._file.with_name(self._file.name + ".1"))
                self._append(line)
                return
            if not size:
                os.fchmod(descriptor, 0o640)
            elif os.pread(descriptor, 1, size - 1) != b"\n":
                # A power failure may leave half a line, and this one is not to be part of it.
                line = b"\n" + line
            written = os.write(descriptor, line)
            if written < len(line):
                # A full disk takes part of a line: take it back, or the next line would be glued to it.
                os.ftruncate(descriptor, size)
                raise OSError(28, "No space left on device")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
