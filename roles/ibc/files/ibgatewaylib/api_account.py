"""What would a restart disturb at the broker? Open orders and positions, asked over the TWS API, read-only.

The requests are those of IBKR's client library (`EClient`): reqPositions is 61, reqAllOpenOrders is 16. The
latter tells the orders of every client and, unlike reqOpenOrders, binds none to ours.
"""

from __future__ import annotations

import socket
import time

from . import api_wire

CLIENT_IDS = (969, 968, 967)
"""Below those of our probes (970 and 971) and of the watcher (972 to 979), tried in turn."""
_ORDER_STATUS, _OPEN_ORDER_END, _POSITION, _POSITION_END = "3", "53", "61", "62"
_READ_ONLY = "321"
"""The error of a request that a read-only API does not allow."""
_IN_USE = "326"
_DONE = ("Filled", "Cancelled", "ApiCancelled", "Inactive")
_AMOUNT, _STATUS, _PERMANENT_ID = 14, 2, 6
"""Where a position has its size, and an order's status its word and the id that no two orders share."""


class Account:
    """What was told; None where it was not, and `problem` says why."""

    __slots__ = ("orders", "positions", "problem")

    def __init__(self) -> None:
        self.orders: int | None = None
        self.positions: int | None = None
        self.problem = ""


class _IdInUseError(OSError):
    """Another program has this client id."""


def ask(port: int, seconds: float = 5.0) -> Account:
    """Count the open orders and the positions of all accounts.

    Args:
        port: TCP port of the API on 127.0.0.1.
        seconds: hard deadline of each attempt; there are several only where client ids are in use.

    Returns:
        what was told until the deadline.
    """
    for client_id in CLIENT_IDS:
        found = Account()
        deadline = time.monotonic() + seconds
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=seconds) as link:
                _converse(link, client_id, deadline, found)
        except _IdInUseError as error:
            found.problem = f"the API does not tell ({error})"
            continue
        except (OSError, api_wire.WireError) as error:
            found.problem = found.problem or f"the API does not tell ({error})"
        return found
    return found


def _converse(link: socket.socket, client_id: int, deadline: float, found: Account) -> None:
    frames = api_wire.Frames()
    link.sendall(api_wire.hello())
    agreed = False
    orders: set[str] = set()
    positions = 0
    while found.orders is None or found.positions is None:
        while (fields := frames.next()) is None:
            link.settimeout(max(0.01, deadline - time.monotonic()))
            data = link.recv(65536)
            if not data:
                raise OSError("Gateway closed the connection")
            frames.feed(data)
        kind = fields[0]
        if not agreed:
            agreed = True
            link.sendall(api_wire.start_api(client_id))
        elif kind == api_wire.NEXT_VALID_ID:
            link.sendall(api_wire.frame(61, 1) + api_wire.frame(16, 1))
        elif kind == _POSITION and float(fields[_AMOUNT] or 0):
            positions += 1
        elif kind == _POSITION_END:
            found.positions = positions
        elif kind == _ORDER_STATUS and fields[_STATUS] not in _DONE:
            # Each open order comes with its status, which is short and has not changed for years.
            orders.add(fields[_PERMANENT_ID])
        elif kind == _OPEN_ORDER_END:
            found.orders = len(orders)
        elif kind == api_wire.ERROR and len(fields) > 3 and fields[3] == _IN_USE:
            raise _IdInUseError(f"client ids {CLIENT_IDS[-1]} to {CLIENT_IDS[0]} are in use")
        elif kind == api_wire.ERROR and len(fields) > 3 and fields[3] == _READ_ONLY:
            found.problem = "the API is read-only and does not tell the open orders"
            found.orders = -1
    if found.orders == -1:
        found.orders = None
