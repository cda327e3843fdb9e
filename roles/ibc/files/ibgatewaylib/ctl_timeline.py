"""`ibgatewayctl timeline`: the past week in the terminal, a line of blocks for each instance."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, time, timedelta, tzinfo

from . import ctl_history, ctl_plan, timeline
from .ctl_host import Host
from .schedule import zones
from .session import duration
from .timeline import DOWN, LOGIN, PARKED, READY, RESTART, STOPPED, UNKNOWN, Span

WINDOW = "window"
BLOCKS = {READY: "█", WINDOW: "▓", LOGIN: "L", DOWN: "░", STOPPED: "·", UNKNOWN: " "}
_WORDS = {
    READY: "ready",
    WINDOW: "ready, in a reset window",
    LOGIN: "login",
    DOWN: "down or parked",
    STOPPED: "stopped",
}
_COLOURS = {READY: "32", WINDOW: "36", LOGIN: "33", DOWN: "31"}
_SHOWN_AS = {PARKED: DOWN, RESTART: READY}
"""States without a block of their own: a planned restart is not worth one."""
_NARROW, _WIDE = 40, 168


def show(host: Host, names: list[str], *, days: int, colour: bool) -> tuple[str, list[dict]]:
    """The past days.

    Args:
        host: this host.
        names: known instances.
        days: how many.
        colour: use terminal colours.

    Returns:
        the lines to print, and the spans for scripts.

    Raises:
        CtlError: events or windows cannot be read.
    """
    now = ctl_history.now()
    start, end = (now - timedelta(days=days)).timestamp(), now.timestamp()
    label = max(map(len, names)) + 2
    width = max(_NARROW, min(_WIDE, shutil.get_terminal_size().columns - label))
    zone = zones.find(host.instance(names[0]).timezone)
    lines = [" " * label + _days(start, end, width, zone)]
    results, notes = [], []
    for name in names:
        instance = host.instance(name)
        events = ctl_history.read(instance.state_dir / "events.jsonl")
        found = timeline.spans(events, start, end)
        windows = ctl_plan.windows(instance).closures(int(start), int(end))
        cells = blocks(found, windows, start, end, width)
        lines.append(f"{name:{label}}{''.join(_block(cell, colour=colour) for cell in cells)}")
        logins = sum(kind == "login_submitted" and start <= when < end for when, kind, _ in events)
        notes.append(f"{name}: {_summary(found, logins)}")
        results.append(_result(name, found, windows, logins))
    legend = "  ".join(f"{_block(state, colour=colour)} {words}" for state, words in _WORDS.items())
    each = duration((end - start) / width)
    return "\n".join([*lines, "", f"{legend}  (a block is {each}, {zone})", *notes]), results


def blocks(
    found: list[Span], windows: list[tuple[int, int]], start: float, end: float, width: int
) -> list[str]:
    """What each block of a line shows: a login before a time down, that before a stop or a reset window.

    Args:
        found: spans that follow each other from the start to the end.
        windows: when logins and restarts were forbidden.
        start: seconds since the epoch.
        end: likewise.
        width: how many blocks.
    """
    step = (end - start) / width
    shown = []
    for number in range(width):
        left, right = start + number * step, start + (number + 1) * step
        spent: dict[str, float] = {}
        for span in found:
            inside = min(right, span.end) - max(left, span.start)
            if inside > 0:
                state = _SHOWN_AS.get(span.state, span.state)
                spent[state] = spent.get(state, 0.0) + inside
        closed = sum(max(0.0, min(right, closes) - max(left, opens)) for opens, closes in windows)
        if first := next((state for state in (LOGIN, DOWN) if state in spent), None):
            shown.append(first)
        elif spent.get(READY, 0.0) * 2 < step:
            shown.append(max((STOPPED, UNKNOWN), key=lambda state: spent.get(state, 0.0)))
        else:
            shown.append(WINDOW if closed > step / 2 else READY)
    return shown


def _block(state: str, *, colour: bool) -> str:
    block = BLOCKS[state]
    return f"\033[{_COLOURS[state]}m{block}\033[0m" if colour and state in _COLOURS else block


def _days(start: float, end: float, width: int, zone: tzinfo) -> str:
    """The names of the days, each above the block in which it begins."""
    line = [" "] * width
    day = datetime.fromtimestamp(start, UTC).astimezone(zone).date() + timedelta(days=1)
    free = 0
    while (moment := datetime.combine(day, time(), zone).timestamp()) < end:
        place = int((moment - start) / (end - start) * width)
        name = f"{day:%a %d}"
        if place >= free and place + len(name) <= width:
            line[place : place + len(name)] = name
            free = place + len(name) + 1
        day += timedelta(days=1)
    return "".join(line).rstrip()


def _summary(found: list[Span], logins: int) -> str:
    part = timeline.ready_share(found)
    if part is None:
        return "nothing is known of these days"
    words = [f"ready {part * 100:.1f} % of the time", f"{logins} login{'' if logins == 1 else 's'}"]
    longest = away = 0.0
    for span in found:
        away = away + span.seconds if span.state in (DOWN, PARKED, LOGIN) else 0.0
        longest = max(longest, away)
    if longest:
        words.append(f"longest away {duration(longest)}")
    return ", ".join(words)


def _result(name: str, found: list[Span], windows: list[tuple[int, int]], logins: int) -> dict:
    return {
        "instance": name,
        "ready": timeline.ready_share(found),
        "logins": logins,
        "spans": [{"from": _stamp(one.start), "to": _stamp(one.end), "state": one.state} for one in found],
        "windows": [{"from": _stamp(opens), "to": _stamp(closes)} for opens, closes in windows],
    }


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
