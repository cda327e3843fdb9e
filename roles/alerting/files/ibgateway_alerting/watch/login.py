"""The login conversation: one message that asks, counts down, and says how it ended.

    asked → (pressed) started → push sent → answered → ready
                    ↓ not begun   ↓ missed     (both ask again)

How far the login has come is `view.login`, from the events. What people did is in the incident's `detail`:
`pressed` and `refused`. Both outlive the watcher, and `phase` needs nothing else. A press takes the question
on only until the conversation asks again: the escalation stands still while the phase is none of ASKING.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..catalogue import entry
from ..model import EDIT, EDIT_OR_SEND, SEND, Incident, Message
from ..text import clean, countdown, duration, when
from .compose import NO_MORE, Context, compose, escalated, headline
from .view import ANSWERED, ASKED, FAILED, MISSED, PUSH_SENT, READY, STARTED, InstanceView

DEFERRED, REFUSED = "deferred", "refused"
"""Phases that are not in the view: the login waits for a window's end; no login came of a press."""
ASKING = (ASKED, MISSED, REFUSED)
"""The phases in which the machine waits for a person's word."""
ENDS = (READY, FAILED)
"""The phases that resolve the incident."""
COUNTDOWN = 15.0
"""Seconds between two changes of the message while a push waits."""
BEGINS_WITHIN = 240.0
"""Seconds from a press to the launcher's next event: logging out takes 55 s at most, Java's start 120 s."""

PUSH, LATER_30, LATER_120, MINE = "push", "later_30", "later_120", "mine"


# --- phases -----------------------------------------------------------------------------------------------


def press(incident: Incident, by: str, now: float) -> None:
    """Note that somebody asked for the push.

    Args:
        incident: the open incident of the conversation.
        by: who.
        now: seconds since the epoch.
    """
    incident.detail["pressed"] = {"by": by, "time": now}
    incident.detail.pop("refused", None)


def refuse(incident: Incident, sentence: str, now: float) -> None:
    """Note that the login that somebody asked for was not begun.

    Args:
        incident: the open incident of the conversation.
        sentence: why.
        now: seconds since the epoch.
    """
    incident.detail["refused"] = {"text": sentence, "time": now}


def phase(incident: Incident, view: InstanceView, now: float) -> str:
    """How far the conversation has come; empty when there is none.

    Args:
        incident: the incident of the conversation.
        view: what is known of its instance.
        now: seconds since the epoch.
    """
    login = view.login
    if login is None:
        return ""
    if login.phase in (ASKED, MISSED):
        if _later(incident, "refused", login.since):
            return REFUSED
        if _later(incident, "pressed", login.since):
            return STARTED if now < incident.detail["pressed"]["time"] + BEGINS_WITHIN else REFUSED
    if login.phase in (ASKED, STARTED, MISSED) and view.state == "deferred":
        return DEFERRED
    return login.phase


def _later(incident: Incident, what: str, moment: float) -> bool:
    return incident.detail.get(what, {}).get("time", moment - 1) >= moment


# --- words ------------------------------------------------------------------------------------------------


def mode(now_in: str, told: str) -> str:
    """How a phase's message reaches people: the first one rings, the others change it.

    Args:
        now_in: the phase to tell.
        told: the phase that was told last; empty when none was.
    """
    if not told:
        return SEND
    # Where a message cannot be changed, only what somebody must know or do is worth another one.
    return EDIT if now_in in (told, STARTED, ANSWERED) else EDIT_OR_SEND


def compose_login(
    incident: Incident, view: InstanceView, now: float, context: Context, *, later: bool = False
) -> tuple[Message, list[str]]:
    """Word the phase that the conversation is in.

    Args:
        incident: the incident of the conversation.
        view: what is known of its instance; it has a `login`.
        now: seconds since the epoch.
        context: the situation; `extra` names `budget_logins`, how many logins the budget allows altogether.
        later: it goes to those who are told when nobody took it on.

    Returns:
        the message without its buttons, and the buttons' actions.
    """
    now_in = phase(incident, view, now)
    words = _WORDS[now_in](_Case(incident, view, now, context))
    title, first = words.title, words.happened
    if later:
        title, first = escalated(incident, title, first, context)
    message = compose(
        words.severity,
        headline(words.severity, incident.instance, context.host, title),
        first,
        since=when(_since(incident, view, now_in), context.zone, now, seconds=True),
        machine=words.machine,
        you=words.you,
        next_step=_next(incident, view, now_in, now, context),
        explain="" if now_in in ENDS else incident.kind,
    )
    return message, actions(incident, view, now)


