"""The past as stretches of time: when an instance was ready, logging in, or down. Pure."""

from __future__ import annotations

from dataclasses import dataclass

READY, LOGIN, DOWN, UNKNOWN = "ready", "login", "down", "unknown"

_LOGIN = {"login_submitted", "two_factor_waiting", "two_factor_answered", "device_choice_needed"}
_DOWN = {
    "starting", "token_restart", "two_factor_missed", "login_refused", "credentials_rejected", "throttled",
    "maintenance", "connection_failed", "session_taken", "stuck", "restart_planned", "stopping", "stopped",
    "crashed", "parked", "login_deferred",
}  # fmt: skip


@dataclass(frozen=True)
class Stretch:
    """From `start` to `end` (seconds since the epoch) an instance was in `state`."""

    start: float
    end: float
    state: str

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


def stretches(events: list[tuple[float, str, dict]], start: float, end: float) -> list[Stretch]:
    """What the events of an instance say about a span of time.

    A launcher that is killed writes nothing: until its next start the instance then seems as it was before.

    Args:
        events: as `ctl_history.read` gives them; those before the span say how it began.
        start: of the span, seconds since the epoch.
        end: likewise.

    Returns:
        stretches without gaps, in order; UNKNOWN where no event is old enough.
    """
    found: list[Stretch] = []
    state, since = UNKNOWN, start
    for when, kind, detail in sorted(events, key=lambda event: event[0]):
        if when >= end:
            break
        after = _after(state, kind, detail)
        if after == state:
            continue
        if when > since:
            found.append(Stretch(since, when, state))
            since = when
        state = after
    found.append(Stretch(since, end, state))
    return _joined(found)


def share(found: list[Stretch], state: str) -> float | None:
    """Which part of the known time was spent in a state, 0 to 1; None when nothing is known."""
    known = sum(stretch.seconds for stretch in found if stretch.state != UNKNOWN)
    return sum(stretch.seconds for stretch in found if stretch.state == state) / known if known else None


def _after(state: str, kind: str, detail: dict) -> str:
    if kind == "ready":
        return READY
    if kind in _LOGIN:
        # A working session may be asked for a second factor; it works on.
        return state if state == READY and kind != "login_submitted" else LOGIN
    if kind in _DOWN:
        # It is announced before Gateway ends; the end itself is another event.
        return state if kind == "restart_planned" and detail.get("kind") == "soft" else DOWN
    return state


def _joined(found: list[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for stretch in found:
        if joined and joined[-1].state == stretch.state:
            joined[-1] = Stretch(joined[-1].start, stretch.end, stretch.state)
        elif stretch.seconds > 0:
            joined.append(stretch)
    return joined
