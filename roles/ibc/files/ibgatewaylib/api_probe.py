"""Does the TWS API answer? A handshake with the standard library alone, with a hard deadline.

"The port is open" is never called healthy: only managed accounts plus the next valid id mean that the
connection is complete.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time

from . import api_wire
from .api_wire import ERROR, MANAGED_ACCOUNTS, MAX_VERSION, MIN_VERSION, NEXT_VALID_ID

CLIENT_ID = 970
"""High, so that it does not meet a user's own; 0 would bind manual orders."""

STAGES = ("port", "handshake", "ready", "link")
_LINK = {"1100": "down", "2110": "down", "2104": "up", "2106": "up", "2158": "up"}
"""System codes Gateway sends right after the handshake (IBKR Campus, "System Message Codes")."""


class ApiProbe:
    """One attempt, driven by a selector. `done` ends it; `ok` and `stage`, `problem` say how.

    Args:
        port: TCP port on `host`.
        seconds: deadline for the whole attempt.
        host: address.
        client_id: must not be in use.
        link_seconds: how long to wait, after the handshake, for Gateway to tell how its link to IBKR is;
            0 does not wait.
    """

    def __init__(
        self,
        port: int,
        seconds: float,
        host: str = "127.0.0.1",
        client_id: int = CLIENT_ID,
        link_seconds: float = 0.0,
    ) -> None:
        self.stage = STAGES[0]
        self.problem = ""
        self.done = False
        self.ok = False
        self.server_version = 0
        self.accounts = 0
        self.link = ""
        self._link_seconds = link_seconds
        self.deadline = time.monotonic() + seconds
        self._client_id = client_id
        self._frames = api_wire.Frames()
        self._accounts_seen = self._id_seen = False
        self._connected = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.setblocking(False)
        result = self.socket.connect_ex((host, port))
        if result not in (0, errno.EINPROGRESS):
            self._fail(f"connecting failed: {errno.errorcode.get(result, result)}")

    @property
    def mask(self) -> int:
        """What the selector shall wait for."""
        return selectors.EVENT_READ if self._connected else selectors.EVENT_WRITE

    def advance(self) -> None:
        """Continue; call when the socket is ready for `mask`, or at any time to check the deadline."""
        if self.done:
            return
        try:
            if not self._connected:
                self._finish_connecting()
            else:
                self._receive()
        except OSError as error:
            self._fail(error.strerror or str(error))
        if not self.done and time.monotonic() >= self.deadline:
            if self.stage == STAGES[3]:
                self._succeed()  # the handshake is complete, and Gateway says nothing about its link
            else:
                self._fail("no answer in time")

    def close(self) -> None:
        """Close the connection; also ends an attempt that is not done."""
        self.done = True
        self.socket.close()

    def _finish_connecting(self) -> None:
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(
                "nothing listens on the port" if error == errno.ECONNREFUSED else errno.errorcode[error]
            )
            return
        try:
            self.socket.getpeername()
        except OSError:
            return
        self._connected = True
        self.stage = STAGES[1]
        self.socket.sendall(api_wire.hello())

    def _receive(self) -> None:
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        if not data:
            self._fail(self.problem or "Gateway closed the connection")
            return
        self._frames.feed(data)
        try:
            while not self.done and (fields := self._frames.next()):
                self._frame(fields)
        except api_wire.WireError as error:
            self._fail(str(error))

    def _frame(self, fields: list[str]) -> None:
        if self.stage == STAGES[1]:
            version = int(fields[0]) if fields[0].isdecimal() else -1
            if not MIN_VERSION <= version <= MAX_VERSION:
                self._fail(
                    f"Gateway answered with version {fields[0][:20]!r}, this probe speaks up to {MAX_VERSION}"
                )
                return
            self.server_version = version
            self.stage = STAGES[2]
            self.socket.sendall(api_wire.start_api(self._client_id))
            return
        kind = fields[0]
        if kind == MANAGED_ACCOUNTS:
            self._accounts_seen = True
            self.accounts = sum(1 for account in fields[2].split(",") if account) if len(fields) > 2 else 0
        elif kind == NEXT_VALID_ID:
            self._id_seen = True
        elif kind == ERROR and len(fields) > 4 and fields[3] == "326":
            self._fail(f"client id {self._client_id} is in use")
            return
        elif kind == ERROR and len(fields) > 3:
            self.link = _LINK.get(fields[3], self.link)
        if self._accounts_seen and self._id_seen:
            if self.link or not self._link_seconds:
                self._succeed()
            elif self.stage == STAGES[2]:
                self.stage = STAGES[3]
                self.deadline = min(self.deadline, time.monotonic() + self._link_seconds)

    def _succeed(self) -> None:
        self.ok = True
        self.close()

    def _fail(self, problem: str) -> None:
        self.problem = problem
        self.close()


def probe(
    port: int,
    seconds: float = 5.0,
    host: str = "127.0.0.1",
    client_id: int = CLIENT_ID,
    link_seconds: float = 0.0,
) -> ApiProbe:
    """Run one attempt to its end.

    Args:
        port: TCP port.
        seconds: hard deadline.
        host: address.
        client_id: must not be in use.
        link_seconds: how long to wait for what Gateway tells of its link.

    Returns:
        the finished attempt: `ok`, or the `stage` that failed and the `problem`.
    """
    attempt = ApiProbe(port, seconds, host, client_id, link_seconds)
    with selectors.DefaultSelector() as selector:
        while not attempt.done:
            selector.register(attempt.socket, attempt.mask)
            selector.select(max(0.0, attempt.deadline - time.monotonic()))
            selector.unregister(attempt.socket)
            attempt.advance()
    return attempt
