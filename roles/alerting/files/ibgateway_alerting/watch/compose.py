"""An incident and its phase become a message, in the one layout that every message has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from ibgatewaylib.ctl_host import parse_time

from ..catalogue import Variant, entry
from ..model import HOST, Incident, Message
from ..text import clean, duration, when

OPENED, PROGRESS, ESCALATED, REMINDED, RESOLVED = "opened", "progress", "escalated", "reminded", "resolved"
PHASES = (OPENED, PROGRESS, ESCALATED, REMINDED, RESOLVED)

SHOWN = {
    "text": "In detail",
    "outcome": "Outcome",
    "title": "Window",
    "attempt": "Attempt",
    "after": "Had run for",
    "exit_code": "Exit code",
    "signal": "Signal",
    "farms": "Farms",
    "path": "On",
    "free": "Free",
    "channel": "Channel",
}
"""Parts of an incident's detail that may be shown, and what to call them. The others stay on the host."""
SHOWN_TIMES = {"until": "Until"}
"""The same for times, written in RFC 3339."""

NO_MORE = "no further message about this."
WHEN_OVER = "a message when it is over."
EXPLAIN = "sudo ibgatewayctl explain {}"


@dataclass(frozen=True)
class Context:
    """The situation in which a message is written.

    Attributes:
        host: how the operator calls this machine.
        now: seconds since the epoch.
        zone: the reader's.
        next_step: what comes next and when, such as "mail to Anna at 09:45 CET."; empty: a message when it is
            over.
        extra: by key: `policy` (consent, auto); `who`, whom an escalation reaches; `happened`, `machine` and
            `you` replace the catalogue's words, for progress.
    """

    host: str
    now: float
    zone: ZoneInfo
    next_step: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def message(incident: Incident, phase: str, context: Context) -> Message:
    """What people read about an incident.

    Args:
        incident: what it is about.
        phase: one of PHASES.
        context: the situation.

    Returns:
        the message, without buttons.
    """
    known = entry(incident.kind)
    words = known.words({**incident.detail, **context.extra})
    if phase == RESOLVED:
        return _resolved(incident, words, known.over, context)
    said = {key: str(context.extra.get(key) or getattr(words, key)) for key in ("happened", "machine", "you")}
    title, first = {
        OPENED: (words.title, said["happened"]),
        PROGRESS: (words.title, said["happened"]),
        ESCALATED: (f"Nobody yet: {words.title}", f"{_unanswered(incident, context)} {said['happened']}"),
        REMINDED: (
            f"Still: {words.title}",
            f"This has been so for {duration(context.now - incident.opened)}. {said['happened']}",
        ),
    }[phase]
    return compose(
        incident.severity,
        headline(incident.severity, incident.instance, context.host, title),
        first,
        details=details(incident.detail, context),
        since=_since(incident, context),
        machine=said["machine"],
        you=said["you"].replace("{name}", incident.instance),
        next_step=context.next_step,
        explain=known.id,
    )


def headline(severity: str, instance: str, host: str, words: str) -> str:
    """A message's title: `[action] live on vps1: IBKR link lost`."""
    return f"[{severity}] {host if instance == HOST else f'{instance} on {host}'}: {words}"


def compose(
    severity: str,
    title: str,
    happened: str,
    *,
    machine: str,
    you: str,
    since: str = "",
    next_step: str = "",
    details: Sequence[str] = (),
    explain: str = "",
) -> Message:
    """The one layout of every message.

    Args:
        severity: one of model.SEVERITIES.
        title: see `headline`.
        happened: the first line.
        machine: what the machine does.
        you: what the reader does now.
        since: when it began, as text.
        next_step: what comes next; empty: a message when it is over.
        details: evidence, one line each, see `details`.
        explain: which section of the runbook goes with it.
    """
    lines = [
        happened,
        *details,
        *([f"Since: {since}"] if since else []),
        f"The machine: {machine}",
        f"You: {you}",
        f"Next: {next_step or WHEN_OVER}",
        *([f"Runbook: {EXPLAIN.format(explain)}"] if explain else []),
    ]
    return Message(severity, title, "\n".join(lines))


def details(detail: Mapping[str, Any], context: Context) -> tuple[str, ...]:
    """The evidence that may be shown, one line each.

    Args:
        detail: an incident's; may hold foreign text, and things of any kind.
        context: the situation.
    """
    shown = []
    for key, label in SHOWN.items():
        value = detail.get(key)
        if isinstance(value, list | tuple):
            value = ", ".join(str(part) for part in value)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            shown.append(f"{label}: {clean(str(value))}")
    for key, label in SHOWN_TIMES.items():
        if (moment := parse_time(detail.get(key))) is not None:
            shown.append(f"{label}: {when(moment, context.zone, context.now)}")
    return tuple(shown)


def _resolved(incident: Incident, words: Variant, over: str, context: Context) -> Message:
    end = context.now if incident.resolved is None else incident.resolved
    lasted = duration(end - incident.opened)
    return compose(
        "info",
        headline("info", incident.instance, context.host, f"Over: {words.title}"),
        f"{clean(incident.outcome) or over} It lasted {lasted}.",
        since=f"{_since(incident, context)}, until {when(end, context.zone, context.now)}",
        machine=str(context.extra.get("machine") or "It goes on as usual."),
        you=str(context.extra.get("you") or "Nothing.").replace("{name}", incident.instance),
        next_step=context.next_step or NO_MORE,
    )


def _since(incident: Incident, context: Context) -> str:
    return when(incident.opened, context.zone, context.now, seconds=True)


def _unanswered(incident: Incident, context: Context) -> str:
    told = incident.opened if incident.told is None else incident.told
    who = context.extra.get("who")
    reader = f"{who}, this" if who else "This"
    return f"{reader} comes to you because nobody took it on for {duration(context.now - told)}."
