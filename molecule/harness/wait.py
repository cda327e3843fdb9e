"""Wait for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(look: Callable[[], T], what: str, seconds: float = 60) -> T:
    """Return what `look` returns as soon as that is true.

    Args:
        look: called again and again; its result decides.
        what: what is waited for, for the message when it does not come.
        seconds: how long to wait at most.

    Raises:
        AssertionError: it did not come in time; the message holds the last thing seen.
    """
    begin = time.monotonic()
    while True:
        seen = look()
        if seen:
            return seen
        waited = time.monotonic() - begin
        if waited > seconds:
            raise AssertionError(f"waited {seconds:.0f} s for {what}; last seen: {seen!r}")
        # What takes long is looked for less often: each look is a process on a host that is busy with others.
        time.sleep(min(max(0.2, waited / 10), 1.0))
