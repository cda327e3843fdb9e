"""One connection to a Gateway's API: how far it has come, and how it ended. It never waits."""

from __future__ import annotations

import errno
import selectors
import socket
from typing import Any

from ibgatewaylib import api_wire

from .codes import System

PORT, HANDSHAKE, READY, TIME, OK = "port", "handshake", "ready", "time", "ok"
"""Waiting for: the connection; the server's version; accounts and next id; an answer to the time; nothing."""
INCOMPATIBLE, CLIENT_ID = "incompatible", "client_id"
"""Ends that say nothing about Gateway: a version or a client id was refused."""

_CLIENT_ID_IN_USE = 326
_MOST_DIGITS = 9


class Connection:
    """From connecting to its end.

    Attributes:
        stage: what is being waited for, one of the first five words above.
        since: when that began, seconds since the epoch.
        answered: whether the question for the time has been answered at least once.
        over: how it ended, as a stage or one of the other two words; empty while it lives.
        words: the reason, one sentence.
        system: what Gateway says about its link and the farms.
        codes: each code and its text that came since somebody emptied the list.
    """

    def __init__(
        self,
        address: tuple[str, int],
        client_id: int,
        newest: int,
        now: float,
        selector: selectors.BaseSelector,
        data: Any,
    ) -> None:
        """Begin to connect.

        Args:
            address: host and port.
            client_id: of ours.
            newest: the newest version to offer.
            now: seconds since the epoch.
            selector: in which the socket is to be waited for.
            data: what the selector's key shall carry.
        """
        self.stage, self.since = PORT, now
        self.answered = False
        self.over = self.words = ""
        self.system = System()
        self.codes: list[tuple[int, str]] = []
        self._client_id = client_id
        self._newest = newest
        self._frames = api_wire.Frames()
        self._accounts_seen = self._id_seen = False
        self._selector = selector
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(self._socket, selectors.EVENT_WRITE, data)
        result = self._socket.connect_ex(address)
        if result not in (0, errno.EINPROGRESS):
            self._refused(result)

    def advance(self, now: float) -> None:
        """Go on; the selector says that the socket is ready."""
        if self.over:
            return
        try:
            if self.stage == PORT:
                self._connected(now)
            else:
                self._receive(now)
        except OSError as error:
            self._end(self.stage, _words(error.errno))

    def ask(self, now: float) -> None:
        """Ask for Gateway's time: whatever else is silent, this must be answered."""
        self._enter(TIME, now)
        try:
            self._socket.sendall(api_wire.frame(api_wire.CURRENT_TIME, 1))
        except OSError as error:
            self._end(TIME, _words(error.errno))

    def close(self) -> None:
        """Close the socket."""
        if self._socket.fileno() >= 0:
            self._selector.unregister(self._socket)
            self._socket.close()

    def _end(self, over: str, words: str) -> None:
        self.over, self.words = over, words
        self.close()

    def _enter(self, stage: str, now: float) -> None:
        self.stage, self.since = stage, now

    def _connected(self, now: float) -> None:
        result = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if result:
            self._refused(result)
            return
        data = self._selector.get_key(self._socket).data
        self._selector.modify(self._socket, selectors.EVENT_READ, data)
        self._enter(HANDSHAKE, now)
        self._socket.sendall(api_wire.hello(newest=self._newest))

    def _refused(self, number: int) -> None:
        listens = "nothing listens on the port"
        self._end(PORT, listens if number == errno.ECONNREFUSED else _words(number))

    def _receive(self, now: float) -> None:
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        if not data:
            self._end(self.stage, "Gateway closed the connection")
            return
        self._frames.feed(data)
        try:
            while not self.over and (fields := self._frames.next()):
                self._take(fields, now)
        except api_wire.WireError as error:
            self._end(self.stage, str(error))

    def _take(self, fields: list[str], now: float) -> None:
        if self.stage == HANDSHAKE:
            self._version(fields, now)
            return
        kind = fields[0]
        if kind == api_wire.MANAGED_ACCOUNTS:
            self._accounts_seen = True
        elif kind == api_wire.NEXT_VALID_ID:
            self._id_seen = True
        elif kind == api_wire.CURRENT_TIME and self.stage == TIME:
            self.answered = True
            self._enter(OK, now)
        elif kind == api_wire.ERROR:
            self._code(_number(fields, 3), fields[4][:300] if len(fields) > 4 else "")
        if self.stage == READY and self._accounts_seen and self._id_seen and not self.over:
            self.ask(now)

    def _version(self, fields: list[str], now: float) -> None:
        version = _number(fields, 0)
        refused = version == int(api_wire.ERROR) and len(fields) > 3
        if refused or not api_wire.MIN_VERSION <= version <= self._newest:
            answer = f"code {_number(fields, 3)}" if refused else f"version {fields[0][:12]!r}"
            self._end(
                INCOMPATIBLE,
                f"Gateway answers {answer}; the probe speaks {api_wire.MIN_VERSION} to {self._newest}",
            )
            return
        self._enter(READY, now)
        self._socket.sendall(api_wire.start_api(self._client_id))

    def _code(self, code: int, text: str) -> None:
        self.system.take(code, text)
        self.codes.append((code, text))
        if code == _CLIENT_ID_IN_USE and self.stage == READY:
            self._end(CLIENT_ID, f"client id {self._client_id} is in use")


def _number(fields: list[str], index: int) -> int:
    text = fields[index] if len(fields) > index else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else -1


def _words(number: int | None) -> str:
    return errno.errorcode.get(number or 0, "an unknown error")
