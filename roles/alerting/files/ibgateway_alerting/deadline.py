"""Calls that may hang, with an end to the waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable

# Helpers left behind in calls that never end; a channel with so many gets no further one.
MOST_STUCK = 3


class HangingError(Exception):
    """The call did not end in time."""


class Deadline:
    """Runs calls in helper threads: a server that trickles one byte a minute defeats socket time-outs."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._stuck: list[threading.Thread] = []

    def call(self, function: Callable[[], None]) -> None:
        """Run the function and wait for it.

        Raises:
            HangingError: it is not done after the deadline's seconds, or too many earlier calls still hang.
            Exception: whatever the function raised.
        """
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        if len(self._stuck) >= MOST_STUCK:
            raise HangingError("earlier attempts still hang")
        raised: list[Exception] = []

        def run() -> None:
            try:
                function()
            except Exception as error:
                raised.append(error)

        helper = threading.Thread(target=run, daemon=True)
        helper.start()
        helper.join(self.seconds)
        if helper.is_alive():
            self._stuck.append(helper)
            raise HangingError(f"no answer in {self.seconds:g} s")
        if raised:
            raise raised[0]
