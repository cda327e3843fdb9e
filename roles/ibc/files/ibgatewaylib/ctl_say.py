"""What the command tells while something goes on: for people on a terminal, in a log, or not at all."""

from __future__ import annotations

import re
import sys
import time

_REPEAT = 30.0
"""Seconds after which a sentence of which only the figures changed is told again, away from a terminal."""
_FIGURES = re.compile(r"[0-9]+")


class Teller:
    """Tells lines.

    Args:
        quiet: tell nothing (`--json`: the result comes at the end).
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stdout.isatty()
        self._last = ""
        self._told = 0.0
        self._open = False

    def __call__(self, line: str) -> None:
        """A line that stays."""
        if not self._quiet:
            self._end_line()
            print(line, flush=True)
            self._last = line

    def progress(self, line: str) -> None:
        """A line that the next one of its kind replaces on a terminal: a countdown."""
        if self._quiet or line == self._last:
            return
        if self._terminal:
            same = _FIGURES.sub("", line) == _FIGURES.sub("", self._last)
            print(f"\r\033[K{line}" if same and self._open else f"{self._close()}{line}", end="", flush=True)
            self._open = True
        else:
            now = time.monotonic()
            if _FIGURES.sub("", line) == _FIGURES.sub("", self._last) and now - self._told < _REPEAT:
                return
            print(line, flush=True)
            self._told = now
        self._last = line

    def _close(self) -> str:
        return "\n" if self._open else ""

    def _end_line(self) -> None:
        if self._open:
            print(flush=True)
            self._open = False

    def end(self) -> None:
        """End a line that is still open."""
        self._end_line()
