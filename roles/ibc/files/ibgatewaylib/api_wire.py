"""The TWS API on the wire: 4-byte big-endian length, then NUL-ended fields. For all our probes.

Offering nothing newer than version 187 keeps Gateway on this text protocol: from 201 on, ids are binary.
"""

from __future__ import annotations

MIN_VERSION, MAX_VERSION = 100, 187

ERROR, NEXT_VALID_ID, MANAGED_ACCOUNTS, CURRENT_TIME = "4", "9", "15", "49"
"""Ids of the messages a probe looks at (ibapi, `message.py`); requests have ids of their own."""
_LARGEST_FRAME = 1 << 20


class WireError(ValueError):
    """What arrived is not the TWS API's."""


def hello(oldest: int = MIN_VERSION, newest: int = MAX_VERSION) -> bytes:
    """The client's first bytes, which offer a range of versions."""
    versions = f"v{oldest}..{newest}".encode()
    return b"API\0" + len(versions).to_bytes(4, "big") + versions


def start_api(client_id: int) -> bytes:
    """The request that makes the connection a client's."""
    return frame(71, 2, client_id, "")


def frame(*fields: object) -> bytes:
    """One message."""
    body = b"".join(str(field).encode() + b"\0" for field in fields)
    return len(body).to_bytes(4, "big") + body


class Frames:
    """Puts messages together from what arrives, in whatever pieces."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        self._received += data

    def next(self) -> list[str] | None:
        """Take out one message.

        Returns:
            its fields, and an empty text behind the last one; None while it is not complete.

        Raises:
            WireError: a length that no message of the API has.
        """
        if len(self._received) < 4:
            return None
        length = int.from_bytes(self._received[:4], "big")
        if not 0 < length <= _LARGEST_FRAME:
            raise WireError("the answer is not the TWS API's")
        if len(self._received) < 4 + length:
            return None
        fields = self._received[4 : 4 + length].decode("utf-8", "replace").split("\0")
        del self._received[: 4 + length]
        return fields
