"""Is the X server there? Java would take a while to find out, and then dies without a clear word."""

from __future__ import annotations

import re
import socket

_LOCAL = re.compile(r"(?:unix)?:(\d+)(?:\.\d+)?")


def answers(display: str) -> bool:
    """Whether something accepts connections at a local display.

    Args:
        display: as in $DISPLAY; one that is no local display is taken as it is.
    """
    local = _LOCAL.fullmatch(display)
    if not local:
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(2.0)
        try:
            connection.connect(f"/tmp/.X11-unix/X{local[1]}")  # noqa: S108 - where X servers listen
        except OSError:
            return False
    return True
