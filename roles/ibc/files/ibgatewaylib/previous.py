"""What the run before left in state.json for this one: how it ended, and how many came to nothing."""

from __future__ import annotations

from pathlib import Path

from . import readback, statefile
from .exitcodes import RELAUNCH


class Previous:
    """The run before.

    Attributes:
        failures: starts in a row, up to and with it, that did not get ready and are followed by another.
        reason: why it ended (a word of `reasons.REASONS`), empty unless this start is its continuation.
        sentence: the same for people.
        compared: what `readback` found last, so that the same is not told every day.
        versions: of Gateway and of IBC; None where it is not said.
        last_login: when the credentials last led to a complete login (RFC 3339), or None.
    """

    __slots__ = ("compared", "failures", "last_login", "reason", "sentence", "versions")

    def __init__(self, state: dict | None) -> None:
        state = state or {}
        end = state.get("end")
        end = end if isinstance(end, dict) else {}
        self.versions = (state.get("gateway_version"), state.get("ibc_version"))
        failures = state.get("failures")
        self.failures = failures if isinstance(failures, int) and 0 <= failures < 1000 else 0
        self.last_login = state["last_login"] if isinstance(state.get("last_login"), str) else None
        try:
            self.compared = state["readback"]
            readback.differences(self.compared)
        except (KeyError, TypeError, AttributeError):
            self.compared = {}
        self.reason = self.sentence = ""
        if end.get("code") == RELAUNCH:
            self.reason, self.sentence = str(end.get("reason", "")), str(state.get("status", ""))
        elif end or state.get("state") in ("stopped", "parked", "failed"):
            self.failures = 0  # somebody looked at it, and started it again
        elif state and state.get("state") != "ready":
            self.failures += 1  # the launcher itself was killed on its way


def read(run_dir: Path) -> Previous:
    """Read what is left; a file that is missing or damaged tells nothing."""
    try:
        return Previous(statefile.read(run_dir / "state.json"))
    except OSError:
        return Previous(None)
