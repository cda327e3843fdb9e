"""A unit's control group, as files: whether it has changed, and whether the kernel killed something in it.

Three arrangements are about: version 2; version 1; and "hybrid", where systemd has a hierarchy of its own
beside the controllers of version 1.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_TREES = ("", "unified", "systemd")
"""Where systemd's hierarchy may be, under ROOT."""
_KILLS = (("", "memory.events"), ("memory", "memory.oom_control"))
"""Version 2's and version 1's file with a line `oom_kill N` (Linux, cgroup-v2.rst and memory.rst)."""
_MOST_BYTES = 4096


class Cgroup:
    """One unit's control group."""

    def __init__(self, path: str, root: Path = ROOT) -> None:
        """Prepare to look at it.

        Args:
            path: as systemd's property ControlGroup has it, beginning with a slash.
            root: where the hierarchies are mounted (a seam for tests).
        """
        self.path = path
        below = path.lstrip("/")
        self._processes = [str(root / tree / below / "cgroup.procs") for tree in _TREES]
        self._kills = [str(root / tree / below / name) for tree, name in _KILLS]
        self._found: str | None = None

    def processes(self) -> bytes | None:
        """The ids of its processes, as the kernel lists them; None when the group does not exist."""
        if self._found is not None and (content := _read(self._found)) is not None:
            return content
        for path in self._processes:
            if (content := _read(path)) is not None:
                self._found = path
                return content
        return None

    def kills(self) -> int | None:
        """How many of its processes the kernel killed for want of memory; None when nothing counts them."""
        for path in self._kills:
            for line in (_read(path) or b"").splitlines():
                word, _, number = line.partition(b" ")
                if word == b"oom_kill" and number.isdigit():
                    return int(number)
        return None


def _read(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, _MOST_BYTES)
    except OSError:
        return None  # removed this moment
    finally:
        os.close(descriptor)
