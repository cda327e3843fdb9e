"""`ibgatewayctl incidents`, and the incidents in `status`: what the watcher knows to be wrong."""

from __future__ import annotations

import time
from datetime import UTC, datetime, tzinfo

from . import ctl_explain
from .ctl_alerting import Alerting
from .ctl_host import CtlError
from .session import duration

KEPT_DAYS = 30
HOST = "host"
"""What an incident of the machine itself is listed under."""
_TIMES = ("opened", "told", "acknowledged", "snoozed_until", "resolved")
_COLOURS = {"critical": "31", "action": "33", "warning": "33"}


def show(names: list[str], *, every: bool, colour: bool, now: float | None = None) -> tuple[str, list[dict]]:
    """Incidents, for people and for scripts.

    Args:
        names: instances; none means all, and the machine itself.
        every: also those that are over.
        colour: use terminal colours.
        now: seconds since the epoch; default: the clock.

    Returns:
        the lines to print, and the same as dicts.

    Raises:
        CtlError: there is no alerting here, or its database cannot be read.
    """
    now = time.time() if now is None else now
    alerting = Alerting()
    found = alerting.incidents(since=now - KEPT_DAYS * 86400 if every else None)
    found = [incident for incident in found if not names or incident["instance"] in names]
    if not found:
        return (
            "nothing is wrong, as far as the watcher knows" if not every else "nothing was wrong lately",
            [],
        )
    titles = _titles()
    lines = [_lines(one, titles, alerting.zone, now, colour=colour) for one in found]
    return "\n".join(lines), [as_dict(incident, titles) for incident in found]


def open_by_instance() -> dict[str, list[dict]] | None:
    """Open incidents by instance, for `status`; None where nobody can tell: no alerting, or not readable."""
    try:
        found = Alerting().incidents()
    except CtlError:
        return None
    titles = _titles()
    by: dict[str, list[dict]] = {}
    for incident in found:
        by.setdefault(incident["instance"], []).append(as_dict(incident, titles))
    return by


def as_dict(incident: dict, titles: dict[str, str]) -> dict:
    """An incident for JSON: times in RFC 3339, and its title."""
    shown = {key: _stamp(value) if key in _TIMES else value for key, value in incident.items()}
    return {**shown, "title": titles.get(incident["kind"], incident["kind"])}


def _titles() -> dict[str, str]:
    try:
        return {section.id: section.title for section in ctl_explain.sections().values()}
    except CtlError:
        return {}


def _stamp(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _lines(incident: dict, titles: dict[str, str], zone: tzinfo, now: float, *, colour: bool) -> str:
    severity = incident["severity"]
    shown = f"{severity:8}"
    if colour and severity in _COLOURS and incident["resolved"] is None:
        shown = f"\033[{_COLOURS[severity]}m{shown}\033[0m"
    title = titles.get(incident["kind"], incident["kind"])
    head = f"{incident['id']:>5}  {shown}  {incident['instance'] or HOST:10}  {title} ({incident['kind']})"
    return f"{head}\n       {_clock(incident['opened'], zone)}, {_standing(incident, zone, now)}"


def _standing(incident: dict, zone: tzinfo, now: float) -> str:
    if incident["resolved"] is not None:
        lasted = duration(incident["resolved"] - incident["opened"])
        return f"over after {lasted}" + (f": {incident['outcome']}" if incident["outcome"] else "")
    words = [f"open for {duration(now - incident['opened'])}"]
    if incident["acknowledged"] is not None:
        words.append(f"{incident['acknowledged_by'] or 'somebody'} is on it")
    elif incident["snoozed_until"] is not None and incident["snoozed_until"] > now:
        words.append(f"asks again {_clock(incident['snoozed_until'], zone)}")
    elif incident["told"] is None:
        words.append("not told yet")
    return ", ".join(words)


def _clock(moment: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(moment, UTC).astimezone(zone):%a %d %b %H:%M %Z}"
