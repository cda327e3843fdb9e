"""When the dead-man's ping goes out: only while the watcher looks and every channel's messages leave.

The service behind the URL (healthchecks.io and others) tells people when the pings stop: the one alert that
needs nothing of this machine.
"""

from __future__ import annotations

import logging

from ..store import Store

log = logging.getLogger(__name__)

WATCHER_SECONDS = 60.0
"""The watcher writes its row every 15 s, after a full cycle of probes."""
WAITING_SECONDS = 600.0
AGAIN_SECONDS = 30.0


class Deadman:
    """The ping's schedule.

    Attributes:
        url: where it goes; a secret. Empty for no ping.
    """

    def __init__(self, url: str, minutes: int) -> None:
        self.url = url
        self._seconds = minutes * 60.0
        self._next = 0.0
        self._obstacle = ""
        self._trouble = ""

    def due(self, store: Store, now: float) -> bool:
        """Return whether to ping now.

        Args:
            store: where watcher and outbox are seen.
            now: seconds since the epoch.
        """
        if not self.url or not self._seconds or 0 < self._next - now <= self._seconds:
            return False
        obstacle = _obstacle(store, now)
        if obstacle and obstacle != self._obstacle:
            log.warning("no sign of life is sent: %s", obstacle)
        self._obstacle = obstacle
        return not obstacle

    def note(self, trouble: str, now: float) -> None:
        """The ping went out, or `trouble` says why not; then it is tried again soon."""
        if trouble and trouble != self._trouble:
            log.warning("the sign of life did not arrive: %s", trouble)
        if self._trouble and not trouble:
            log.info("the sign of life arrives again")
        self._trouble = trouble
        self._next = now + (min(AGAIN_SECONDS, self._seconds) if trouble else self._seconds)


def _obstacle(store: Store, now: float) -> str:
    watcher = store.recall("watcher")
    if not watcher:
        return "the watcher has not looked yet"
    if abs(now - watcher["time"]) > WATCHER_SECONDS:
        return "the watcher does not look"
    stuck = [name for name, (_, oldest) in sorted(store.backlog().items()) if now - oldest > WAITING_SECONDS]
    return f"messages for {', '.join(stuck)} do not leave" if stuck else ""