def compose_past(incident: Incident, view: InstanceView, now: float, context: Context) -> Message:
    """Word what becomes of the message so far when another one, which rings, takes the conversation on.

    Args:
        incident: the incident of the conversation.
        view: what is known of its instance; it has a `login`.
        now: seconds since the epoch.
        context: the situation, as for `compose_login`.

    Returns:
        the message, without buttons.
    """
    now_in = phase(incident, view, now)
    words = _WORDS[now_in](_Case(incident, view, now, context))
    return compose(
        "info",
        headline("info", incident.instance, context.host, words.title),
        words.happened,
        since=when(_since(incident, view, now_in), context.zone, now, seconds=True),
        machine="It goes on in the message that follows.",
        you="Read that one.",
        next_step="nothing more in this one.",
    )


def actions(incident: Incident, view: InstanceView, now: float) -> list[str]:
    """What can be pressed in the phase that the conversation is in.

    Args:
        incident: the incident of the conversation.
        view: what is known of its instance.
        now: seconds since the epoch.
    """
    now_in = phase(incident, view, now)
    if now_in not in ASKING or (now_in == MISSED and view.policy == "auto"):
        return []
    return [PUSH, LATER_30, LATER_120, *([] if incident.acknowledged else [MINE])]


def outcome(view: InstanceView) -> str:
    """How a conversation that got ready ended, in a few words: `Approved, ready after 21 s`.

    Args:
        view: what is known of its instance; it has a `login`.
    """
    login = view.login
    begun = login.push_sent if login.push_sent is not None else login.started
    took = "" if begun is None else f" after {duration(login.since - begun)}"
    return f"Approved, ready{took}" if login.answered is not None else f"Ready{took}"


@dataclass(frozen=True)
class _Words:
    severity: str
    title: str
    happened: str
    machine: str
    you: str


@dataclass(frozen=True)
class _Case:
    incident: Incident
    view: InstanceView
    now: float
    context: Context

    def clock(self, moment: float) -> str:
        return when(moment, self.context.zone, self.now, seconds=True)

    @property
    def left(self) -> str:
        """How many logins are left, as in `2 of 3 left`; empty when nobody knows."""
        of = self.context.extra.get("budget_logins")
        left = self.view.budget_left
        return "" if left is None else f"{left} of {of} left" if of else f"{left} left"

    @property
    def ask_for_it(self) -> str:
        left = f" Logins: {self.left}." if self.left else ""
        return f"Phone in hand? Press “Send me the push”, or: sudo ibgatewayctl login {self.view.name}.{left}"


def _since(incident: Incident, view: InstanceView, now_in: str) -> float:
    if now_in == REFUSED and "refused" in incident.detail:
        return incident.detail["refused"]["time"]
    if now_in == STARTED and view.login.phase != STARTED:
        return incident.detail["pressed"]["time"]
    return view.login.since


_FOLLOWS = {
    STARTED: "a message when the push is on its way.",
    DEFERRED: "a message when the login goes on.",
    PUSH_SENT: "a message when you have answered, or the time is over.",
    ANSWERED: "a message when Gateway is ready.",
}


def _next(incident: Incident, view: InstanceView, now_in: str, now: float, context: Context) -> str:
    if now_in in ENDS:
        return NO_MORE
    if now_in in _FOLLOWS:
        return _FOLLOWS[now_in]
    if incident.snoozed_until and incident.snoozed_until > now:
        return f"it asks again at {when(incident.snoozed_until, context.zone, now)}."
    if incident.acknowledged:
        return f"{incident.acknowledged_by} is on it; nobody else is asked."
    return context.next_step or f"a reminder, as long as {view.name} is not logged in."


