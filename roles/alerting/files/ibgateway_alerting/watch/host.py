"""The machine itself: room on its disks, a way to the network, its clock. Nothing here waits.

The watcher has the loopback only. What the notifier met on its way out tells the rest.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..model import HOST
from ..observation import Changes, Observation
from ..settings import Settings
from ..store import Store
from . import questions

log = logging.getLogger(__name__)

LOOK_EVERY = 30.0
CLOCK_EVERY = 900.0
"""Seconds between two questions about the clock: it takes hours to become wrong by as much as matters."""
ANSWERS_WITHIN = 20.0
NOTIFIER_FRESH = 120.0
"""Seconds for which the notifier's word on the network counts; it writes every 30 s."""
TIMEDATECTL = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
"""Asks the kernel, so it holds for every program that keeps the time."""
CONTAINER = Path("/run/systemd/container")
"""What systemd writes at boot when it finds itself in a container. Nothing inside can set
the clock there, which is the outer machine's."""
_SILENCE = ("no answer", "no connection")
"""How the notifier's words begin where a service did not answer; see its channels."""
_UP, _REJECT = 0x1, 0x200
"""Flags of a route: it can be used, it leads nowhere (linux/route.h)."""
_NOWHERE6 = "00000000000000000000000000000000"


class HostSource:
    """Watches the machine."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        proc: Path = Path("/proc"),
        timedatectl: Sequence[str] = TIMEDATECTL,
        container: Path = CONTAINER,
    ) -> None:
        """Prepare; nothing is read or run before `tick`.

        Args:
            settings: names the directories and channels.
            store: holds the notifier's health.
            proc: where procfs is (a seam for tests).
            timedatectl: prints yes or no (the same).
            container: is there in a container (the same).
        """
        self._places = (settings.state_root, settings.database.parent, Path("/"), settings.run_root)
        self._store = store
        self._proc = proc
        self._clock = _Clock(timedatectl, container)
        self._looked: float | None = None
        self._changes = Changes()

    def tick(self, now: float) -> list[Observation]:
        """Look at everything whose time has come.

        Args:
            now: seconds since the epoch.

        Returns:
            `disk` (free share of the fullest file system, from 0 to 1; the text is its path), `network` (ok,
            no_route, dns or unreachable) and `clock` (ok or unsynchronised), when they are news.
        """
        found: list[Observation] = []
        self._clock.tick(now)
        if self._clock.value:
            found += self._changes.news(HOST, "clock", self._clock.value, now)
        if self._looked is not None and 0 <= now - self._looked < LOOK_EVERY:
            return found
        self._looked = now
        fullest = fullest_of(self._places)
        if fullest:
            found += self._changes.news(HOST, "disk", fullest[0], now, fullest[1])
        found += self._changes.news(HOST, "network", *self._network(now))
        return found

    def close(self) -> None:
        """End a question that is under way."""
        self._clock.stop()

    def _network(self, now: float) -> tuple[str, float, str]:
        if not has_default_route(self._proc):
            return "no_route", now, "no default route"
        health = self._store.recall("notifier")
        if isinstance(health, dict) and 0 <= now - float(health.get("time") or 0) < NOTIFIER_FRESH:
            if (names := health.get("dns")) not in ("ok", None):
                return "dns", now, str(names)
            if silent := silent_channels(health):
                return "unreachable", now, f"no answer from {', '.join(silent)}"
        return "ok", now, ""


def silent_channels(health: dict[str, Any]) -> list[str]:
    """The channels whose services do not answer at all, where that can only be the network's fault.

    One silent service may be that service's own outage, and any answer at all, be it a refusal, came over a
    network that works.

    Args:
        health: what the notifier says of itself: `delivered`, and by channel `failing` (since) and `trouble`
            (why).

    Returns:
        at least two names, or none.
    """
    since, why = health.get("failing") or {}, health.get("trouble") or {}
    silent = sorted(name for name, words in why.items() if str(words).startswith(_SILENCE))
    if len(silent) < 2 or len(silent) < len(why):
        return []
    delivered = float(health.get("delivered") or 0)
    return silent if all(delivered < float(since.get(name) or 0) for name in silent) else []


def fullest_of(places: Sequence[Path]) -> tuple[float, str] | None:
    """Which file system has the smallest share free, of space or of inodes.

    Returns:
        the share, rounded to a hundredth, and the path that is on it; None when none can be looked at.
    """
    found = []
    for place in places:
        try:
            status = os.statvfs(place)
        except OSError:
            continue
        shares = [1.0]
        if used := status.f_blocks - status.f_bfree:
            shares.append(status.f_bavail / (used + status.f_bavail))
        if status.f_files:
            shares.append(status.f_favail / status.f_files)
        found.append((round(min(shares), 2), str(place)))
    return min(found, default=None, key=lambda entry: entry[0])


def has_default_route(proc: Path = Path("/proc")) -> bool:
    """Whether packets have a way out, over IPv4 or IPv6. True when that cannot be told."""
    known = False
    for line in _lines(proc / "net" / "route")[1:]:
        known = True
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and _leads_on(fields[3]):
            return True
    for line in _lines(proc / "net" / "ipv6_route"):
        known = True
        fields = line.split()
        if len(fields) < 10 or fields[0] != _NOWHERE6 or fields[1] != "00":
            continue
        if _leads_on(fields[8]) and fields[9] != "lo":
            return True
    return not known


def _leads_on(flags: str) -> bool:
    return int(flags, 16) & (_UP | _REJECT) == _UP


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


class _Clock:
    """Asks now and then whether the clock is kept right, without waiting for the answer."""

    def __init__(self, command: Sequence[str], container: Path) -> None:
        self.value = ""
        self._container = container
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: float | None = None

    def tick(self, now: float) -> None:
        if self._process:
            self._collect(now)
        elif self._asked is None or not 0 <= now - self._asked < CLOCK_EVERY:
            self._asked = now
            if self._container.exists():
                self.value = "ok"
                return
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            except OSError as error:
                log.warning("whether the clock is right is not known: %s", error.strerror)

    def _collect(self, now: float) -> None:
        code = self._process.poll()
        if code is None:
            if now - self._asked >= ANSWERS_WITHIN:
                self.stop()
            return
        with self._process.stdout as output:
            answer = output.read(64).strip()
        self._process = None
        if code == 0 and answer in (b"yes", b"no"):
            self.value = "ok" if answer == b"yes" else "unsynchronised"

    def stop(self) -> None:
        process, self._process = self._process, None
        questions.give_up(process)
