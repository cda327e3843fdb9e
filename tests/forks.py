"""The same program again and again, to be killed: each time a fork of a process that has its imports.

A start of Python's with its imports costs more than what most of these programs do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

# What the program prints goes through a pipe, for its parent to tell; a traceback goes to standard error.
LOOP = """
import json, os, sys, traceback
for line in sys.stdin:
    read, write = os.pipe()
    if not (child := os.fork()):
        os.dup2(write, 1)
        try:
            main(*json.loads(line))
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([code, text]), flush=True)
"""


class Forks:
    """Forks of a program that defines `main`; a context manager."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", program + LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *arguments: Any) -> tuple[int, str]:
        """Call `main` in a fork; return its exit code, a signal as a negative number, and what it printed."""
        print(json.dumps(arguments), file=self._process.stdin, flush=True)
        code, said = json.loads(self._process.stdout.readline())
        return code, said

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        assert self._process.returncode == 0
