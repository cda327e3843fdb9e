"""Blocking calls that may hang, with an end to the waiting."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

MOST_STUCK = 3
"""Helpers left behind in calls that never end; with so many, no further call is made."""


class HangingError(Exception):
    """The call did not end in time."""


class Deadline:
    """Runs calls in helper threads: a server that trickles one byte a minute defeats socket time-outs."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._stuck: list[threading.Thread] = []

    async def call(self, function: Callable[[], Any]) -> Any:
        """Run the function and wait for it, leaving the event loop free.

        Returns:
            what the function returned.

        Raises:
            HangingError: it is not done after the deadline's seconds, or too many earlier calls still hang.
            Exception: whatever the function raised.
        """
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        if len(self._stuck) >= MOST_STUCK:
            raise HangingError("earlier attempts still hang")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def finish(result: Any, error: Exception | None) -> None:
            if done.cancelled():
                return  # nobody waits any more
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)

        def run() -> None:
            result, raised = None, None
            try:
                result = function()
            except Exception as error:
                raised = error
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(finish, result, raised)

        # Not the loop's own executor: the interpreter waits for its threads before it ends.
        helper = threading.Thread(target=run, daemon=True)
        helper.start()
        try:
            return await asyncio.wait_for(done, self.seconds)
        except TimeoutError:
            if not done.cancelled():
                raise  # the function's own
            self._stuck.append(helper)
            raise HangingError(f"no answer in {self.seconds:g} s") from None
