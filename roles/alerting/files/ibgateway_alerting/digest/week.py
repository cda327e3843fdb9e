"""What a week was like, from the events on disk and the incidents in the database."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ibgatewaylib import ctl_history, ctl_plan
from ibgatewaylib import instance as instances
from ibgatewaylib.ctl_host import CtlError
from ibgatewaylib.exitcodes import ConfigurationInvalid

from ..model import Incident
from ..settings import Settings
from ..store import Store
from ..watch.conditions import LOGIN_KINDS
from ..watch.reminders import appointments

WEEK = 7 * 86400.0
BRIEF_STOP = 15 * 60.0
"""Seconds between a stop and a start that belong together: paper's daily cycle, or a playbook's restart."""

READY, RESTART, LOGIN, PARKED, DOWN, STOPPED, UNKNOWN = (
    "ready", "restart", "login", "parked", "down", "stopped", "unknown"
)  # fmt: skip
"""What an instance is: ready; in a planned restart; logging in; waiting for its operator; down though nobody
wanted that; stopped as asked; before the first event that is kept."""

Event = tuple[float, str, dict]
"""Seconds since the epoch, type, detail: as `ctl_history.read` gives them."""


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


@dataclass(frozen=True)
class InstanceWeek:
    """One instance's week.

    Attributes:
        name: of the instance.
        spans: its states, without gaps, the oldest first.
        windows: when its reset windows and their margins were, as pairs of instants.
        token_restarts: restarts that came back without a tap.
        logins: full logins that got ready.
        pushes: IB Key requests sent.
        missed: those that nobody answered.
        approvals: seconds from each push to its answer.
        appointments: the next ones, by `restart` and `login`.
        problem: why nothing is known of it; else empty.
    """

    name: str
    spans: tuple[Span, ...] = ()
    windows: tuple[tuple[float, float], ...] = ()
    token_restarts: int = 0
    logins: int = 0
    pushes: int = 0
    missed: int = 0
    approvals: tuple[float, ...] = ()
    appointments: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    def seconds(self, state: str) -> float:
        """How long it was in a state."""
        return sum(span.seconds for span in self.spans if span.state == state)

    @property
    def uptime(self) -> float | None:
        """The part of the known time in which it was ready, from 0 to 1; None when nothing is known.

        A planned restart counts as not ready; a stop that its operator wanted does not count at all.
        """
        known = sum(span.seconds for span in self.spans if span.state not in (UNKNOWN, STOPPED))
        return self.seconds(READY) / known if known else None

    @property
    def approve(self) -> float | None:
        """The median of `approvals`; None when there was none."""
        return statistics.median(self.approvals) if self.approvals else None


@dataclass(frozen=True)
class Week:
    """The whole host's week, between two instants in seconds since the epoch."""

    start: float
    end: float
    instances: tuple[InstanceWeek, ...]
    incidents: tuple[Incident, ...]


def of(settings: Settings, store: Store, now: float) -> Week:
    """The seven days before an instant.

    Args:
        settings: names the instances.
        store: holds the incidents.
        now: seconds since the epoch.
    """
    start = now - WEEK
    # A login that was asked for and made is no incident to a reader.
    told = [
        one
        for one in store.incidents_since(start)
        if one.told is not None and one.opened < now and one.kind != LOGIN_KINDS[0]
    ]
    found = tuple(_of_instance(settings, name, start, now) for name in settings.instances)
    return Week(start, now, found, tuple(told))


def _of_instance(settings: Settings, name: str, start: float, now: float) -> InstanceWeek:
    try:
        instance = instances.load(settings.etc_root / name)
        # In order even where the clock was set in between.
        events = sorted(
            ctl_history.read(settings.state_root / name / "events.jsonl"), key=lambda event: event[0]
        )
        windows = ctl_plan.windows(instance).closures(int(start), int(now))
    except (ConfigurationInvalid, CtlError) as error:
        return InstanceWeek(name, problem=str(error))
    return InstanceWeek(
        name,
        spans=tuple(spans(events, start, now)),
        windows=tuple((float(opens), float(closes)) for opens, closes in windows),
        appointments=appointments(instance, now),
        **_counts([event for event in events if event[0] < now], start),
    )


def _counts(events: Iterable[Event], start: float) -> dict:
    """What happened how often since an instant; the events before it tell how what happened then began."""
    found = {"token_restarts": 0, "logins": 0, "pushes": 0, "missed": 0}
    approvals: list[float] = []
    begun, pushed = "", None
    for moment, kind, detail in events:
        counts = moment >= start
        if kind == "starting":
            begun, pushed = "", None
        elif kind == "token_restart":
            begun = "token_restarts"
        elif kind == "login_submitted":
            begun = "logins"
        elif kind == "ready":
            if begun and counts:
                found[begun] += 1
            begun = ""
        elif kind == "two_factor_waiting" and detail.get("kind") != "code":
            pushed = moment
            found["pushes"] += counts
        elif kind == "two_factor_missed":
            pushed = None
            found["missed"] += counts
        elif kind == "two_factor_answered":
            if counts and pushed is not None:
                approvals.append(max(0.0, moment - pushed))
            pushed = None
    return {**found, "approvals": tuple(approvals)}


# --- states -----------------------------------------------------------------------------------------------

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


def spans(events: Sequence[Event], start: float, end: float) -> list[Span]:
    """An instance's states between two instants.

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


def _after(state: str, kind: str, detail: dict) -> str:
    if kind == "starting":
        if state in (RESTART, DOWN) and detail.get("resumes"):
            return state
        # Without a sign of its end, the run before was cut off: a power cut, or a kill.
        return DOWN if detail.get("resumes") else LOGIN
    if kind == "two_factor_waiting" and state == READY:
        return READY  # a question while the session works
    if kind == "login_submitted" and state == RESTART:
        return RESTART  # paper's restarts are logins; a push, if one follows, makes it a login of its own
    if kind == "configuration_invalid" and detail.get("continues"):
        return state
    return _ENTERS.get(kind, state)


def _between(changes: Sequence[tuple[float, str]], start: float, end: float) -> Iterable[Span]:
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
