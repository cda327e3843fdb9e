"""The clocks a decision needs: one that people read, and one that nobody can set."""

from __future__ import annotations

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Moment:
    """One moment.

    Attributes:
        wall: seconds since 1970 UTC; may be wrong and may jump.
        boot: the kernel's name for this boot.
        uptime: seconds since this boot, sleep included; only ever grows.
    """

    __slots__ = ("boot", "uptime", "wall")

    def __init__(self, wall: float, boot: str, uptime: float) -> None:
        self.wall, self.boot, self.uptime = wall, boot, uptime

    def __repr__(self) -> str:
        return f"Moment({self.wall!r}, {self.boot!r}, {self.uptime!r})"


def now() -> Moment:
    """The present moment.

    Raises:
        OSError: /proc is not there.
    """
    boot = _BOOT_ID.read_text(encoding="ascii").strip()
    return Moment(time.time(), boot, time.clock_gettime(time.CLOCK_BOOTTIME))
