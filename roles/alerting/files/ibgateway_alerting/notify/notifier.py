"""The notifier's main loop. Nothing in it waits for a channel."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import logging
import time
from datetime import datetime

from .. import systemd
from ..settings import Settings
from ..store import Store, StoreError
from . import health
from .changes import Changes
from .channels import Configured
from .deadman import Deadman
from .lane import Lane
from .outward import Outward
from .worker import Job, Worker

log = logging.getLogger(__name__)

PING_SECONDS = 5.0
ROW_SECONDS = 30.0
AGAIN_SECONDS = 2.0
START_SECONDS = 60.0
END_SECONDS = 2.0


class Notifier:
    """Runs a worker for each channel and one for the signs of life."""

    def __init__(self, settings: Settings, configured: Configured, deadman_url: str) -> None:
        """Prepare.

        Args:
            settings: the configuration.
            configured: the channels.
            deadman_url: where the sign of life goes, or empty.
        """
        self._settings = settings
        self._problems = configured.problems
        self._began = time.time()
        self._lanes = [Lane(channel, settings.zone) for channel in configured.usable]
        self._signs: list[health.Sign] = list(self._lanes)
        jobs: dict[str, list[Job]] = {lane.name: [lane] for lane in self._lanes}
        for lane in self._lanes:
            if lane.name in configured.chats:
                jobs[lane.name].append(self._poller(lane, configured.chats[lane.name]))
        self._outward = Outward(
            Deadman(deadman_url, settings.deadman_minutes), next(iter(configured.hosts), ""), self._reached
        )
        self._workers = [
            Worker(name, work, lambda: Store(settings.database))
            for name, work in {**jobs, "signs of life": [self._outward]}.items()
        ]
        self._reported: dict[str, tuple[float, str]] | None = None
        self._report_time = 0.0

    def _poller(self, lane: Lane, chat: int) -> Job:
        from .presses import PressPoller

        users = next(channel.users for channel in self._settings.channels if channel.name == lane.name)
        poller = PressPoller(lane.channel, chat, users, on_return=lane.hurry)
        self._signs.append(poller)
        return poller

    def run(self) -> None:
        """Deliver until SIGTERM or SIGINT."""
        store = self._open()
        changes = Changes(store)  # before the threads, which shall not receive its signals
        for worker in self._workers:
            worker.start()
        for worker in self._workers:
            worker.wait_started(START_SECONDS)
        systemd.notify("READY=1", f"STATUS={self.status()}")
        log.info("%s", self.status())
        self._loop(store, changes)
        systemd.notify("STOPPING=1")
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join(END_SECONDS)

    def _open(self) -> Store:
        """Open the database, however long that takes."""
        known = {channel.name for channel in self._settings.channels}
        while True:
            try:
                store = Store(self._settings.database)
                forgotten = store.forget_channels(known, time.time())
            except StoreError as error:
                log.error("%s; trying again", error)
                time.sleep(AGAIN_SECONDS)
                continue
            if forgotten:
                log.warning("%d messages are not told: their channels are gone", forgotten)
            return store

    def _loop(self, store: Store, changes: Changes) -> None:
        last_ping = float("-inf")
        while changes.wait():
            try:
                if changes.seen():
                    for worker in self._workers:
                        worker.wake()
            except StoreError as error:
                log.error("%s; trying again", error)
                time.sleep(PING_SECONDS)
            if time.monotonic() - last_ping >= PING_SECONDS:
                last_ping = time.monotonic()
                self._report(store)
                self._ping()

    def _report(self, store: Store) -> None:
        """Tell the watcher how we are: when a channel begins or ends to fail, and every so often."""
        failing, now = self._failing(), time.time()
        if failing == self._reported and 0 <= now - self._report_time < ROW_SECONDS:
            return
        delivered = max((lane.delivered for lane in self._lanes if lane.delivered), default=None)
        self._reported, self._report_time = failing, now
        try:
            store.remember("notifier", health.row(now, failing, delivered, self._outward.dns))
        except StoreError as error:
            log.warning("the watcher cannot be told how the channels are: %s", error)

    def _failing(self) -> dict[str, tuple[float, str]]:
        unusable = {name: (self._began, problem) for name, problem in self._problems.items()}
        return {**unusable, **health.failing(self._signs)}

    def _reached(self) -> float:
        """When a channel's service last answered; 0 when none has."""
        times = [lane.delivered for lane in self._lanes]
        times += [getattr(sign, "reached", None) for sign in self._signs]
        return max((moment for moment in times if moment), default=0.0)

    def _ping(self) -> None:
        """Answer systemd's watchdog, unless a worker is wedged: then a restart is what helps."""
        still = [worker.name for worker in self._workers if not worker.moves()]
        if still:
            log.error("%s does not move: letting systemd restart the notifier", ", ".join(still))
            return
        systemd.notify("WATCHDOG=1", f"STATUS={self.status()}")

    def status(self) -> str:
        """One line for `systemctl status`."""
        names = [lane.name for lane in self._lanes]
        zone = self._settings.zone
        return "; ".join(
            [
                f"telling {', '.join(names)}" if names else "telling nobody: no channel is usable",
                *(
                    f"{name} failing since {datetime.fromtimestamp(since, zone):%H:%M %Z}: {words}"
                    for name, (since, words) in self._failing().items()
                ),
            ]
        )
