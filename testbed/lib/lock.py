"""One at a time: a lock file that the kernel lets go when its holder ends, however it ends."""

import contextlib
import fcntl
from collections.abc import Iterator

from testbed.lib.paths import TESTBED
from testbed.lib.progress import say


@contextlib.contextmanager
def only_one(name: str) -> Iterator[None]:
    """Wait for the lock, hold it, let it go.

    Args:
        name: what is locked.
    """
    path = TESTBED / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"    waiting for another process that works on: {name}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
