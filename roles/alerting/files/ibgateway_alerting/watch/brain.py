"""The brain: what happens comes in, what people hear goes out. It never waits.

    event, observation → view → conditions → rules → incidents → messages

Everything is called inside `store.transaction()`: what an event changed, the incidents it made, and their
messages are written together with the event's position, or not at all. After one that failed, `reload` makes
the memory what the database says.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ibgatewaylib import ctl_plan
from ibgatewaylib.ctl_history import planned_restart
from ibgatewaylib.ctl_host import CtlError
from ibgatewaylib.instance import Instance

from ..events import Event
from ..model import EDIT, EDIT_OR_SEND, HOST, SEND, SEVERITIES, Incident, Message, Press
from ..observation import Observation
from ..rules import RESET, Rule, Rules
from ..settings import Settings
from ..store import SET_ASIDE, Store
from ..text import clean, when
from . import actions as units
from . import compose, conditions, evidence, login, presses
from .actions import Actions, Result
from .incidents import FLAPPING, NEVER, Incidents, Subject, explaining
from .ladder import ASKED_AGAIN, TOLD_ON, Ladder
from .quiet import Quiet
from .view import ANSWERED, FAILED, PUSH_SENT, READY, RUNNING, HostView, InstanceView

log = logging.getLogger(__name__)

PHASE, CHANGED = "phase", "changed"
"""Keys of a conversation's detail: which phase was told last, and when its message was changed last."""
LONGEST_LOGIN = 1800.0
"""Seconds after which a login that nobody hears of is not under way any more: the launcher ends each one."""
PUSH_OVERDUE = 120.0
"""Seconds after a push died in which the launcher says so."""
REMEDIES = {
    ("remedy", "reconnectdata"): "The machine has had Gateway reconnect its data.",
    ("remedy", "reconnectaccount"): "The machine has had Gateway reconnect to IBKR.",
    ("restart_planned", "soft"): "Gateway restarts by its saved login: no tap.",
}
"""What is said of a remedy, by the event's type and kind."""
STAYS_STOPPED = 60.0
"""Seconds after which a stop is no part of a restart."""
LOST_EVENT = 10.0
"""Seconds after which a state that no event explains counts by itself."""
WINDOWS_AGAIN = 6 * 3600.0
"""Seconds between two looks at the age of the reset windows."""
AT_MOST = 60.0
"""Seconds after which everything is looked at again although nothing happened."""


