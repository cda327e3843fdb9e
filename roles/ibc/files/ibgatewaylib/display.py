"""Does the X server answer? Java would take a while to find out, and then dies without a clear word."""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path

SOCKETS = Path("/tmp/.X11-unix")  # noqa: S108 - where X servers listen
ANSWERS_WITHIN = 2.0
"""Seconds."""
_LOCAL = re.compile(r"(?:unix)?:(\d+)(?:\.\d+)?")
# How a client introduces itself (X Window System Protocol, "Connection Setup"): byte order, version 11.0, no
# cookie. Without one it is refused, which is an answer, too.
_HELLO = struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0)


def answers(display: str) -> bool:
    """Whether a local display answers; a server that was stopped still accepts connections.

    Args:
        display: as in $DISPLAY; one that is no local display is taken as it is.
    """
    local = _LOCAL.fullmatch(display)
    if not local:
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(ANSWERS_WITHIN)
        try:
            connection.connect(str(SOCKETS / f"X{local[1]}"))
            connection.sendall(_HELLO)
            return connection.recv(1) != b""
        except OSError:
            return False
