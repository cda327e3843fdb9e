"""Who is connected to an instance's API now? Read from the kernel's table of connections."""

from __future__ import annotations

import pwd
from pathlib import Path

OURS = ("ibgateway", "ibgateway-watch")
"""Accounts whose connections are probes of this project."""
_ESTABLISHED = "01"
_LOCAL, _REMOTE, _STATE, _UID = 1, 2, 3, 7
"""Columns of /proc/net/tcp (proc_net_tcp.txt of the kernel)."""


def connected(port: int, proc: Path = Path("/proc")) -> list[str]:
    """Return whose programs are connected to a port, one entry a connection, without our own.

    A local program's connection has a line for each of its ends, and the program's end tells its user.

    Args:
        port: TCP port of the API.
        proc: where procfs is (a seam for tests).
    """
    ours = set(filter(None, map(_uid, OURS)))
    found = _clients(port, proc)
    if None in found.values():
        # The kernel tells its two tables one after the other: of a connection that began or ended meanwhile,
        # they hold one end only. What has but one end here has it the next time, too.
        again = _clients(port, proc)
        found = {
            ends: again[ends] if uid is None else uid
            for ends, uid in found.items()
            if uid is not None or ends in again
        }
    return sorted(
        "a program on another host or in a container" if uid is None else _name(uid)
        for uid in found.values()
        if uid not in ours
    )


def _clients(port: int, proc: Path) -> dict[tuple[str, str], str | None]:
    """Return the connections to a port by their ends, with the client's user; None: not known here."""
    lines = [line for table in ("tcp", "tcp6") for line in _established(proc / "net" / table)]
    ends = {(line[_LOCAL], line[_REMOTE]): line[_UID] for line in lines}
    return {
        (local, remote): ends.get((remote, local))
        for local, remote in ends
        if int(local.rpartition(":")[2], 16) == port
    }


def _established(file: Path) -> list[list[str]]:
    try:
        rows = file.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []  # a kernel without IPv6
    # An IPv4 client of an IPv6 socket: `::ffff:127.0.0.1` here, and 127.0.0.1 at its other end.
    words = [row.replace("0000000000000000FFFF0000", "").split() for row in rows]
    return [line for line in words if line[_STATE] == _ESTABLISHED]


def _uid(name: str) -> str:
    try:
        return str(pwd.getpwnam(name).pw_uid)
    except KeyError:
        return ""


def _name(uid: str) -> str:
    try:
        return pwd.getpwuid(int(uid)).pw_name
    except KeyError:
        return f"user {uid}"
