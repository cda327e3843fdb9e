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
    lines = [line for table in ("tcp", "tcp6") for line in _established(proc / "net" / table)]
    ends = {(line[_LOCAL], line[_REMOTE]): line[_UID] for line in lines}
    found = []
    for local, remote in ends:
        if int(local.rpartition(":")[2], 16) != port:
            continue
        uid = ends.get((remote, local))
        if uid is None:
            found.append("a program on another host or in a container")
        elif uid not in ours:
            found.append(_name(uid))
    return sorted(found)


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
