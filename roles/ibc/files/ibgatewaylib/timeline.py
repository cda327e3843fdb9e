"""The past as spans of time: when an instance was ready, restarting, logging in, or down. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

READY, RESTART, LOGIN, PARKED, DOWN, STOPPED, UNKNOWN = (
    "ready", "restart", "login", "parked", "down", "stopped", "unknown"
)  # fmt: skip
"""What an instance is: ready; in a planned restart; logging in; waiting for its operator; down though nobody
wanted that; stopped as asked; before the first event that is kept."""
BRIEF_STOP = 15 * 60.0
"""Seconds between a stop and a start that belong together: paper's daily cycle, or a playbook's restart."""

Event = tuple[float, str, dict]
"""Seconds since the epoch, type, detail: as `ctl_history.read` gives them."""

_ENTERS = {
    "ready": READY,
    "restart_planned": RESTART,
    "login_submitted": LOGIN,
    "two_factor_waiting": LOGIN,
    "two_factor_answered": LOGIN,
    "login_deferred": LOGIN,
    "parked": PARKED,
    "crashed": DOWN,
    "stuck": DOWN,
    "maintenance": DOWN,
    "connection_failed": DOWN,
    "session_taken": DOWN,
    "configuration_invalid": DOWN,
    "stopped": STOPPED,
}
"""The state that an event begins; `starting` and what depends on more is in `_after`."""


@dataclass(frozen=True)
class Span:
    """A time in which an instance was in one state; seconds since the epoch."""

    start: float
    end: float
    state: str

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


def spans(events: Sequence[Event], start: float, end: float) -> list[Span]:
    """An instance's states between two instants.

    A launcher that is killed writes nothing: until its next start the instance then seems as it was before.

    Args:
        events: all that are kept, the oldest first.
        start: seconds since the epoch.
        end: the same.

    Returns:
        spans that follow each other without gaps and differ from each other.
    """
    changes: list[tuple[float, str]] = []
    state = UNKNOWN
    for moment, kind, detail in events:
        after = _after(state, kind, detail)
        if kind == "starting" and changes and changes[-1][1] == STOPPED:
            stopped = changes[-1][0]
            if moment - stopped <= BRIEF_STOP:
                changes[-1] = (stopped, RESTART)
                after = RESTART
        if after != state:
            changes.append((moment, after))
            state = after
    return list(_between(changes, start, end))


def ready_share(found: Sequence[Span]) -> float | None:
    """The part of the known time in which it was ready, from 0 to 1; None when nothing is known.

    A planned restart counts as not ready; a stop that its operator wanted does not count at all.
    """
    known = sum(span.seconds for span in found if span.state not in (UNKNOWN, STOPPED))
    return sum(span.seconds for span in found if span.state == READY) / known if known else None


def _after(state: str, kind: str, detail: dict) -> str:
    if kind == "starting":
        if state in (RESTART, DOWN) and detail.get("resumes"):
            return state
        # Without a sign of its end, the run before was cut off: a power cut, or a kill.
        return DOWN if detail.get("resumes") else LOGIN
    if kind == "two_factor_waiting" and state == READY:
        return READY  # a question while the session works
    if kind == "login_submitted" and state == RESTART:
        return RESTART  # paper restarts by a login; a push, if one follows, makes it a login of its own
    if kind == "configuration_invalid" and detail.get("continues"):
        return state
    return _ENTERS.get(kind, state)


def _between(changes: Sequence[tuple[float, str]], start: float, end: float) -> Iterator[Span]:
    state, since = UNKNOWN, start
    for moment, after in (*changes, (end, "")):
        if moment >= end:
            break
        if moment <= start:
            state = after
            continue
        if after != state:
            if moment > since:
                yield Span(since, moment, state)
            state, since = after, moment
    if end > since:
        yield Span(since, end, state)
