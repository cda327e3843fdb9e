"""Learn that the database was written, at once and without asking ten times a second."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal

from ..store import Store

ENDING = {signal.SIGTERM, signal.SIGINT}
_WRITTEN = fcntl.DN_MODIFY | fcntl.DN_CREATE | fcntl.DN_RENAME | fcntl.DN_MULTISHOT
FIRST_SECONDS = 0.005
MOST_SECONDS = 1.0
DEAF_SECONDS = 0.1


class Changes:
    """Waits for the kernel's signal that a file in the database's directory was written (fcntl(2), F_NOTIFY).

    The signal comes a moment before the writer's transaction is complete, for its last step is no write: so
    after one we look again soon, and then more and more seldom. Until the first signal, and for ever where a
    file system sends none, we look ten times a second.

    The signals are blocked from then on, in this thread and those it starts: here alone they are received.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version = -1
        self._hears = False
        self._pause = FIRST_SECONDS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO, *ENDING})
        self._directory = os.open(store.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a kernel without it
            fcntl.fcntl(self._directory, fcntl.F_NOTIFY, _WRITTEN)

    def wait(self) -> bool:
        """Wait until the database may have changed, a second at most.

        Returns:
            False when somebody asked this process to end.
        """
        received = signal.sigtimedwait({signal.SIGIO, *ENDING}, self._pause if self._hears else DEAF_SECONDS)
        if received is None:
            self._pause = min(2 * self._pause, MOST_SECONDS)
            return True
        self._hears, self._pause = True, FIRST_SECONDS
        return received.si_signo not in ENDING

    def seen(self) -> bool:
        """Whether another connection has written since the last call; true at the first.

        Raises:
            StoreError: the database cannot be used.
        """
        before, self._version = self._version, self._store.changes()
        return before != self._version
