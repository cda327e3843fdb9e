"""The one Java process of a run: started in its own process group, read line by line, ended for certain."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

_LONGEST_LINE = 64 * 1024
_CHUNK = 64 * 1024


class JavaProcess:
    """A running Java.

    Args:
        argv: the command.
        cwd: its working directory.
        env: its environment.
    """

    def __init__(self, argv: list[str], cwd: Path, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            # A group of its own: helpers Java starts (its browser engine) are ended with it.
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.output = self._process.stdout
        os.set_blocking(self.output.fileno(), False)
        self._rest = b""
        self.closed = False

    def lines(self) -> list[bytes]:
        """The complete lines there are now, without line ends; an overlong line is cut into several."""
        try:
            data = os.read(self.output.fileno(), _CHUNK)
        except BlockingIOError:
            return []
        if not data:
            self.closed = True
            data = b"\n" if self._rest else b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        return [line.rstrip(b"\r") for line in lines]

    def last_lines(self) -> list[bytes]:
        """What is left in the pipe after Java's end; a helper that outlived Java is ended first."""
        self.signal(signal.SIGKILL)
        lines: list[bytes] = []
        while not self.closed:
            before = self._rest
            new = self.lines()
            lines += new
            if not new and self._rest == before:
                break
        if self._rest:
            lines.append(self._rest)
            self._rest = b""
        return lines

    def status(self) -> int | None:
        """None while it runs; then its exit code, or the negative signal number."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to Java and everything it started."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def clean_up(self) -> None:
        """End whatever is left of the process group, and close the pipe."""
        self.signal(signal.SIGKILL)
        self.output.close()
