"""Telling systemd how it goes (sd_notify(3)): READY, STATUS, STOPPING."""

from __future__ import annotations

import os
import socket

PATIENCE = 1.0
"""Seconds a message may take."""


class Notifier:
    """Sends to `$NOTIFY_SOCKET`; without one (started by hand, in tests) it does nothing."""

    def __init__(self, address: str | None = None) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        self._status = ""

    def ready(self) -> None:
        """The unit is started. Sending it again does no harm."""
        self._send("READY=1")

    def stopping(self) -> None:
        """The unit is on its way down."""
        self._send("STOPPING=1")

    def status(self, sentence: str) -> None:
        """Show a sentence in `systemctl status`; an unchanged one is not sent again."""
        sentence = " ".join(sentence.split())
        if sentence != self._status:
            self._status = sentence
            self._send(f"STATUS={sentence}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            # A systemd that does not read must not hold up the end of a login.
            notify.settimeout(PATIENCE)
            try:
                notify.connect(self._address)
                notify.send(message.encode())
            except OSError:
                # Nobody listens any more; the journal and state.json still tell.
                return
