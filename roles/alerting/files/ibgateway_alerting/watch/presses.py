"""Buttons: which ones a message gets, and what becomes of a press. A press is believed only after six checks.

The order is fixed: a button that we made → a user who may press → not too old → not used → the incident is
open → the instance's state allows it. A press that fails one changes nothing, is logged, and is answered.
What is only too old also gets the message new buttons, since people may look hours later.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..model import Button, Incident, Message, Press
from ..settings import Channel, Settings
from ..store import Store
from ..text import clean, when
from . import login
from .actions import CONSENT, GUARD, SOFT_RESTART, Actions, Result
from .compose import NO_MORE, Context, compose, headline
from .conditions import LOGIN_KINDS
from .login import LATER_30, LATER_120, MINE, PUSH
from .view import RUNNING, InstanceView

log = logging.getLogger(__name__)

LOG, SOFT, SOFT_YES, SOFT_NO = "log", "soft_restart", "soft_restart_yes", "soft_restart_no"

LABELS = {
    PUSH: "Send me the push",
    LATER_30: "Later: 30 min",
    LATER_120: "Later: 2 h",
    MINE: "I'm on it",
    SOFT: "Soft restart",
    SOFT_YES: "Yes, restart now",
    SOFT_NO: "No",
    LOG: "Show events",
}
"""What is written on the buttons, by action."""
SECONDS = {PUSH: 600.0, SOFT: 600.0, SOFT_YES: 600.0, SOFT_NO: 600.0}
"""How long a button that starts something is good; the others are for a day."""
A_DAY = 86400.0
SNOOZE = {LATER_30: 1800.0, LATER_120: 7200.0}
SHOWN_AGAIN = 10.0
"""Seconds after which the same events may be asked for again."""
NEEDS_LOGIN = ("parked", "failed", "stopped")
"""States in which the instance does not come back without a login."""

SOFT_KINDS = ("link_lost", "farm_down", "api_down", "api_wedged")
"""Incidents that a restart by the token may end."""
PUSH_KINDS = (
    "second_factor_refused", "code_rejected", "competing_session", "session_taken", "connection_failed",
    "maintenance", "stuck", "crashed", "restarts_used_up", "unit_failed", "parked", "stopped",
)  # fmt: skip
"""Incidents after which the same login may be tried again as it is; others need a correction first."""

REALLY = "Restart Gateway by its token? API clients lose their connection for about two minutes; no tap."


@dataclass(frozen=True)
class Outcome:
    """What a press led to, for whoever keeps the incidents.

    Attributes:
        accepted: whether all checks were passed.
        answer: a sentence for whoever pressed.
        incident: the incident it belongs to; None where that is unknown.
        tell: whether the incident's message is made anew, with new buttons.
        actions: the buttons it then gets; None for the usual ones.
        note: a line for that message; empty for none.
        events: whether the instance's last events are to be shown.
    """

    accepted: bool
    answer: str
    incident: Incident | None = None
    tell: bool = False
    actions: tuple[str, ...] | None = None
    note: str = ""
    events: bool = False


class _RefusedError(Exception):
    """A check failed; the text is the answer. `fresh` is the incident whose buttons have become too old."""

    def __init__(self, answer: str, fresh: Incident | None = None) -> None:
        super().__init__(answer)
        self.fresh = fresh


class Presses:
    """Checks presses and carries them out. Call it inside a transaction.

    Args:
        settings: names the channels and who may press there.
        store: knows the buttons.
        views: what is known of each instance, by its name.
        actions: starts units.
        incident: finds an incident by its number, so that its keeper's own copy is changed.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        views: Mapping[str, InstanceView],
        actions: Actions,
        incident: Callable[[int], Incident | None] | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._views = views
        self._actions = actions
        self._incident = incident or store.incident
        self._shown: dict[str, float] = {}

    def handle(self, press: Press, now: float) -> Outcome:
        """Check a press, do what it asks for, and answer it.

        Args:
            press: as the notifier stored it.
            now: seconds since the epoch.
        """
        try:
            channel, button, incident = self._check(press, now)
            outcome = self._do(channel, button["action"], incident, now)
        except _RefusedError as refused:
            fresh = refused.fresh
            outcome = Outcome(False, str(refused), fresh, tell=fresh is not None)
        log.log(
            logging.INFO if outcome.accepted else logging.WARNING,
            "press %d by user %d on %s %s: %s",
            press.id, press.user, clean(press.channel), "accepted" if outcome.accepted else "refused",
            outcome.answer,
        )  # fmt: skip
        self._store.answer_press(press.id, outcome.answer, accepted=outcome.accepted, now=now)
        return outcome

    def done(self, result: Result, now: float) -> Outcome | None:
        """Take in what came of a unit that a press started.

        Args:
            result: as `Actions.tick` gives it.
            now: seconds since the epoch.

        Returns:
            what to tell; None when nobody asked for it here, or the instance's own events tell more.
        """
        incident = self._asked_for(result)
        if incident is None:
            return None
        if result.unit == GUARD.format(result.instance):
            return self._ask_back(incident, result)
        if result.ok and incident.kind in LOGIN_KINDS:
            return None
        incident.detail.pop("pressed")
        if not result.ok:
            incident.acknowledged, incident.acknowledged_by = None, ""
            if incident.kind in LOGIN_KINDS:
                login.refuse(incident, result.text, now)
        self._store.save_incident(incident)
        return Outcome(bool(result.ok), result.text, incident, tell=True, note=clean(result.text))

    def _ask_back(self, incident: Incident, result: Result) -> Outcome:
        """Ask whether a restart is meant, and name what speaks against it: who answers yes has read it."""
        incident.detail.pop("pressed")
        self._store.save_incident(incident)
        note = f"{REALLY} {_against(result)}"
        return Outcome(True, note, incident, tell=True, actions=(SOFT_YES, SOFT_NO), note=note)

    def _asked_for(self, result: Result) -> Incident | None:
        found = [
            one
            for one in self._open(result.instance)
            if one.detail.get("pressed", {}).get("unit") == result.unit
        ]
        return max(found, key=lambda one: one.detail["pressed"]["time"], default=None)

    def _open(self, instance: str) -> list[Incident]:
        """The keeper's own copies of an instance's open incidents."""
        numbers = [one.id for one in self._store.open_incidents() if one.instance == instance]
        return [one for number in numbers if (one := self._incident(number)) is not None]

    # --- the checks ---------------------------------------------------------------------------------------

    def _check(self, press: Press, now: float) -> tuple[Channel, dict, Incident]:
        button = self._store.button(press.nonce)
        if button is None:
            raise _RefusedError("This button is not known here.")
        channel = next((one for one in self._settings.channels if one.name == press.channel), None)
        if channel is None or press.user not in channel.users:
            raise _RefusedError("You are not allowed to press this.")
        incident = None if button["incident"] is None else self._incident(button["incident"])
        expired = now >= button["expires"]
        used = button["used"] is not None and button["action"] != LOG
        closed = incident is None or incident.resolved is not None
        if expired and (used or closed):
            raise _RefusedError("This button is too old.")
        if expired:
            raise _RefusedError("This button is too old; the message gets new ones.", incident)
        if used:
            raise _RefusedError("This was answered already.")
        if closed:
            raise _RefusedError("This is over already.")
        if refusal := self._forbids(button["action"], incident, now):
            raise _RefusedError(refusal)
        return channel, button, incident

    def _forbids(self, action: str, incident: Incident, now: float) -> str:
        """Why the instance's state does not allow an action now; empty when it does."""
        view = self._views.get(incident.instance)
        if action in (PUSH, SOFT, SOFT_YES, LOG) and view is None:
            return "This instance is not known here."
        if action == PUSH:
            return self._forbids_push(view, now)
        if action in (SOFT, SOFT_YES):
            if self._actions.pending(GUARD.format(view.name)):
                return "It is being looked up what speaks against a restart."
            if self._actions.pending(SOFT_RESTART.format(view.name)):
                return "A restart has just been asked for."
            return (
                ""
                if view.ready
                else f"Only a Gateway that is ready restarts by its token: it is {view.state}."
            )
        if action == LOG and now - self._shown.get(view.name, -SHOWN_AGAIN) < SHOWN_AGAIN:
            return "They were shown a moment ago."
        return ""

    def _forbids_push(self, view: InstanceView, now: float) -> str:
        talk = self._login_of(view.name)
        came = login.phase(talk, view, now) if talk else (view.login.phase if view.login else "")
        # Several incidents may offer the push; a second one would end the login that the first began.
        if came in RUNNING or self._actions.pending(CONSENT.format(view.name)):
            return "A login is under way already."
        if came == login.DEFERRED or view.state == "deferred":
            return "The login waits for the end of a reset window already."
        if came in login.ASKING or view.state in NEEDS_LOGIN:
            return ""
        return f"No login is needed: {view.name} is {view.state}."

    def _login_of(self, instance: str) -> Incident | None:
        return next((one for one in self._open(instance) if one.kind in LOGIN_KINDS), None)

    # --- what is done -------------------------------------------------------------------------------------

    def _do(self, channel: Channel, action: str, incident: Incident, now: float) -> Outcome:
        by = channel.who or channel.name
        if action == LOG:
            self._shown[incident.instance] = now
            return Outcome(True, "The last events follow.", incident, events=True)
        self._store.use_buttons(incident.id, now)
        if action == SOFT:
            self._begin(GUARD, incident, by, now)
            self._store.save_incident(incident)
            return Outcome(True, "First a look at what speaks against it.", incident)
        if action == SOFT_NO:
            return Outcome(True, "Nothing was done.", incident, tell=True)
        note = f"{by}: {LABELS[action]}"
        if action in SNOOZE:
            incident.snoozed_until = now + SNOOZE[action]
            answer = f"You are asked again at {when(incident.snoozed_until, self._settings.zone, now)}."
        elif action == MINE:
            _take_on(incident, by, now)
            answer = "It is yours; nobody else is asked."
        elif action == PUSH:
            self._push(incident, by, now)
            answer = "The login starts; the push comes in a moment."
        else:
            self._begin(SOFT_RESTART, incident, by, now)
            _take_on(incident, by, now)
            answer = "The restart has been asked for."
        self._store.save_incident(incident)
        return Outcome(True, answer, incident, tell=True, note=note)

    def _push(self, incident: Incident, by: str, now: float) -> None:
        self._begin(CONSENT, incident, by, now)
        if incident.kind in LOGIN_KINDS:
            return
        _take_on(incident, by, now)
        if talk := self._login_of(incident.instance):
            login.press(talk, by, now)
            self._store.save_incident(talk)

    def _begin(self, unit: str, incident: Incident, by: str, now: float) -> None:
        name = unit.format(incident.instance)
        self._actions.start(name)
        login.press(incident, by, now)
        incident.detail["pressed"]["unit"] = name


