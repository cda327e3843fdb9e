"""Bring the events to one channel: in order, at least once, and independently of all other channels."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from .deadline import Deadline, HangingError
from .events import Event, GarbageError, parse
from .follow import Follower, Line
from .hush import Memory, judge
from .messages import Message, compose
from .positions import Bookmark, Bookmarks

log = logging.getLogger(__name__)

# Seconds between the attempts of one message: about four minutes in all, enough for a router to restart.
PAUSES = (1, 5, 15, 60, 120)
# An attempt that takes longer has failed.
ATTEMPT_SECONDS = 15
# A channel that sees an instance for the first time is told what happened just before, not its history.
LOOK_BACK = timedelta(minutes=15)


class DeliveryError(Exception):
    """The channel did not take the message. The text is fit for the log: it never holds the channel's URL."""


class StoppedError(Exception):
    """The watcher is being stopped; what is unfinished is done after the next start."""


class Channel(Protocol):
    """Something that takes messages."""

    name: str

    def send(self, message: Message) -> None:
        """Deliver the message, or raise DeliveryError."""


class Courier:
    """One channel's reader and sender. It moves its bookmark only when a message is done with."""

    def __init__(
        self,
        channel: Channel,
        events: dict[str, Path],
        bookmarks: Bookmarks,
        host: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], bool] | None = None,
        attempt_seconds: float = ATTEMPT_SECONDS,
        report: bool = True,
    ) -> None:
        """Prepare to deliver.

        Args:
            channel: where messages go.
            events: events file of each instance.
            bookmarks: where progress is kept.
            host: how the operator calls this machine.
            clock: tells the present time, in UTC.
            pause: waits for so many seconds and returns whether to stop.
            attempt_seconds: how long an attempt may take.
            report: log each delivery; needless for the journal itself.
        """
        self.channel = channel
        self.failing_since: datetime | None = None
        self._host = host
        self._report = report
        self._clock = clock
        self._pause = pause or (lambda _seconds: False)
        self._deadline = Deadline(attempt_seconds)
        self._store = bookmarks
        self._saved = self._marks = {k: v for k, v in bookmarks.load().items() if k in events}
        self._followers = {
            name: Follower(path, self._marks[name].position if name in self._marks else None)
            for name, path in events.items()
        }
        self._unreadable: set[str] = set()

    def deliver_new(self) -> None:
        """Deliver everything that has been written since the last call.

        Raises:
            StoppedError: asked to stop while waiting for another attempt.
        """
        for name, follower in self._followers.items():
            try:
                self._deliver_from(name, follower)
                self._unreadable.discard(name)
            except FileNotFoundError:
                continue  # rotated away this moment
            except OSError as error:
                if name not in self._unreadable:
                    log.error("%s: cannot read %s (%s)", self.channel.name, follower.path, error.strerror)
                self._unreadable.add(name)
        self._save()

    def _deliver_from(self, name: str, follower: Follower) -> None:
        known = self._marks.get(name)
        memory, seen = (known.memory, known.seen) if known else (Memory(), self._clock() - LOOK_BACK)
        not_before = seen if follower.lost() else None
        skipped = 0
        for line in follower.lines():
            event = self._event(line, name)
            told = False
            if event is not None and not_before is not None and event.time < not_before:
                skipped += 1
                event = None
            if event is not None:
                told, memory = judge(event.type, memory)
                seen = max(seen, event.time)
                if told:
                    self._deliver(event)
            self._marks = {**self._marks, name: Bookmark(line.position, seen, memory)}
            if told:
                self._save()
        if skipped:
            reason = "events file was replaced" if known else "first look"
            log.info("%s: %s: %s: %d older events are not told", self.channel.name, name, reason, skipped)

    def _event(self, line: Line, name: str) -> Event | None:
        try:
            return parse(line.content, name)
        except GarbageError as error:
            reason = "too long" if line.broken else error
            log.warning("%s: %s: skipping a line that is no event (%s)", self.channel.name, name, reason)
            return None

    def _deliver(self, event: Event) -> None:
        """Try until the channel takes the message or the attempts are used up."""
        for pause in (*PAUSES, None):
            if self._pause(0):
                raise StoppedError
            trouble = self._attempt(event)
            if trouble is None:
                if self._report:
                    log.info("%s: told: %s: %s", self.channel.name, event.instance, event.type)
                self.failing_since = None
                return
            self.failing_since = self.failing_since or self._clock()
            if pause is None:
                log.error(
                    "%s: giving up after %d attempts: %s: %s is NOT told there (%s)",
                    self.channel.name, len(PAUSES) + 1, event.instance, event.type, trouble,
                )  # fmt: skip
                return
            log.warning("%s: not delivered (%s), trying again in %d s", self.channel.name, trouble, pause)
            if self._pause(pause):
                raise StoppedError

    def _attempt(self, event: Event) -> str | None:
        """Send once; return what went wrong, in words fit for the log."""
        try:
            message = compose(event, self._host, self._clock())
            self._deadline.call(lambda: self.channel.send(message))
        except (DeliveryError, HangingError) as error:
            return str(error)
        except Exception as error:
            # A fault in a plug-in must not end the watcher, and its text may hold the channel's URL.
            return type(error).__name__
        return None

    def _save(self) -> None:
        if self._marks is self._saved:
            return
        try:
            self._store.save(self._marks)
            self._saved = self._marks
        except OSError as error:
            log.error("%s: cannot save its position (%s); a restart would repeat messages",
                      self.channel.name, error.strerror)  # fmt: skip


class CourierThread(threading.Thread):
    """Runs a courier, and can say whether it still moves."""

    LONGEST_SILENCE = 60.0
    LOOK_AGAIN = 5.0

    def __init__(self, make: Callable[[Callable[[float], bool]], Courier]) -> None:
        """Prepare the thread.

        Args:
            make: makes the courier, given the function that waits for it.
        """
        super().__init__(daemon=True)
        self.wake = threading.Event()
        self.stop = threading.Event()
        self._beat = time.monotonic()
        self.courier = make(self._wait)
        self.name = self.courier.channel.name

    def moves(self) -> bool:
        """Return whether the thread lives and did something lately."""
        return self.is_alive() and time.monotonic() - self._beat < self.LONGEST_SILENCE

    def run(self) -> None:
        """Deliver until told to stop. Look now and then without being woken: a signal may be missed."""
        while not self.stop.is_set():
            self._beat = time.monotonic()
            self.wake.clear()
            try:
                self.courier.deliver_new()
            except StoppedError:
                return
            self.wake.wait(self.LOOK_AGAIN)

    def _wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.stop.is_set():
            self._beat = time.monotonic()
            self.stop.wait(min(left, self.LOOK_AGAIN))
        self._beat = time.monotonic()
        return self.stop.is_set()
