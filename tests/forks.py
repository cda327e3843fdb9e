"""The same program again and again: each time a fork of a process that has imported what it needs.

A start of Python's with its imports costs more than what most of these programs do before they are killed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

# A fork is a process of its own, with its own output, which ends as Python ends.
LOOP = """
import json, os, sys

def become(log, environment):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)

for line in sys.stdin:
    ended, log, environment, arguments = json.loads(line)
    if ended:
        answer = os.waitstatus_to_exitcode(os.waitpid(ended, 0)[1])
    elif not (answer := os.fork()):
        become(log, environment)
        sys.exit(main(*arguments))
    print(answer, flush=True)
"""


class Forks:
    """Forks of a program that defines `main`, which returns its exit code; a context manager."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", program + LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: Any, log: Path, environment: dict[str, str] | None = None) -> Fork:
        """Call `main` in a fork, with an environment; what it says is added to a file."""
        return Fork(self, self._ask(0, str(log), environment or {}, arguments))

    def ended(self, pid: int) -> int:
        """Return the exit code of a fork, or its signal as a negative number, once it has ended."""
        return self._ask(pid, "", {}, ())

    def _ask(self, *what: Any) -> int:
        print(json.dumps(what), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


class Fork:
    """One of them, to be used as a `subprocess.Popen`."""

    def __init__(self, forks: Forks, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._forks = forks

    def wait(self, timeout: float) -> int:
        """Wait until it has ended; return its code.

        Raises:
            subprocess.TimeoutExpired: it has not ended within so many seconds.
        """
        if self.returncode is None:
            handle = os.pidfd_open(self.pid)
            try:
                if not select.select([handle], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(str(self.pid), timeout)
            finally:
                os.close(handle)
            self.returncode = self._forks.ended(self.pid)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it is known to have ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill -9."""
        self.send_signal(signal.SIGKILL)
