"""What a week was like, from the events on disk and the incidents in the database."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from ibgatewaylib import ctl_history, ctl_plan
from ibgatewaylib import instance as instances
from ibgatewaylib.ctl_host import CtlError
from ibgatewaylib.exitcodes import ConfigurationInvalid
from ibgatewaylib.timeline import Event, Span, ready_share, spans

from ..model import Incident
from ..settings import Settings
from ..store import Store
from ..watch.conditions import LOGIN_KINDS
from ..watch.reminders import appointments

WEEK = 7 * 86400.0


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
        """The part of the known time in which it was ready, see `timeline.ready_share`."""
        return ready_share(self.spans)

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
    found = tuple(
        _of_instance(settings, name, _region(store, name), start, now) for name in settings.instances
    )
    return Week(start, now, found, tuple(told))


def _region(store: Store, name: str) -> str:
    """Where an instance's account is hosted, as the watcher knows it; empty when it does not."""
    return str((store.recall(f"view:{name}") or {}).get("region", ""))


def _of_instance(settings: Settings, name: str, region: str, start: float, now: float) -> InstanceWeek:
    try:
        instance = instances.load(settings.etc_root / name)
        # In order even where the clock was set in between.
        events = sorted(
            ctl_history.read(settings.state_root / name / "events.jsonl"), key=lambda event: event[0]
        )
        table = (
            ctl_plan.all_windows(settings.etc_root).region(region) if region else ctl_plan.windows(instance)
        )
        windows = table.closures(int(start), int(now))
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
