"""An incident and its phase become a message, in the one layout that every message has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from ibgatewaylib.ctl_host import parse_time

from ..catalogue import Variant, entry
from ..model import HOST, Incident, Message
from ..text import clean, duration, times, when

OPENED, PROGRESS, ESCALATED, REMINDED, RESOLVED = "opened", "progress", "escalated", "reminded", "resolved"
PHASES = (OPENED, PROGRESS, ESCALATED, REMINDED, RESOLVED)

SHOWN = {
    "text": "In detail",
    "title": "Window",
    "type": "Event",
    "code": "Code",
    "attempt": "Attempt",
    "after": "Had run for",
    "exit_code": "Exit code",
    "signal": "Signal",
    "farms": "Farms",
    "path": "On",
    "free": "Free",
    "channel": "Channel",
    "count": "In seven days",
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
        extra: by key: `policy` (consent, auto), `mode` (live, paper) and `remedy` (what the machine has
            begun) choose among the catalogue's words; `note`, a line that comes first; `who`, whom an
            escalation reaches; `flapping`, how often it has begun lately.
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
    title, first = {
        OPENED: (words.title, words.happened),
        PROGRESS: (words.title, words.happened),
        ESCALATED: escalated(incident, words.title, words.happened, context),
        REMINDED: (
            f"Still: {words.title}",
            f"This has been so for {duration(context.now - incident.opened)}. {words.happened}",
        ),
    }[phase]
    return compose(
        incident.severity,
        headline(incident.severity, incident.instance, context.host, title),
        first,
        details=(*details(incident.detail, context), *_flapping(context)),
        since=_since(incident, context),
        machine=words.machine,
        you=words.you.replace("{name}", incident.instance),
        next_step=context.next_step,
        explain=known.id,
        note=clean(str(context.extra.get("note") or "")),
    )


def escalated(incident: Incident, title: str, happened: str, context: Context) -> tuple[str, str]:
    """Say to whoever is told later why it comes to them.

    Args:
        incident: what it is about.
        title: what it is called.
        happened: the first line.
        context: the situation.

    Returns:
        title and first line.
    """
    told = incident.opened if incident.told is None else incident.told
    who = context.extra.get("who")
    reader = f"{who}, this" if who else "This"
    why = f"{reader} comes to you because nobody took it on for {duration(context.now - told)}."
    return f"Nobody yet: {title}", f"{why} {happened}"


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
    note: str = "",
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
        note: a line that comes before all others: what somebody has just done.
    """
    lines = [
        *([note] if note else []),
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
    # A reason is the machine's own word for what a text says.
    shown_keys = SHOWN if detail.get("text") else {**SHOWN, "reason": "Reason"}
    for key, label in shown_keys.items():
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
        f"{_sentence(clean(incident.outcome)) or over} It lasted {lasted}.",
        since=f"{_since(incident, context)}, until {when(end, context.zone, context.now)}",
        machine="It goes on as usual.",
        you="Nothing.",
        next_step=context.next_step or NO_MORE,
    )


def _flapping(context: Context) -> tuple[str, ...]:
    often = context.extra.get("flapping")
    if not often:
        return ()
    return (
        f"It comes and goes: begun {times(often)} lately. It counts as over when it stays away for a while.",
    )


def _sentence(text: str) -> str:
    """With a capital letter and a full stop, as a sentence has them."""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else ""


def _since(incident: Incident, context: Context) -> str:
    return when(incident.opened, context.zone, context.now, seconds=True)