def _asked(case: _Case) -> _Words:
    login = case.view.login
    weekly = login.reason == "weekly_login"
    why = clean(login.text)
    due = "The weekly login is due." if weekly else f"A login is due{f': {why}' if why else ''}."
    goes_on = " What runs goes on running until then." if case.view.state == "ready" else ""
    words = entry("login").words({})
    return _Words(
        case.incident.severity,
        f"Weekly login: {words.title[0].lower()}{words.title[1:]}" if weekly else words.title,
        f"{due} It needs IB Key on your phone, so it waits for your word.",
        f"{words.machine}{goes_on}",
        case.ask_for_it,
    )


def _started(case: _Case) -> _Words:
    pressed = case.incident.detail.get("pressed")
    by = f", asked for by {pressed['by']}" if pressed else ""
    return _Words(
        "info",
        "Logging in, the push comes in a moment",
        f"A login has begun{by}.",
        "It starts Gateway and submits user name and password; then IBKR sends the push.",
        "Have your phone in hand.",
    )


def _deferred(case: _Case) -> _Words:
    until = case.view.deferred_until
    end = f" until {case.clock(until)}" if until is not None else ""
    return _Words(
        "info",
        f"Login put off{end}",
        f"A login is due but not allowed yet: {clean(case.view.status)}.",
        f"It waits{end}, then goes on by itself. Has your consent expired by then, it asks again.",
        "Nothing.",
    )


def _push_sent(case: _Case) -> _Words:
    ends = case.view.login.push_ends
    return _Words(
        "action",
        f"Approve IB Key now, {countdown(ends - case.now)} left",
        f"IBKR has sent a push to IB Key on your phone. It is good until {case.clock(ends)}.",
        "It waits for your answer.",
        "Open IBKR Mobile and approve. No notification? Open the app by hand: the request may wait there. "
        "Never approve a login you do not expect.",
    )


def _answered(case: _Case) -> _Words:
    login = case.view.login
    took = "" if login.push_sent is None else f" {duration(login.answered - login.push_sent)} after it came"
    return _Words(
        "info",
        "IB Key answered",
        f"The push was answered{took}.",
        "It waits until Gateway is logged in and its API answers.",
        "Nothing. Was it not you who answered? Change your IBKR password.",
    )


def _ready(case: _Case) -> _Words:
    return _Words(
        "info",
        outcome(case.view),
        "IB Gateway is logged in and its API answers.",
        "It keeps the session.",
        "Nothing.",
    )


def _missed(case: _Case) -> _Words:
    kind = case.incident.kind if case.incident.kind != "login" else "push_missed"
    words = entry(kind).words({"policy": case.view.policy})
    again = case.view.budget_next
    at = f" Not before {case.clock(again)}." if again is not None and again > case.now else ""
    return _Words(
        case.incident.severity,
        f"{words.title}{f', {case.left}' if case.left else ''}",
        words.happened,
        f"{words.machine}{at}",
        words.you.replace("{name}", case.view.name),
    )


def _refused(case: _Case) -> _Words:
    refused = case.incident.detail.get("refused")
    why = clean(refused["text"]) if refused else f"nothing was heard of it in {duration(BEGINS_WITHIN)}"
    return _Words(
        case.incident.severity,
        "Login not begun",
        f"The login was not begun: {why}.",
        entry("login").words({}).machine,
        f"Is that out of the way? {case.ask_for_it}",
    )


def _failed(case: _Case) -> _Words:
    why = clean(case.view.login.text)
    return _Words(
        "info",
        "Login ended",
        f"This login has ended{f': {why}' if why else ''}.",
        "It sends nothing more to IBKR. What is wrong comes in a message of its own.",
        f"See how it is: sudo ibgatewayctl status {case.view.name}",
    )


_WORDS = {
    ASKED: _asked,
    STARTED: _started,
    DEFERRED: _deferred,
    PUSH_SENT: _push_sent,
    ANSWERED: _answered,
    READY: _ready,
    MISSED: _missed,
    REFUSED: _refused,
    FAILED: _failed,
}
