"""A host whose clocks do as they are told."""

from __future__ import annotations

import os
from pathlib import Path

from ibgatewaylib.clock import Moment

WEDNESDAY = 1_795_608_000.0  # 2026-11-25 12:00 UTC, far from every reset


class Killed(BaseException):
    """kill -9, as far as a test can have it: no handler of the code under test catches this."""


class FakeClock:
    """`clock()` is the present moment; time passes only by `wait`."""

    def __init__(self, wall: float = WEDNESDAY) -> None:
        self.wall, self.boot, self.uptime = wall, "boot-1", 1000.0
        self.true = 0.0
        self._boots = 1

    def __call__(self) -> Moment:
        return Moment(self.wall, self.boot, self.uptime)

    def wait(self, seconds: float) -> FakeClock:
        self.wall += seconds
        self.uptime += seconds
        self.true += seconds
        return self

    def step(self, seconds: float) -> FakeClock:
        """Somebody sets the clock."""
        self.wall += seconds
        return self

    def reboot(self, down: float = 30.0) -> FakeClock:
        self.wall += down
        self.true += down
        self._boots += 1
        self.boot, self.uptime = f"boot-{self._boots}", 10.0
        self.wall += 10.0
        self.true += 10.0
        return self


def killed_at(monkeypatch, step: int) -> None:
    """Die at the n-th system call that touches a file.

    Args:
        step: counted from 0; beyond the last one nothing happens.
    """
    left = [step]

    def wrap(owner, name):
        real = getattr(owner, name)

        def call(*arguments, **options):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    for name in ("open", "write", "fsync", "fchmod"):
        wrap(os, name)
    for name in ("replace", "unlink"):
        wrap(Path, name)
