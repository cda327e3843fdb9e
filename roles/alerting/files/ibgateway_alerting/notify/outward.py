"""What needs the network but is no message: the dead-man's ping, and whether names can be looked up."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from ..deadline import Deadline, HangingError
from ..store import Store
from .deadman import Deadman

log = logging.getLogger(__name__)

STEP_SECONDS = 5.0
LOOK_UP_SECONDS = 30.0
PING_SECONDS = 15.0


class Outward:
    """Sends the dead-man's ping and looks a name up now and then.

    Attributes:
        beat: when it last did something, by `time.monotonic`.
        dns: "ok" unless a name could not be looked up; then what went wrong.
    """

    def __init__(
        self, deadman: Deadman, name: str, reached: Callable[[], float],
        *, clock: Callable[[], float] = time.time,
        look_up: Callable[[str], object] = lambda name: socket.getaddrinfo(name, 443),
    ) -> None:  # fmt: skip
        """Prepare; `use` gives it a database.

        Args:
            deadman: when to ping, and where.
            name: a host name that a channel needs, or empty.
            reached: when a channel's service last answered, seconds since the epoch; lately is proof enough.
            clock: seconds since the epoch.
            look_up: asks the system's resolver, or raises OSError.
        """
        self.beat = time.monotonic()
        self.dns = "ok"
        self._deadman = deadman
        self._name = name
        self._reached = reached
        self._clock = clock
        self._resolve = look_up
        self._looked_up = 0.0
        self._deadline = Deadline(PING_SECONDS)

    def use(self, store: Store) -> None:
        """Work on this database from now on."""
        self._store = store

    async def run(self, _wake: asyncio.Event) -> None:
        """Work for ever."""
        while True:
            await self.step()
            await asyncio.sleep(STEP_SECONDS)

    async def step(self) -> None:
        """Do what is due."""
        self.beat = time.monotonic()
        now = self._clock()
        await self._look_up(now)
        if self._deadman.due(self._store, now):
            self._deadman.note(await self._ping(), now)

    async def _look_up(self, now: float) -> None:
        if not self._name or 0 <= now - self._looked_up < LOOK_UP_SECONDS:
            return
        self._looked_up = now
        if now - self._reached() < LOOK_UP_SECONDS * 2:
            self.dns = "ok"
            return
        try:
            await self._deadline.call(lambda: self._resolve(self._name))
            self.dns = "ok"
        except (OSError, HangingError):
            self.dns = f"{self._name} cannot be looked up"

    async def _ping(self) -> str:
        """Return what went wrong, in words without the URL; empty when the ping arrived."""
        try:
            await self._deadline.call(lambda: _get(self._deadman.url))
        except urllib.error.HTTPError as error:
            error.close()
            return f"HTTP status {error.code}"
        except Exception as error:  # its text may hold the URL
            return type(error).__name__
        return ""


def _get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=PING_SECONDS) as answer:  # noqa: S310 - the operator's own URL
        answer.read(1024)
