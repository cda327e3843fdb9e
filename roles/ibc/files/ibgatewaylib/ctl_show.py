"""`ibgatewayctl` for people: lines that can be read at a glance."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from .ctl_host import parse_time
from .schedule import zones
from .session import duration

_COLOURS = {"ready": "32", "parked": "31", "failed": "31", "two_factor": "33", "deferred": "33",
            "stopped": "2"}  # fmt: skip
_APPOINTMENTS = {"restart": "daily restart", "login": "weekly login"}
NEXT_STEPS = {
    "parked": "settle the cause, then `ibgatewayctl login {name}`",
    "failed": "see `ibgatewayctl log {name}`, then `ibgatewayctl {verb} {name}`",
    "stopped": "`ibgatewayctl {verb} {name}`",
    "two_factor": "approve IB Key on the phone",
}


def status_lines(status: dict, *, colour: bool, now: float | None = None) -> list[str]:
    """One instance.

    Args:
        status: as `Host.status` gives it.
        colour: use terminal colours.
        now: seconds since the epoch; default: the clock.

    Returns:
        the lines, without line ends.
    """
    name, state = status["instance"], status["state"]
    shown = state.replace("_", " ")
    if colour and state in _COLOURS:
        shown = f"\033[{_COLOURS[state]}m{shown}\033[0m"
    head = f"{name}  {status['mode']}  {shown}"
    since = parse_time(status.get("since"))
    if since:
        age = duration((time.time() if now is None else now) - since)
        head += f"  since {status['since'][:10]} {status['since'][11:19]} UTC ({age})"
    lines = [head]
    if status.get("status") and status["status"] != state:
        lines.append(f"  {status['status']}")
    lines.append(
        f"  API 127.0.0.1:{status['api_port']}, Gateway {status['gateway_version']}, "
        f"IBC {status['ibc_version']}, unit {status['unit']['active_state']} ({status['unit']['sub_state']})"
    )
    if status["pending"]:
        lines.append(f"  restart pending: {', '.join(status['pending'])}; the next start uses it")
    zone = status.get("timezone", "UTC")
    if state == "deferred" and status.get("deferred_until"):
        lines.append(
            f"  deferred until {local_time(status['deferred_until'], zone)}, then it goes on by itself"
        )
    lines.append(f"  login by {status['login']}, {budget_line(status['budget'], zone)}")
    if coming := status.get("next_appointment"):
        lines.append(f"  next: {_APPOINTMENTS[coming['kind']]} {local_time(coming['at'], zone)}")
    for key, entry in sorted((status.get("readback") or {}).items()):
        if isinstance(entry, dict) and entry.get("ok") is False:
            lines.append(f"  differs: {key} is {entry.get('found')}, wanted is {entry.get('wanted')}")
    for incident in status.get("incidents") or []:
        lines.append(
            f"  incident {incident['id']}: {incident['title']}, see `ibgatewayctl explain {incident['id']}`"
        )
    if last := status.get("last_event"):
        lines.append(f"  last event: {event_line(last)}")
    if hint := next_step(status):
        lines.append(f"  to do: {hint}")
    return lines


def status_table(found: list[dict], of_host: list[dict], *, colour: bool) -> list[str]:
    """Every instance in one line: state, since when, next appointment, open incidents; more where it waits.

    Args:
        found: as `Host.status` gives them, with `incidents`.
        of_host: open incidents of the machine itself.
        colour: use terminal colours.
    """
    rows = [_row(status) for status in found]
    if of_host:
        rows.append(["host", "", "", "", _incidents(of_host)])
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        code = _COLOURS.get(row[1].replace(" ", "_"))
        if colour and code:
            cells[1] = f"\033[{code}m{cells[1]}\033[0m"
        lines.append("  ".join([*cells, row[4]]).rstrip())
    return lines


def _row(status: dict) -> list[str]:
    zone = status.get("timezone", "UTC")
    since = _short_time(status.get("since"), zone)
    coming = status.get("next_appointment")
    what = f"next: {_APPOINTMENTS[coming['kind']]} {_short_time(coming['at'], zone)}" if coming else ""
    incidents = status.get("incidents")
    more = ["incidents unknown" if incidents is None else _incidents(incidents)]
    if status.get("pending"):
        more.append("restart pending")
    if status.get("status") and status["state"] != "ready" and status["status"] != status["state"]:
        more.append(status["status"])
    return [
        status["instance"],
        status["state"].replace("_", " "),
        f"since {since}" if since else "",
        what,
        "; ".join(more),
    ]


def _incidents(incidents: list[dict]) -> str:
    if not incidents:
        return "no incident"
    named = ", ".join(incident["title"] for incident in incidents)
    return f"{len(incidents)} open: {named}"


def _short_time(text: str | None, zone: str) -> str:
    moment = parse_time(text)
    if moment is None:
        return ""
    return f"{datetime.fromtimestamp(moment, UTC).astimezone(zones.find(zone)):%a %d %b %H:%M %Z}"


def next_step(status: dict) -> str:
    """What the operator can do about an instance's state; empty when there is nothing to do."""
    resumes = "without a login" in str(status.get("status"))
    verb = "login" if status.get("login") == "consent" and not resumes else "start"
    return NEXT_STEPS.get(status["state"], "").format(name=status["instance"], verb=verb)


def local_time(text: str | None, zone: str) -> str:
    """A time stamp as an operator reads it, such as `Sun 29 Nov 09:30 America/New_York`; empty for none.

    Rounded up to the full minute: it says from when on something is possible.
    """
    moment = parse_time(text)
    if moment is None:
        return ""
    moment = -(-moment // 60) * 60
    return f"{datetime.fromtimestamp(moment, UTC).astimezone(zones.find(zone)):%a %d %b %H:%M} {zone}"


def budget_line(budget: dict, zone: str) -> str:
    """What the login budget allows."""
    if budget.get("problem"):
        return budget["problem"]
    if budget["left"]:
        later = parse_time(budget.get("next_allowed"))
        soon = later is None or later <= time.time()
        after = "" if soon else f", the next one from {local_time(budget['next_allowed'], zone)} on"
        return f"login budget: {budget['left']} left{after}"
    return f"login budget used up, one is free again {local_time(budget.get('next_allowed'), zone)}"


def event_line(event: dict) -> str:
    """One event: time in UTC, type, and its details as key=value."""
    details = " ".join(
        f"{key}={value}" for key, value in event.get("detail", {}).items() if value not in ("", None)
    )
    stamp = str(event.get("time", ""))
    return f"{stamp[:10]} {stamp[11:19]} UTC  {event.get('type', '?')}  {details}".rstrip()
