"""A TWS API server that misbehaves as asked. No threads: nothing happens unless the test pumps."""

from __future__ import annotations

import selectors
import socket

from ibgatewaylib import api_wire

FARMS_FINE = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
)
ACCOUNT = "DU1234567"


class Client:
    """One connection, as the server has it.

    Attributes:
        id: the client id it asked for; 0 before.
        asked: how often it asked for the time.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.id = 0
        self.asked = 0
        self.greeted = False
        self.received = b""
        self.frames = api_wire.Frames()
        self.waiting = bytearray()


class FakeTws:
    """Answers as a Gateway at version 187 does, but for what the attributes change.

    Attributes:
        version: what it says it speaks.
        mute: accepts, and answers nothing any more.
        accepts: whether it takes connections out of the queue.
        greets: whether the handshake is answered.
        starts: whether accounts and next id come.
        tells_time: whether the time is told.
        codes: what comes after accounts and next id.
        taken_ids: client ids that are in use.
        closes_after: bytes of the handshake's answer after which it closes.
        garbage: what it sends in place of the handshake's answer.
        piecewise: sends one byte a pump.
        clients: those that are connected.
        seen: client ids in the order of their coming.
    """

    def __init__(self, backlog: int = 16) -> None:
        self.version = 187
        self.mute = False
        self.accepts = self.greets = self.starts = self.tells_time = True
        self.codes: tuple[tuple[int, str], ...] = FARMS_FINE
        self.taken_ids: set[int] = set()
        self.closes_after: int | None = None
        self.garbage = b""
        self.piecewise = False
        self.clients: list[Client] = []
        self.seen: list[int] = []
        self.connections = 0
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.port = self._listener.getsockname()[1]

    def pump(self) -> None:
        """Do what is to be done now."""
        if self._listener.fileno() < 0:
            return
        for key, _ in self._selector.select(0):
            if key.fileobj is self._listener:
                if self.accepts:
                    self._accept()
            elif not self.mute:
                self._read(key.data)
        for client in list(self.clients):
            self._flush(client)

    def tell(self, *codes: tuple[int, str]) -> None:
        """Send codes to every client."""
        for client in self.clients:
            self._send(client, *(api_wire.frame(4, 2, -1, code, text, "") for code, text in codes))

    def drop(self) -> None:
        """Close every connection."""
        for client in list(self.clients):
            self._close(client)

    def stop(self) -> None:
        """Close everything, and listen no more."""
        self.drop()
        if self._listener.fileno() >= 0:
            self._selector.unregister(self._listener)
            self._listener.close()
        self._selector.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(connection)
        self.connections += 1
        self.clients.append(client)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _read(self, client: Client) -> None:
        try:
            data = client.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self._close(client)
            return
        if client.greeted:
            client.frames.feed(data)
        else:
            client.received += data
            if len(client.received) < len(api_wire.hello()):
                return
            self._greet(client)
        while client in self.clients and (fields := client.frames.next()):
            self._request(client, fields)

    def _greet(self, client: Client) -> None:
        assert client.received == b"API\0\0\0\0\x09v100..187"
        client.greeted = True
        answer = self.garbage or api_wire.frame(self.version, "20261124 03:00:00 EST")
        if self.closes_after is not None:
            self._send(client, answer[: self.closes_after])
            self._flush(client)
            self._close(client)
        elif self.greets:
            self._send(client, answer)

    def _request(self, client: Client, fields: list[str]) -> None:
        if fields[0] == "71":
            assert fields[1:] == ["2", fields[2], "", ""]
            client.id = int(fields[2])
            self.seen.append(client.id)
            if client.id in self.taken_ids:
                self._send(
                    client, api_wire.frame(4, 2, -1, 326, "Unable to connect as the client id is in use", "")
                )
                self._flush(client)
                self._close(client)
            elif self.starts:
                self._send(client, api_wire.frame(15, 1, ACCOUNT), api_wire.frame(9, 1, 1))
                self._send(client, *(api_wire.frame(4, 2, -1, code, text, "") for code, text in self.codes))
        else:
            assert fields == ["49", "1", ""], "the probe asks for nothing but the time"
            client.asked += 1
            if self.tells_time:
                self._send(client, api_wire.frame(49, 1, 1795554903))

    def _send(self, client: Client, *frames: bytes) -> None:
        client.waiting += b"".join(frames)

    def _flush(self, client: Client) -> None:
        if client.waiting and client.socket.fileno() >= 0:
            part = 1 if self.piecewise else len(client.waiting)
            try:
                del client.waiting[: client.socket.send(client.waiting[:part])]
            except ConnectionError:
                self._close(client)

    def _close(self, client: Client) -> None:
        if client in self.clients:
            self.clients.remove(client)
            self._selector.unregister(client.socket)
            client.socket.close()