def _against(result: Result) -> str:
    """What the guard found, in a sentence; it answers with a JSON list."""
    if not result.ok:
        return f"What speaks against it could not be found out: {clean(result.text)}"
    try:
        found = [clean(str(finding["text"]), 120) for finding in json.loads(result.text)]
    except (ValueError, TypeError, KeyError):
        return "What speaks against it could not be found out."
    return f"Against it: {'; '.join(found)}." if found else "Nothing speaks against it."


def _take_on(incident: Incident, by: str, now: float) -> None:
    if incident.acknowledged is None:
        incident.acknowledged, incident.acknowledged_by = now, by


# --- what a message gets ----------------------------------------------------------------------------------


def offers(incident: Incident, view: InstanceView | None, now: float) -> list[str]:
    """The actions that an incident's message offers.

    Args:
        incident: open.
        view: what is known of its instance; None for the host.
        now: seconds since the epoch.
    """
    if view is not None and incident.kind in LOGIN_KINDS:
        return login.actions(incident, view, now)
    found = []
    if view is not None:
        if incident.kind in PUSH_KINDS and view.state in NEEDS_LOGIN:
            found += [PUSH]
        if incident.kind in SOFT_KINDS and view.ready:
            found += [SOFT]
    if incident.severity != "info" and incident.acknowledged is None:
        # A snooze is for what is told again and again, and passed on.
        found += [LATER_30, LATER_120, MINE] if incident.severity != "warning" else [MINE]
    return [*found, LOG] if view is not None and incident.severity != "info" else found


