"""The doctor's check of the way to IBKR: name, then connection, each within seconds."""

from __future__ import annotations

import socket
import threading
import time

from .ctl_plan import jts_ini
from .doctor import NOTE, OK, PROBLEM, WARNING, Finding
from .instance import Instance
from .schedule.regions import ASSUMED, resolve

HOSTS = {"america": "cdc1.ibllc.com", "europe": "zdc1.ibllc.com", "asia": "hdc1.ibllc.com"}
"""A server of each region, for instances that have not been told theirs (IBAutomater knows these names)."""
PORT = 4001
"""Where Gateway talks TLS to IBKR; outgoing only, it has nothing to do with our API port."""
SECONDS = 4.0


def upstream(instance: Instance, seconds: float = SECONDS) -> list[Finding]:
    """Whether the server that hosts the account can be reached.

    Args:
        instance: whose server.
        seconds: for the name and for the connection, each.
    """
    host, port = target(instance)
    began = time.monotonic()
    try:
        addresses = lookup(host, port, seconds)
    except OSError as error:
        return [
            Finding(
                PROBLEM, "upstream", f"the name {host} cannot be resolved ({error.strerror or error})",
                "see `resolvectl status` or /etc/resolv.conf, and whether the host is online", instance.name,
            )
        ]  # fmt: skip
    try:
        with socket.create_connection(addresses[0], timeout=seconds):
            pass
    except OSError as error:
        other = f"`ping {addresses[0][0]}`, outgoing rules for TCP {port}, and IBKR's system status page"
        level = PROBLEM if isinstance(error, TimeoutError | ConnectionRefusedError) else WARNING
        text = f"no connection to {host}, port {port} ({error.strerror or error})"
        return [Finding(level, "upstream", text, f"see {other}", instance.name)]
    text = f"{host} answers on port {port} ({(time.monotonic() - began) * 1000:.0f} ms)"
    return [Finding(OK, "upstream", text, "", instance.name)]


def skipped(instance: Instance) -> list[Finding]:
    """What to say with `--offline`."""
    return [Finding(NOTE, "upstream", "the way to IBKR was not looked at (--offline)", "", instance.name)]


def target(instance: Instance) -> tuple[str, int]:
    """Host and port: what Gateway was told at its last login (`Peer=` in jts.ini), else one of the region."""
    for line in jts_ini(instance).splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip().lower() == "peer" and value.strip():
            host, _, port = value.strip().partition(":")
            return host, int(port) if port.isdecimal() and 0 < int(port) < 65536 else PORT
    return HOSTS[resolve(instance.mode, instance.region) or ASSUMED], PORT


def lookup(host: str, port: int, seconds: float) -> list[tuple]:
    """The host's addresses, within a time that the system's resolver itself does not keep.

    Raises:
        OSError: there is none, or no answer in time.
    """
    answer: list = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.append([entry[4][:2] for entry in found])
        except OSError as error:
            answer.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise TimeoutError(110, f"no answer within {seconds:g} s")
    if isinstance(answer[0], OSError):
        raise answer[0]
    return answer[0]
