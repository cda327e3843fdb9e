"""A small client of the TWS API's text protocol."""

from __future__ import annotations

import socket
import struct


class ApiClient:
    """Connects and shakes hands; message() gives the next message as a list of texts.

    The real client libraries are no dependency of these tests; they are used on the test hosts.
    """

    def __init__(self, port, client_id=1, versions="v100..187", timeout=5):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        offer = versions.encode()
        self.socket.sendall(b"API\0" + struct.pack(">I", len(offer)) + offer)
        try:
            self.version = self.message()[0]
        except (OSError, EOFError):
            self.socket.close()
            raise
        self.send(71, 2, client_id, "")

    def send(self, *fields):
        body = "".join(f"{field}\0" for field in fields).encode()
        self.socket.sendall(struct.pack(">I", len(body)) + body)

    def message(self):
        (length,) = struct.unpack(">I", self._exactly(4))
        return self._exactly(length).decode().split("\0")[:-1]

    def until(self, *start):
        """Skips messages until one begins with these fields."""
        wanted = [str(field) for field in start]
        while True:
            message = self.message()
            if message[: len(wanted)] == wanted:
                return message

    def code(self, number):
        """Skips messages until this code comes."""
        while True:
            message = self.message()
            if message[0] == "4" and message[3] == str(number):
                return message

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError("the server closed the connection")
            data += more
        return data

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()
