"""From conditions to incidents: when one opens, becomes worse, or ends. Words and channels are the brain's.

Times are seconds since the epoch. `moment` is when something was so: earlier than `now` while events are
caught up on, so that a restart that took a minute an hour ago is not called slow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

from ..model import SEVERITIES, Incident
from ..rules import HOLD, Rule, Rules
from ..store import Store
from .conditions import API, LOGIN_KINDS, Condition
from .quiet import Quiet
from .view import HostView, InstanceView

NEVER = math.inf
CALM = "calm_since"
"""Key of a flapping incident's detail: since when its condition has been gone."""
FLAPPING = "flapping"
"""Key of an incident's detail: how often it has begun lately."""


@dataclass
class Subject:
    """An instance or the host, as the rules see it.

    Attributes:
        name: of the instance, HOST for the machine.
        kept: its view, which keeps what must outlive the watcher.
        conditions: what is wrong with it.
        explained: kinds and pseudo-kinds that inhibit others.
        quiet: its quiet times; None where there are none.
        gone: Gateway is not running, so that nothing can be said about its API.
    """

    name: str
    kept: InstanceView | HostView
    conditions: dict[str, Condition]
    explained: set[str] = field(default_factory=set)
    quiet: Quiet | None = None
    gone: bool = False


class Teller(Protocol):
    """Tells people; the brain."""

    def opened(self, incident: Incident, rule: Rule, now: float) -> None:
        """It is new."""

    def changed(self, incident: Incident, now: float, *, loud: bool) -> None:
        """Its kind or severity is another; `loud` when that is worth a new message."""

    def ended(self, incident: Incident, *, quiet: bool) -> None:
        """It is over; `quiet` when that is no news."""


