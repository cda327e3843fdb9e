"""The week in words: a sign of life that fits a phone's screen."""

from __future__ import annotations

from ibgatewaylib.timeline import DOWN, PARKED, STOPPED

from ..catalogue import entry
from ..model import HOST, Incident, Message
from ..settings import Settings
from ..text import clean, duration, when
from ..watch.compose import compose, headline
from .week import InstanceWeek, Week

MOST = 5
"""Incidents that are listed; the rest are counted."""


def message(week: Week, settings: Settings) -> Message:
    """Word a week.

    Args:
        week: what it was like.
        settings: host and zone.

    Returns:
        the message, without its picture.
    """
    return compose(
        "info",
        headline("info", HOST, settings.host, _title(week)),
        "\n".join(["The last seven days.", *(_instance(one) for one in week.instances), *_incidents(week)]),
        machine="It tells this every week, also as a sign of life. Should it not come, look at the host.",
        you=_you(week),
        next_step=_next(week, settings),
    )


def percent(part: float) -> str:
    """A part of 1, and never 100 % when it was less.

    Args:
        part: from 0 to 1.
    """
    if part >= 1:
        return "100 %"
    return f"{min(part * 100, 99.99):.2f} %" if part > 0.999 else f"{part * 100:.1f} %"


def _title(week: Week) -> str:
    parts = [f"{one.name} {percent(one.uptime)}" for one in week.instances if one.uptime is not None]
    taps = sum(len(one.approvals) for one in week.instances)
    return f"The week: {', '.join(parts) or 'nothing is known'} ready, {_count(taps, 'tap')}"


def _instance(one: InstanceWeek) -> str:
    if one.problem:
        return f"{one.name}: not known: {clean(one.problem)}"
    if one.uptime is None:
        return f"{one.name}: stopped all week." if one.seconds(STOPPED) else f"{one.name}: no events."
    parts = [f"ready {percent(one.uptime)}"]
    for state, words in ((DOWN, "down"), (PARKED, "waiting for you"), (STOPPED, "stopped")):
        if one.seconds(state) >= 1:
            parts.append(f"{words} {duration(one.seconds(state))}")
    parts += [_count(one.token_restarts, "restart") + " without a tap", _count(one.logins, "login")]
    if one.pushes:
        approved = f", approved in {duration(one.approve)}" if one.approve is not None else ""
        missed = f", {one.missed} missed" if one.missed else ""
        parts.append(f"{_count(one.pushes, 'push', 'pushes')}{approved}{missed}")
    return f"{one.name}: {'; '.join(parts)}."


def _incidents(week: Week) -> list[str]:
    told = week.incidents
    if not told:
        return ["Incidents: none."]
    lines = [f"Incidents: {len(told)}."]
    lines += [f"- {_incident(one, week)}" for one in told[:MOST]]
    return lines + (
        [f"- and {len(told) - MOST} more: sudo ibgatewayctl incidents"] if len(told) > MOST else []
    )


def _incident(one: Incident, week: Week) -> str:
    where = f"{one.instance}: " if one.instance else ""
    words = entry(one.kind).words(one.detail).title
    if one.resolved is None:
        return f"{where}{words}, still, for {duration(week.end - one.opened)}"
    return f"{where}{words}, {duration(one.resolved - one.opened)}"


def _you(week: Week) -> str:
    if any(one.resolved is None and one.severity in ("action", "critical") for one in week.incidents):
        return "Look at what is still open: sudo ibgatewayctl incidents"
    return "Nothing."


def _next(week: Week, settings: Settings) -> str:
    coming = []
    for one in week.instances:
        kind = "login" if "login" in one.appointments else "restart"
        if kind in one.appointments:
            at = one.appointments[kind]
            what = "weekly login" if kind == "login" else "restart"
            coming.append((at, f"{what} of {one.name} at {when(at, settings.zone, week.end)}"))
    return "; ".join(text for _, text in sorted(coming)) + "." if coming else ""


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
