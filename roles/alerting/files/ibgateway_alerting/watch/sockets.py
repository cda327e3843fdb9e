"""What the kernel says about the API's port: connections nobody accepts, and connections nobody closes.

Both are signs of a Gateway whose API is wedged while its process lives.
"""

from __future__ import annotations

from pathlib import Path

_LISTEN, _CLOSE_WAIT = "0A", "08"
"""States of tcp(7) as /proc/net/tcp writes them (include/net/tcp_states.h)."""
_MOST_BYTES = 1 << 20


def evidence(port: int, proc: Path = Path("/proc")) -> str:
    """Say in a few words what is known of a port.

    Args:
        port: TCP port.
        proc: where procfs is (a seam for tests).

    Returns:
        for instance `Recv-Q 5, CLOSE_WAIT 3`, where Recv-Q counts connections that wait to be accepted; empty
        when nobody listens, or the tables cannot be read.
    """
    waiting = left = 0
    listens = False
    for table in ("tcp", "tcp6"):
        try:
            with (proc / "net" / table).open(encoding="ascii", errors="replace") as file:
                rows = file.read(_MOST_BYTES).splitlines()[1:]
        except OSError:
            continue
        suffix = f":{port:04X}"
        for row in rows:
            if suffix not in row:
                continue
            fields = row.split()
            if len(fields) < 5 or not fields[1].endswith(suffix):
                continue
            if fields[3] == _LISTEN:
                listens = True
                waiting += int(fields[4].partition(":")[2], 16)
            elif fields[3] == _CLOSE_WAIT:
                left += 1
    return f"Recv-Q {waiting}, CLOSE_WAIT {left}" if listens else ""
