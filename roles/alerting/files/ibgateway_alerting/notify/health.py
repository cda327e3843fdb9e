"""How the notifier is, for the watcher: it tells a failing channel on the other channels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol


class Sign(Protocol):
    """Part of a channel that may fail.

    Attributes:
        name: the channel.
        failing_since: seconds since the epoch, or None.
        trouble: why.
    """

    name: str
    failing_since: float | None
    trouble: str


def failing(signs: Iterable[Sign]) -> dict[str, tuple[float, str]]:
    """Each failing channel's first trouble: since when, and why."""
    found: dict[str, tuple[float, str]] = {}
    for sign in signs:
        if sign.failing_since is not None:
            known = found.get(sign.name)
            if known is None or sign.failing_since < known[0]:
                found[sign.name] = (sign.failing_since, sign.trouble)
    return found


def row(
    now: float, troubles: dict[str, tuple[float, str]], delivered: float | None, dns: str
) -> dict[str, Any]:
    """What is remembered under the key `notifier`.

    Args:
        now: seconds since the epoch.
        troubles: from `failing`.
        delivered: when a channel last took a message, seconds since the epoch.
        dns: "ok", or why names cannot be looked up.
    """
    return {
        "time": now,
        "delivered": delivered,
        "failing": {name: since for name, (since, _) in troubles.items()},
        "trouble": {name: words for name, (_, words) in troubles.items()},
        "dns": dns,
    }
