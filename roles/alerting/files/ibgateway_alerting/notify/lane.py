"""One channel's queue: messages leave in their order, each is tried until the channel has it."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from ..model import EDIT, SEND, Message, Queued
from ..store import Store, StoreError
from . import late, pauses
from .channel import Channel
from .errors import BrokenError, DeliveryError, NotEditableError, RefusedError
from .receipts import Receipts
from .variants import variants

log = logging.getLogger(__name__)

LOOK_AGAIN = 5.0
"""Seconds after which a lane looks without being woken."""
BATCH = 50


class Lane:
    """Delivers what waits for one channel. At least once: what is uncertain after a crash is sent again.

    Attributes:
        name: the channel's name.
        failing_since: when it stopped taking messages, seconds since the epoch; None while it takes them.
        trouble: why, in words fit for the log.
        delivered: when it last took one, seconds since the epoch; None since this process began.
        beat: when the lane last did something, by `time.monotonic`.
    """

    def __init__(
        self, channel: Channel, zone: ZoneInfo,
        *, clock: Callable[[], float] = time.time, pause: Callable[[int], float] = pauses.after,
    ) -> None:  # fmt: skip
        """Prepare the lane; `use` gives it a database.

        Args:
            channel: where messages go.
            zone: in which people read times.
            clock: seconds since the epoch.
            pause: gives the seconds to wait after so many failures in a row.
        """
        self.channel = channel
        self.name = channel.name
        self.failing_since: float | None = None
        self.trouble = ""
        self.delivered: float | None = None
        self.beat = time.monotonic()
        self._zone = zone
        self._clock = clock
        self._pause = pause

    def use(self, store: Store) -> None:
        """Work on this database from now on: the first one, or the one in place of a damaged one."""
        self._store = store
        self._receipts = Receipts(store)
        self._batch: deque[Queued] = deque()
        self._attempts = 0
        self._resume = 0.0
        self._fresh = True
        self._silent = False
        self._unread = False

    def hurry(self) -> None:
        """The service answers again: do not wait for the end of a pause that its silence caused."""
        if self._silent:
            self._resume = 0.0

    async def run(self, wake: asyncio.Event) -> None:
        """Deliver for ever; `wake` says that the database has changed."""
        while True:
            self.beat = time.monotonic()
            wake.clear()
            wait = await self.step()
            if wait:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), min(wait, LOOK_AGAIN))

    async def step(self) -> float:
        """Deal with the next message, if it is time.

        Returns:
            seconds until the next step is worth while; 0 when it is at once.

        Raises:
            StoreError: the database is damaged.
        """
        try:
            self._store.changes()  # goes to the new file when a damaged one was set aside
            if self._receipts.belong_elsewhere():
                self.use(self._store)
            self._receipts.write()
            queued = self._next()
            if queued is None:
                return LOOK_AGAIN
            if self._fresh:
                # What an earlier process had learnt about the channel.
                self._fresh = False
                self._attempts, self._resume = queued.attempts, queued.next_try
            wait = self._resume - self._clock()
            if 0 < wait <= pauses.MOST:
                return wait
            if queued.mode == EDIT and self._store.changed_again(queued):
                self._done(queued, "superseded", None)
                return 0.0
            reference = None if queued.incident is None or queued.mode == SEND else self._known(queued)
        except StoreError as error:
            self._batch.clear()
            if error.damaged:
                raise
            if not self._unread:
                log.error("%s: %s; trying again", self.name, error)
            self._unread = True
            return 1.0
        self._unread = False
        await self._attempt(queued, reference)
        return 0.0

    def _known(self, queued: Queued) -> Any:
        return self._receipts.reference(self.name, queued.incident or 0)

    def _next(self) -> Queued | None:
        if not self._batch:
            waiting = self._store.waiting(self.name, BATCH + len(self._receipts))
            self._batch.extend(queued for queued in waiting if queued.id not in self._receipts)
        return self._batch[0] if self._batch else None

    def _done(self, queued: Queued, result: str, reference: Any) -> None:
        self._batch.popleft()
        self._receipts.add(queued, result, reference, self._clock())

    async def _attempt(self, queued: Queued, reference: Any) -> None:
        try:
            result, reference = await self._deliver(queued, reference)
        except DeliveryError as error:
            self._failed(queued, error)
            return
        self._attempts, self._resume = 0, 0.0
        if result == "refused":
            self._note_trouble("refused the full text of a message")
            log.error("%s: refused in full, told in short: %s", self.name, queued.message.title)
        else:
            if self.failing_since is not None:
                log.info("%s: takes messages again", self.name)
            self.failing_since, self.trouble = None, ""
        if result == "delivered":
            log.info("%s: delivered: %s", self.name, queued.message.title)
        if result != "superseded":
            self.delivered = self._clock()
        self._done(queued, result, reference)

    async def _deliver(self, queued: Queued, reference: Any) -> tuple[str, Any]:
        message = queued.message
        if queued.mode != EDIT:
            message = late.with_note(message, queued.since, self._clock(), self._zone)
        for variant, result in variants(message):
            self.beat = time.monotonic()
            try:
                return await self._put(queued.mode, reference, variant, result)
            except RefusedError as error:
                log.warning("%s: refused (%s): %s", self.name, error, queued.message.title)
        raise BrokenError("it refuses even a short plain line")

    async def _put(self, mode: str, reference: Any, message: Message, result: str) -> tuple[str, Any]:
        if mode != SEND and reference is not None:
            with contextlib.suppress(NotEditableError):
                return result, await self.channel.edit(reference, message)
        if mode == EDIT:
            return "superseded", None
        return result, await self.channel.send(message)

    def _failed(self, queued: Queued, error: DeliveryError) -> None:
        now = self._clock()
        self._attempts += 1
        if isinstance(error, BrokenError):
            # Only a person can help, so asking more often would not.
            wait = self._pause(len(pauses.SECONDS))
        elif error.retry_after is not None:
            wait = min(error.retry_after, pauses.MOST)
        else:
            wait = self._pause(self._attempts)
        self._resume = now + wait
        self._silent = not isinstance(error, BrokenError) and error.retry_after is None
        self._note_trouble(str(error))
        log.warning(
            "%s: not delivered (%s), again in %.0f s: %s", self.name, error, wait, queued.message.title
        )
        with contextlib.suppress(StoreError):
            self._store.put_off(queued.id, self._attempts, self._resume)

    def _note_trouble(self, trouble: str) -> None:
        self.failing_since = self._clock() if self.failing_since is None else self.failing_since
        self.trouble = trouble
