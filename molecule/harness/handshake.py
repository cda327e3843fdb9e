"""The opening of the TWS API, enough to tell a served port from a closed one."""

import socket
import struct


def server_version(address: str, port: int, seconds: float = 3) -> int:
    """Return the API server version that a port answers with.

    Args:
        address: IP address, v4 or v6 (with its zone, if link-local).
        port: TCP port.
        seconds: the time-out of each step.

    Raises:
        OSError: nothing answers there (refused, unreachable, timed out).
    """
    with socket.create_connection((address, port), timeout=seconds) as link:
        versions = b"v100..187"
        link.sendall(b"API\0" + struct.pack(">I", len(versions)) + versions)
        answer = link.recv(256)
    if len(answer) < 5:
        raise ConnectionError(f"{address}:{port} closed the connection")
    return int(answer[4:].split(b"\0")[0])