def make_buttons(store: Store, incident: Incident, actions: Sequence[str], now: float) -> tuple[Button, ...]:
    """Make a message's buttons, and make them good. Call it inside a transaction.

    Args:
        store: where they are kept.
        incident: stored, so that it has a number.
        actions: as `offers` or `compose_login` gives them.
        now: seconds since the epoch.
    """
    made = tuple(Button(action, LABELS[action], nonce()) for action in actions)
    for button in made:
        expires = now + SECONDS.get(button.action, A_DAY)
        store.add_button(button, incident.instance, incident.id, expires)
    return made


def nonce() -> str:
    """A name for one button that nobody can guess: 16 characters, 80 random bits."""
    # As `secrets` does, which would load OpenSSL for it.
    return base64.b32encode(os.urandom(10)).decode()


def events_message(view: InstanceView, now: float, context: Context) -> Message:
    """The last events of an instance, as a message.

    Args:
        view: what is known of it.
        now: seconds since the epoch.
        context: the situation.
    """
    lines = []
    for event in view.recent:
        said = event["detail"].get("text") or event["detail"].get("reason") or ""
        tail = f": {clean(said, 120)}" if isinstance(said, str) and said else ""
        lines.append(f"{when(event['time'], context.zone, now, seconds=True)} {clean(event['type'])}{tail}")
    return compose(
        "info",
        headline("info", view.name, context.host, "Last events"),
        "\n".join(lines) or "There are none.",
        machine=f"It is {view.state}{f': {clean(view.status)}' if view.status else ''}.",
        you=f"More: sudo ibgatewayctl log {view.name}",
        next_step=NO_MORE,
    )
