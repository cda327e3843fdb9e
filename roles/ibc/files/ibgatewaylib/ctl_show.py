"""`ibgatewayctl` for people: lines that can be read at a glance."""

from __future__ import annotations

import time

from .ctl_host import parse_time
from .session import duration

_COLOURS = {"ready": "32", "parked": "31", "failed": "31", "two_factor": "33", "stopped": "2"}
NEXT_STEPS = {
    "parked": "settle the cause, then `ibgatewayctl start {name}`",
    "failed": "see `ibgatewayctl log {name}`, then `ibgatewayctl start {name}`",
    "stopped": "`ibgatewayctl start {name}`",
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
    if last := status.get("last_event"):
        lines.append(f"  last event: {event_line(last)}")
    if state in NEXT_STEPS:
        lines.append(f"  next: {NEXT_STEPS[state].format(name=name)}")
    return lines


def event_line(event: dict) -> str:
    """One event: time in UTC, type, and its details as key=value."""
    details = " ".join(
        f"{key}={value}" for key, value in event.get("detail", {}).items() if value not in ("", None)
    )
    stamp = str(event.get("time", ""))
    return f"{stamp[:10]} {stamp[11:19]} UTC  {event.get('type', '?')}  {details}".rstrip()
