"""Ports for what a test starts."""

from __future__ import annotations

import itertools
import os
import socket
from contextlib import suppress

_FIRST, _PER_FORK = 10_000, 1_200
"""Below those that the kernel gives to connections (ip_local_port_range); a part for each of pytest_forks."""
_numbers = itertools.count(os.getpid())


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is still free when what the test starts comes to use it.

    One that the kernel chooses, as for port 0, need not be: it gives it to the next connection, too.
    """
    fork = int(os.environ.get("PYTEST_FORK", "0"))
    while True:
        port = _FIRST + fork * _PER_FORK + next(_numbers) % _PER_FORK
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
