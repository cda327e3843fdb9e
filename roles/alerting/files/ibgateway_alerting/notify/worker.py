"""Threads of the notifier, each with an event loop and a database connection; none waits for another."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ..journal import place
from ..store import Store, StoreError

log = logging.getLogger(__name__)

LONGEST_SILENCE = 60.0
"""Seconds; every job does something far more often, whatever its service does."""
AGAIN_SECONDS = 2.0


class Job(Protocol):
    """Something a thread does for as long as it lives.

    Attributes:
        beat: when it last did something, by `time.monotonic`.
    """

    beat: float

    def use(self, store: Store) -> None:
        """Work on this database from now on."""

    async def run(self, wake: asyncio.Event) -> None:
        """Work for ever; `wake` is set when the database has changed."""


class Worker(threading.Thread):
    """Runs jobs side by side until it is stopped."""

    def __init__(self, name: str, jobs: Sequence[Job], open_store: Callable[[], Store]) -> None:
        """Prepare the thread.

        Args:
            name: for the log.
            jobs: what it does.
            open_store: opens the database; called in the thread, and again after `reopen`.
        """
        super().__init__(name=name, daemon=True)
        self.jobs = jobs
        self._open_store = open_store
        self._running = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._orders: asyncio.Queue[str]
        self._wake: asyncio.Event

    def run(self) -> None:
        """See `threading.Thread`."""
        asyncio.run(self._main())

    def wait_started(self, seconds: float) -> bool:
        """Return whether the jobs run, after waiting for that."""
        return self._running.wait(seconds)

    def moves(self) -> bool:
        """Whether the thread lives and each of its jobs did something lately."""
        if not self._running.is_set():
            return self.is_alive()
        oldest = min(job.beat for job in self.jobs)
        return self.is_alive() and time.monotonic() - oldest < LONGEST_SILENCE

    def wake(self) -> None:
        """The database has changed."""
        self._order("wake")

    def reopen(self) -> None:
        """Open the database anew, which sets a damaged one aside."""
        self._order("reopen")

    def stop(self) -> None:
        """End; what is unfinished is done after the next start."""
        self._order("stop")

    def _order(self, order: str) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._orders.put_nowait, order)

    async def _main(self) -> None:
        self._orders, self._wake = asyncio.Queue(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        store = await self._opened()
        tasks = [asyncio.create_task(self._keep(job)) for job in self.jobs]
        self._running.set()
        while (order := await self._orders.get()) != "stop":
            if order == "reopen":
                store.close()
                store = await self._opened()
            self._wake.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        store.close()

    async def _opened(self) -> Store:
        while True:
            try:
                store = self._open_store()
                break
            except StoreError as error:
                log.error("%s: %s; trying again", self.name, error)
                await asyncio.sleep(AGAIN_SECONDS)
        for job in self.jobs:
            job.use(store)
        return store

    async def _keep(self, job: Job) -> None:
        """A fault in one job, ours or a library's, ends neither that job nor another."""
        while True:
            job.beat = time.monotonic()
            try:
                await job.run(self._wake)
            except StoreError as error:
                log.error("%s: %s", self.name, error)
                if error.damaged:
                    self.reopen()
            except Exception as error:
                log.error("%s: unexpected: %s; going on", self.name, place(error))
            await asyncio.sleep(AGAIN_SECONDS)