class Brain:
    """Knows every instance and the host, and decides what people hear.

    Args:
        settings: the configuration.
        store: the database.
        instances: each instance as configured, by name.
        clock: the time, in seconds since the epoch.
        actions: starts units.
        rules: the table.
        quiet: each instance's quiet times; worked out from its windows when None.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        instances: Mapping[str, Instance],
        clock: Callable[[], float],
        actions: Actions,
        rules: Rules,
        quiet: Mapping[str, Quiet] | None = None,
    ) -> None:
        self.views: dict[str, InstanceView] = {}
        self.host = HostView()
        self.ladder = Ladder(settings, store)
        self._settings = settings
        self._store = store
        self._instances = dict(instances)
        self._clock = clock
        self._actions = actions
        self._rules = rules
        self._quiet = dict(quiet) if quiet is not None else {n: Quiet(i) for n, i in instances.items()}
        self._incidents = Incidents(rules, store, self)
        self._presses = presses.Presses(settings, store, self.views, actions, self._incidents.find)
        self._saved: dict[str, dict[str, Any]] = {}
        self._seen: dict[tuple[str, str], tuple[Any, str]] = {}
        self._moments: dict[str, float] = {}
        self._look = 0.0
        self._windows_at = 0.0
        self._ended_now: list[tuple[Incident, bool]] | None = None
        self.reload()

    # --- what others read ---------------------------------------------------------------------------------

    @property
    def incidents(self) -> dict[tuple[str, str], Incident]:
        """The open incidents, by instance and kind."""
        return self._incidents.open

    @property
    def next_look(self) -> float:
        """When `tick` has something to do, if nothing happens before."""
        return self._look

    def due(self, now: float) -> bool:
        """Whether `tick` has something to do."""
        return now >= self._look or self._look - now > AT_MOST

    def is_news(self, seen: Observation) -> bool:
        """Whether an observation says anything that was not known."""
        return self._seen.get((seen.instance, seen.what)) != (seen.value, seen.text) or seen.what == "code"

    # --- what comes in ------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Forget what is in memory: what the database says counts."""
        self._incidents.reload()
        self._saved.clear()
        self._seen.clear()
        self._moments.clear()
        for name, instance in self._instances.items():
            record = self._store.recall(f"view:{name}")
            view = InstanceView.of(record) if record else InstanceView(name, policy=instance.login)
            view.mode = instance.mode
            self.views[name] = view
            self._quiet[name].hosted_in(view.region)
        record = self._store.recall(f"view:{HOST}")
        self.host = HostView.of(record) if record else HostView()
        self._look = 0.0

    def event(self, event: Event) -> None:
        """Take an event in."""
        view = self.views.get(event.instance)
        if view is None:
            return
        now = self._clock()
        moment = min(now, event.time.timestamp())
        # What was overdue when this happened was so, even if we were not there to see it.
        self._review(event.instance, moment, now)
        known = view.facts.get(event.type)
        if known and self._rules.tells_anew(event.type, known["detail"], event.detail):
            del view.facts[event.type]
            self._review(event.instance, moment, now)
        instance = self._instances[event.instance]

        def planned(at: float) -> float | None:
            due = planned_restart(datetime.fromtimestamp(at, UTC), instance.daily_restart, instance.timezone)
            return due.timestamp() if due else None

        evidence.take_event(view, event.type, moment, event.detail, planned)
        # What a source repeats counts anew after an event, which may have set what it saw aside.
        for key in [key for key in self._seen if key[0] == event.instance]:
            del self._seen[key]
        self._tell_remedy(event, now)
        self._review(event.instance, moment, now)

    def puzzled(self, event: Event) -> None:
        """Tell that an event could not be understood, instead of taking it in."""
        view = self.views.get(event.instance)
        if view is not None:
            now = self._clock()
            evidence.take_event(view, "", min(now, event.time.timestamp()), {}, lambda _at: None)
            view.facts["unknown_event"]["detail"]["type"] = event.type
            self._review(event.instance, now, now)

    def observe(self, seen: Observation) -> None:
        """Take an observation in."""
        now = self._clock()
        self._seen[seen.instance, seen.what] = (seen.value, seen.text)
        if seen.instance == HOST:
            evidence.take_host(self.host, seen)
            self._review_all(now)
        elif (view := self.views.get(seen.instance)) is not None:
            evidence.take_observation(view, seen)
            self._quiet[seen.instance].hosted_in(view.region)
            self._review(seen.instance, now, now)

    def press(self, press: Press) -> None:
        """Take a pressed button in: check it, do what it asks for, answer it, and say so in the message."""
        now = self._clock()
        self._answer(self._presses.handle(press, now), press.channel, now)

    def _answer(self, outcome: presses.Outcome, channel: str, now: float) -> None:
        incident = outcome.incident
        if incident is None or incident.resolved is not None:
            return
        view = self.views.get(incident.instance)
        if outcome.events and view is not None:
            message = presses.events_message(view, now, self._context(incident, now))
            self._store.queue(channel, message, now=now)
        elif outcome.tell:
            offered = None if outcome.actions is None else list(outcome.actions)
            self._tell(incident, compose.PROGRESS, now, mode=EDIT, note=outcome.note, offered=offered)
        self._look = now

    def acted(self, result: Result) -> None:
        """Take in what came of a unit that was started."""
        now = self._clock()
        log.info("%s: %s", result.unit, result.text)
        outcome = self._presses.done(result, now)
        if outcome is not None:
            conversation = outcome.incident is not None and outcome.incident.kind in conditions.LOGIN_KINDS
            if not conversation:  # that one is told with its phase
                self._answer(outcome, "", now)
            self._review(result.instance, now, now)
        elif result.unit == units.RESET.format(result.instance) and not result.ok:
            for incident in self._incidents.of(result.instance):
                if incident.detail.pop("remedy", None):
                    self._tell(incident, compose.PROGRESS, now, mode=EDIT, note=clean(result.text))

    def notified(self) -> None:
        """Look at what the notifier says of itself: which channels deliver nothing."""
        now = self._clock()
        row = self._store.recall("notifier") or {}
        failing = row.get("failing")
        failing = failing if isinstance(failing, dict) else {}
        known = {channel.name for channel in self._settings.channels}
        found = {name: float(since) for name, since in failing.items() if name in known}
        aside = self._store.recall(SET_ASIDE)
        if found == self.host.failing and not aside:
            return
        self.host.failing = found
        self.ladder.broken = set(found)
        if aside:
            self.host.facts["store_damaged"] = {"since": now, "last": now, "detail": {"path": str(aside)}}
            self._store.remember(SET_ASIDE, None)
        self._review_all(now)

    def tick(self, now: float) -> None:
        """Do what is due: delays that are over, reminders, the next step of the ladder, a countdown."""
        self._check_windows(now)
        for name, view in self.views.items():
            self._fill_gaps(name, view, now)
        self._expire(now)
        self._review_all(now)

    # --- views --------------------------------------------------------------------------------------------

    def _fill_gaps(self, name: str, view: InstanceView, now: float) -> None:
        """Believe a state that lasts where its event was lost, or is older than the watcher."""
        since = view.state_since
        if since is None or now < since + LOST_EVENT:
            return
        kind = ""
        if view.state == "ready" and (
            view.last_ready is None or view.last_ready < since - evidence.SAME_READY
        ):
            kind = "ready"
        elif view.state == "parked" and view.running is not False and not view.facts and view.login is None:
            kind = "parked"
        if kind:
            evidence.take_event(view, kind, since, dict(view.end), lambda _at: None)
            log.info("%s is %s since before the watcher knew of it", name, kind)
        talk = view.login
        if talk is None:
            return
        if view.state == "stopped" and now >= since + STAYS_STOPPED:
            view.login = None  # given up; a login of what runs stops it first, but only for a moment
        if talk.phase not in RUNNING:
            return
        if talk.phase == PUSH_SENT and now >= talk.push_ends + PUSH_OVERDUE and view.state == "ready":
            view.login = None
        elif now > talk.since + LONGEST_LOGIN:
            talk.phase, talk.since = FAILED, now

    def _expire(self, now: float) -> None:
        for kept in (*self.views.values(), self.host):
            for name, known in list(kept.facts.items()):
                age = self._rules.expires(name)
                if age is not None and now >= known["last"] + age:
                    del kept.facts[name]

    def _check_windows(self, now: float) -> None:
        if 0 <= now - self._windows_at < WINDOWS_AGAIN:
            return
        self._windows_at = now
        try:
            table = ctl_plan.all_windows(self._settings.etc_root)
            warning = table.age_warning(datetime.fromtimestamp(now, UTC).date())
        except CtlError as error:
            warning = str(error)
        if warning:
            known = self.host.facts.setdefault("windows_outdated", {"since": now, "detail": {}})
            known["last"] = now
            known["detail"]["text"] = warning
        else:
            self.host.facts.pop("windows_outdated", None)

    def _keep(self, name: str, kept: InstanceView | HostView) -> None:
        content = kept.as_dict()
        # Looks are many and changes few: to compare costs a fifth of writing it as JSON.
        if self._saved.get(name) != content:
            self._store.remember(f"view:{name}", content)
            self._saved[name] = copy.deepcopy(content)

    # --- reviews ------------------------------------------------------------------------------------------

    def _review_all(self, now: float) -> None:
        self._look = now + AT_MOST
        for name in (HOST, *self.views):
            self._review(name, now, now)

    def _review(self, name: str, moment: float, now: float) -> None:
        """Hold the rules against what is known of an instance, or of the host."""
        moment = self._moments[name] = min(now, max(moment, self._moments.get(name, 0.0)))
        subject = self._host_subject(moment) if name == HOST else self._subject(name, moment)
        self._ended_now = []
        look = self._incidents.review(subject, moment, now)
        self._tell_ends(now)
        for incident in self._incidents.of(name):
            look = min(look, self._care(incident, now))
        view = self.views.get(name)
        if view is not None:
            if view.login and view.login.phase == READY:
                view.login = None
            look = min(look, *self._moments_of(view, now))
        self._keep(name, subject.kept)
        self._look = min(self._look, look)

    def _moments_of(self, view: InstanceView, now: float) -> tuple[float, ...]:
        """When something of a view changes by itself."""
        since = view.state_since
        waits = [] if since is None else [since + LOST_EVENT, since + STAYS_STOPPED]
        if view.login and view.login.phase == PUSH_SENT:
            waits.append(view.login.push_ends + PUSH_OVERDUE)
        ends = [
            known["last"] + age for name, known in view.facts.items() if (age := self._rules.expires(name))
        ]
        return (NEVER, *(moment for moment in (*waits, *ends) if moment > now))

    def _subject(self, name: str, moment: float) -> Subject:
        view = self.views[name]
        found = conditions.of_instance(view, moment)
        explained = explaining(self._rules, found) | conditions.running(view)
        explained |= explaining(self._rules, conditions.of_host(self.host, moment))
        return Subject(name, view, found, explained, self._quiet.get(name), gone=not view.ready)

    def _host_subject(self, moment: float) -> Subject:
        found = conditions.of_host(self.host, moment)
        return Subject(HOST, self.host, found, explaining(self._rules, found))

    # --- an incident's life, after it opened --------------------------------------------------------------

    def _care(self, incident: Incident, now: float) -> float:
        """Tell what is due about an open incident; return when to look again."""
        conversation = self._is_conversation(incident)
        if conversation:
            self._converse(incident, now)
            if incident.detail[PHASE] not in login.ASKING:
                return self._countdown(incident, now)  # somebody is at it: nobody else is asked
        elif self._spoken_for(incident):
            return NEVER
        if incident.snoozed_until is not None and now >= incident.snoozed_until:
            incident.snoozed_until = None
            incident.detail[ASKED_AGAIN] = now
            self._remind(incident, now)
        added = self.ladder.climb(incident, now)
        if added:
            self._store.save_incident(incident)
            self._tell(incident, compose.ESCALATED, now, only=added)
        at = self._reminder(incident)
        if at <= now:
            self._remind(incident, now)
            at = self._reminder(incident)
        look = min(at, self.ladder.next_step(incident) or NEVER, incident.snoozed_until or NEVER)
        if conversation:
            look = min(look, self._countdown(incident, now))
        return look

    def _spoken_for(self, incident: Incident) -> bool:
        """Whether a login is asked for: that ends this incident, too, so only that is asked for again."""
        return incident.kind in conditions.EXPLAINS_DOWN and any(
            one.kind in conditions.LOGIN_KINDS for one in self._incidents.of(incident.instance)
        )

    def _reminder(self, incident: Incident) -> float:
        """When an incident is told again; NEVER when it is not."""
        if incident.acknowledged is not None or incident.snoozed_until is not None or incident.told is None:
            return NEVER
        rules = self._rules.of(incident.kind)
        hours = next((rule.repeat_hours for rule in rules if rule.repeat_hours is not None), None)
        if hours is None:
            urgent = SEVERITIES.index(incident.severity) >= SEVERITIES.index("action")
            hours = self._settings.reminder_hours if urgent else 0
        if not hours:
            return NEVER
        return (
            max(incident.told, incident.reminded or 0.0, incident.detail.get(ASKED_AGAIN, 0.0))
            + hours * 3600.0
        )

    def _remind(self, incident: Incident, now: float) -> None:
        incident.reminded = now
        self._store.save_incident(incident)
        self._tell(incident, compose.REMINDED, now)

    # --- the login conversation ---------------------------------------------------------------------------

    def _is_conversation(self, incident: Incident) -> bool:
        view = self.views.get(incident.instance)
        return incident.kind in conditions.LOGIN_KINDS and view is not None and view.login is not None

    def _converse(self, incident: Incident, now: float) -> None:
        """Change the conversation's message as the login goes on."""
        phase = login.phase(incident, self.views[incident.instance], now)
        told = incident.detail.get(PHASE, "")
        if phase == told:
            if phase == PUSH_SENT and now >= incident.detail.get(CHANGED, 0.0) + login.COUNTDOWN:
                incident.detail[CHANGED] = now
                self._store.save_incident(incident)
                self._tell(incident, compose.PROGRESS, now, mode=EDIT)
            return
        mode = login.mode(phase, told)
        if phase in login.ASKING and told:
            # It asks anew: that is worth a new message, and whoever took the last question on has done so.
            mode = SEND
            if told not in login.ASKING:
                # The message so far would call for an answer, or promise a push, for ever.
                view, context = self.views[incident.instance], self._context(incident, now)
                self.ladder.tell(incident, login.compose_past(incident, view, now, context), now, EDIT)
            incident.acknowledged, incident.acknowledged_by, incident.snoozed_until = None, "", None
            incident.detail[ASKED_AGAIN] = now
        incident.detail[PHASE], incident.detail[CHANGED] = phase, now
        self._store.save_incident(incident)
        self._tell(incident, compose.PROGRESS, now, mode=mode)

    def _countdown(self, incident: Incident, now: float) -> float:
        phase = incident.detail.get(PHASE)
        if phase == PUSH_SENT:
            return incident.detail.get(CHANGED, now) + login.COUNTDOWN
        pressed = incident.detail.get("pressed")
        return pressed["time"] + login.BEGINS_WITHIN if pressed and phase not in (ANSWERED, READY) else NEVER

    # --- the incidents' teller ----------------------------------------------------------------------------

    def opened(self, incident: Incident, rule: Rule, now: float) -> None:
        """Tell that an incident is new, and begin its remedy."""
        if self._is_conversation(incident):
            phase = login.phase(incident, self.views[incident.instance], now)
            incident.detail[PHASE], incident.detail[CHANGED] = phase, now
        if rule.remedy == RESET:
            self._begin_remedy(incident, now)
        self._store.save_incident(incident)
        self._tell(incident, compose.OPENED, now)

    def changed(self, incident: Incident, now: float, *, loud: bool) -> None:
        """Tell that an incident became another, or worse; a conversation does that with its phase."""
        if loud:
            self._tell(incident, compose.PROGRESS, now)

    def ended(self, incident: Incident, *, quiet: bool) -> None:
        """Keep it until the review is over: ends that belong together are told together."""
        self._ended_now.append((incident, quiet))

    def _tell_ends(self, now: float) -> None:
        """Tell what ended. A login that got ready speaks for everything that its `ready` ended."""
        ended, self._ended_now = self._ended_now or [], None
        spoken: set[str] = set()
        for incident, quiet in sorted(ended, key=lambda one: one[0].kind not in conditions.LOGIN_KINDS):
            told_on = set(incident.detail.get(TOLD_ON, ()))
            if self._is_conversation(incident):
                ready = self.views[incident.instance].login.phase == READY
                self._tell(
                    incident, compose.RESOLVED, now, mode=EDIT_OR_SEND if ready else EDIT, only=told_on
                )
                spoken |= told_on if ready else set()
                continue
            if incident.kind in conditions.LOGIN_KINDS:
                quiet = True  # its login was given up, by a stop
            silent = told_on if quiet else told_on & spoken
            if silent:
                self._tell(incident, compose.RESOLVED, now, mode=EDIT, only=silent)
            if told_on - silent:
                self._tell(incident, compose.RESOLVED, now, only=told_on - silent)

    def _begin_remedy(self, incident: Incident, now: float) -> None:
        """Have the session recovered; the unit looks again, and keeps order and budget."""
        view = self.views.get(incident.instance)
        if view is None or not view.ready:
            return
        if view.remedied is not None and 0 <= now - view.remedied < self._rules.remedy_apart:
            return
        if self._actions.start(units.RESET.format(incident.instance)):
            view.remedied = now
            incident.detail["remedy"] = RESET

    def _tell_remedy(self, event: Event, now: float) -> None:
        """Say in the messages about a session what the machine tries for it."""
        kind = event.detail.get("kind")
        if event.type == "remedy" and kind == "none":
            reason = event.detail.get("reason")
            note = f"Reconnecting did not help, and the machine does no more: {clean(str(reason))}."
        else:
            note = REMEDIES.get((event.type, kind) if isinstance(kind, str) else None, "")
        if not note:
            return
        of_session = {self._rules.kind_of(name) for name in conditions.API}
        for incident in self._incidents.of(event.instance):
            if incident.kind in of_session:
                # What costs API clients their connection, or needs a person, is worth a message anywhere.
                mode = EDIT if kind in ("reconnectdata", "reconnectaccount") else EDIT_OR_SEND
                self._tell(incident, compose.PROGRESS, now, mode=mode, note=note)

    # --- words --------------------------------------------------------------------------------------------

    def _tell(
        self,
        incident: Incident,
        phase: str,
        now: float,
        *,
        mode: str = SEND,
        only: set[str] | None = None,
        note: str = "",
        offered: list[str] | None = None,
    ) -> None:
        view = self.views.get(incident.instance)
        channels = only
        if incident.kind == "channel_failing":
            names = {channel.name for channel in self._settings.channels} if only is None else only
            channels = names - self.ladder.broken
        context = self._context(incident, now, note=note, only=only)
        if self._is_conversation(incident):
            later = phase == compose.ESCALATED
            message, usual = login.compose_login(incident, view, now, context, later=later)
        else:
            message = compose.message(incident, phase, context)
            usual = presses.offers(incident, view, now) if phase != compose.RESOLVED else []
        buttons = presses.make_buttons(self._store, incident, usual if offered is None else offered, now)
        message = Message(message.severity, message.title, message.body, buttons, message.attachment)
        self.ladder.tell(incident, message, now, mode, channels)
        self._store.save_incident(incident)

    def _context(
        self, incident: Incident, now: float, *, note: str = "", only: set[str] | None = None
    ) -> compose.Context:
        view = self.views.get(incident.instance)
        instance = self._instances.get(incident.instance)
        extra: dict[str, Any] = {
            "policy": view.policy if view else "",
            "mode": view.mode if view else "",
            "budget_logins": instance.budget_logins if instance else None,
            "remedy": incident.detail.get("remedy", ""),
            "flapping": incident.detail.get(FLAPPING, 0),
            "note": note,
            "who": self._who(only) if only else "",
        }
        zone = self._settings.zone
        return compose.Context(self._settings.host, now, zone, self._next_step(incident, now), extra)

    def _who(self, names: set[str]) -> str:
        found = [c.who for c in self._settings.channels if c.name in names and c.who]
        return ", ".join(dict.fromkeys(found))

    def _next_step(self, incident: Incident, now: float) -> str:
        """When what comes next, for the message; empty when nothing does before its end."""
        if incident.resolved is not None:
            return ""
        zone = self._settings.zone
        if incident.acknowledged is not None:
            by = incident.acknowledged_by or "somebody"
            return f"{by} is on it, so nobody else is asked; a message when it is over."
        if incident.snoozed_until is not None and incident.snoozed_until > now:
            return f"it is told again at {when(incident.snoozed_until, zone, now)}."
        at, what = self._reminder(incident), "a reminder"
        step = self.ladder.next_step(incident)
        if step is not None and step <= at:
            at, what = (
                step,
                ", ".join(f"{c.name} to {c.who}" if c.who else c.name for c in self.ladder.coming(incident)),
            )
        return (
            f"{what} at {when(at, zone, now)}, unless it is over or somebody takes it on."
            if at < NEVER
            else ""
        )