class Incidents:
    """The open incidents.

    Args:
        rules: the table.
        store: where they are kept.
        teller: is told of every change, after it was stored.
    """

    def __init__(self, rules: Rules, store: Store, teller: Teller) -> None:
        self._rules = rules
        self._store = store
        self._teller = teller
        self.open: dict[tuple[str, str], Incident] = {}
        self.reload()

    def reload(self) -> None:
        """Forget what is in memory; what the database says counts."""
        self.open = {(one.instance, one.kind): one for one in self._store.open_incidents()}

    def of(self, name: str) -> list[Incident]:
        """The open ones of an instance, the oldest first."""
        return [one for (instance, _), one in self.open.items() if instance == name]

    def find(self, number: int) -> Incident | None:
        """An incident by its id: the one in memory when it is open."""
        return next((one for one in self.open.values() if one.id == number), None) or self._store.incident(
            number
        )

    def review(self, subject: Subject, moment: float, now: float) -> float:
        """Open, change and end a subject's incidents by what is wrong with it. Call it inside a transaction.

        Returns:
            when to look again, if nothing happens before.
        """
        self._turn(subject, now)
        look = NEVER
        for kind in self._concerned(subject):
            rules = self._rules.of(kind)
            found = [
                (rule, subject.conditions[rule.condition])
                for rule in rules
                if rule.condition in subject.conditions
            ]
            incident = self.open.get((subject.name, kind))
            if found and any(condition.certain for _, condition in found):
                look = min(look, self._hold(subject, kind, found, incident, moment, now))
            elif not found:
                for rule in rules:
                    subject.kept.held.pop(_key(rule), None)
                if incident:
                    look = min(look, self._leave(subject, incident, rules, moment))
        for incident in self.of(subject.name):
            if not self._rules.of(incident.kind):
                self.end(incident, "this release does not know it", moment, quiet=True)
        return look

    def _concerned(self, subject: Subject) -> list[str]:
        """The kinds that may have changed, in the table's order."""
        found = {self._rules.kind_of(name) for name in subject.conditions}
        found.update(incident.kind for incident in self.of(subject.name))
        found.update(key.partition("/")[0] for key in subject.kept.held)
        return [kind for kind in self._rules.kinds if kind in found]

    def end(self, incident: Incident, outcome: str, moment: float, *, quiet: bool) -> None:
        """Resolve an incident."""
        incident.resolved = max(moment, incident.opened)
        incident.outcome = outcome
        incident.detail.pop(CALM, None)
        del self.open[incident.instance, incident.kind]
        self._store.save_incident(incident)
        self._teller.ended(incident, quiet=quiet)

    # --- a condition that holds ---

    def _turn(self, subject: Subject, now: float) -> None:
        """An incident that turned out to be another one goes on as that."""
        for condition in subject.conditions.values():
            if not condition.instead_of or not condition.certain:
                continue
            kind = self._rules.kind_of(condition.name)
            if kind is None or (subject.name, kind) in self.open:
                continue
            rule = next(rule for rule in self._rules.of(kind) if rule.condition == condition.name)
            for old in condition.instead_of:
                incident = self.open.get((subject.name, old))
                if incident and not self._holds(subject, old):
                    del self.open[subject.name, old]
                    incident.kind, incident.severity = kind, rule.severity
                    incident.detail.update(condition.detail)
                    self.open[subject.name, kind] = incident
                    self._store.save_incident(incident)
                    self._teller.changed(incident, now, loud=kind not in LOGIN_KINDS)
                    break

    def _holds(self, subject: Subject, kind: str) -> bool:
        return any(rule.condition in subject.conditions for rule in self._rules.of(kind))

    def _hold(
        self, subject: Subject, kind: str, found: list[tuple[Rule, Condition]], incident: Incident | None,
        moment: float, now: float,
    ) -> float:  # fmt: skip
        look = NEVER
        due: list[tuple[Rule, Condition]] = []
        for rule, condition in found:
            if not condition.certain:
                continue
            at = self._due(subject, rule, condition, moment)
            if at <= moment:
                due.append((rule, condition))
            else:
                look = min(look, at)
        if incident is None:
            if due:
                self._open(subject, kind, due, moment, now)
            return look
        if incident.detail.pop(CALM, None) is not None:
            self._store.save_incident(incident)
        worst = max((rule for rule, _ in due), key=_rank, default=None)
        if worst and _rank(worst) > SEVERITIES.index(incident.severity):
            incident.severity = worst.severity
            self._store.save_incident(incident)
            self._teller.changed(incident, now, loud=True)
        return look

    def _due(self, subject: Subject, rule: Rule, condition: Condition, moment: float) -> float:
        """When a condition is to be told; NEVER while something else explains it."""
        held = subject.kept.held
        if subject.explained.intersection(rule.inhibited_by):
            held[_key(rule)] = None
            return NEVER
        if held.get(_key(rule), moment) is None:
            held[_key(rule)] = moment
        at = max(condition.since, held.get(_key(rule)) or condition.since) + rule.delay
        if rule.window == HOLD and subject.quiet:
            span = subject.quiet.last(condition.since, moment)
            if span:
                at = max(at, span[1] + self._rules.grace)
        return at

    def _open(
        self, subject: Subject, kind: str, due: list[tuple[Rule, Condition]], moment: float, now: float
    ) -> None:
        rule = max((rule for rule, _ in due), key=_rank)
        detail: dict = {}
        for _, condition in due:
            detail.update(condition.detail)
        incident = Incident(
            subject.name,
            kind,
            rule.severity,
            opened=min(moment, *(condition.since for _, condition in due)),
            told=now,
            detail=detail,
        )
        if rule.flap:
            within = rule.flap.within
            lately = [at for at in subject.kept.openings.get(kind, []) if 0 <= moment - at < within] + [
                moment
            ]
            subject.kept.openings[kind] = lately
            if len(lately) >= rule.flap.times:
                incident.detail[FLAPPING] = len(lately)
        self._store.save_incident(incident)
        self.open[subject.name, kind] = incident
        self._teller.opened(incident, rule, now)

    # --- a condition that is gone ---

    def _leave(self, subject: Subject, incident: Incident, rules: tuple[Rule, ...], moment: float) -> float:
        flap = next((rule.flap for rule in rules if rule.flap), None)
        if flap and FLAPPING in incident.detail:
            if CALM not in incident.detail:
                incident.detail[CALM] = moment
                self._store.save_incident(incident)
            over = incident.detail[CALM] + flap.within
            if moment < over:
                return over
        superseded = subject.gone and any(rule.condition in API for rule in rules)
        outcome = "Gateway is not running any more: another message says why." if superseded else ""
        self.end(incident, outcome, moment, quiet=superseded or any(rule.quiet_end for rule in rules))
        return NEVER


def explaining(rules: Rules, conditions: dict[str, Condition]) -> set[str]:
    """The kinds that conditions make, whether they are told already or not."""
    kinds = {rules.kind_of(name) for name, condition in conditions.items() if condition.certain}
    return {kind for kind in kinds if kind is not None}


def _key(rule: Rule) -> str:
    return f"{rule.kind}/{rule.severity}"


def _rank(rule: Rule) -> int:
    return SEVERITIES.index(rule.severity)
