"""IBC's command server: one line in, a few lines back. Loopback only, no authentication of its own."""

from __future__ import annotations

import socket
import time

_LONGEST_REPLY = 4096
_FULL_MINUTE = ("RESTART", "PAUSE")
"""What IBC does by giving Gateway the next full minute as the time to restart at."""
_SETTING = 5.0
"""Seconds that may pass until Gateway has that time, by way of its settings window."""


class CommandFailed(Exception):  # noqa: N818 - it is what happened
    """IBC did not take the command; the message says why."""


def send(port: int, verb: str, seconds: float = 5.0, host: str = "127.0.0.1") -> str:
    """Send one command.

    One that takes place at the next full minute is not sent in a minute's last seconds, but after them. When
    that minute begins before Gateway knows of it, Gateway takes it for tomorrow's, and IBC refuses another
    command. IBC waits from second 58 on only (its class RestartTask).

    Args:
        port: the instance's command port.
        verb: STOP, RESTART, PAUSE, RECONNECTDATA or RECONNECTACCOUNT.
        seconds: hard deadline for the whole exchange, once it is sent.
        host: address.

    Returns:
        IBC's last reply, which begins with `OK`.

    Raises:
        CommandFailed: refused, not reachable, closed without an answer, or too late.
    """
    if verb in _FULL_MINUTE and (left := 60 - time.time() % 60) < _SETTING:
        time.sleep(left)
    deadline = time.monotonic() + seconds
    reply = b""
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            connection.sendall(verb.encode("ascii") + b"\n")
            while len(reply) < _LONGEST_REPLY:
                connection.settimeout(max(0.01, deadline - time.monotonic()))
                data = connection.recv(1024)
                reply += data
                lines = reply.decode("utf-8", "replace").split("\n")
                # INFO lines come first when they are not suppressed; OK or ERROR is the answer.
                for line in lines if not data else lines[:-1]:
                    if line.startswith("OK"):
                        return line.strip()
                    if line.startswith("ERROR"):
                        raise CommandFailed(line.strip())
                if not data or time.monotonic() >= deadline:
                    break
    except TimeoutError:
        raise CommandFailed(f"no answer to {verb} within {seconds:g} s") from None
    except OSError as error:
        raise CommandFailed(f"port {port}: {error.strerror or error}") from None
    raise CommandFailed(f"no answer to {verb}")
