"""`ibgatewayctl timeline`: the past week in the terminal, a line of blocks for each instance."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, time, timedelta, tzinfo

from . import ctl_history, ctl_plan, timeline
from .ctl_host import Host
from .schedule import zones
from .session import duration
from .timeline import DOWN, LOGIN, READY, UNKNOWN, Stretch

WINDOW = "window"
BLOCKS = {READY: "█", WINDOW: "▓", LOGIN: "L", DOWN: "░", UNKNOWN: " "}
_WORDS = {READY: "ready", WINDOW: "ready, in a reset window", LOGIN: "login", DOWN: "down"}
_COLOURS = {READY: "32", WINDOW: "36", LOGIN: "33", DOWN: "31"}
NOTICED = 300.0
"""Seconds from which on a block shows that the instance was down: a restart by the token is not worth it."""
_NARROW, _WIDE = 40, 168


def show(host: Host, names: list[str], *, days: int, colour: bool) -> tuple[str, list[dict]]:
    """The past days.

    Args:
        host: this host.
        names: known instances.
        days: how many.
        colour: use terminal colours.

    Returns:
        the lines to print, and the stretches for scripts.

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
        found = timeline.stretches(events, start, end)
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
    found: list[Stretch], windows: list[tuple[int, int]], start: float, end: float, width: int
) -> list[str]:
    """What each block of a line shows: a login before a time down, that before a reset window.

    Args:
        found: stretches that cover the span.
        windows: when logins and restarts were forbidden.
        start: of the span, seconds since the epoch.
        end: likewise.
        width: how many blocks.
    """
    step = (end - start) / width
    shown = []
    for number in range(width):
        left, right = start + number * step, start + (number + 1) * step
        spent: dict[str, float] = {}
        for stretch in found:
            inside = min(right, stretch.end) - max(left, stretch.start)
            if inside > 0:
                spent[stretch.state] = spent.get(stretch.state, 0.0) + inside
        closed = sum(max(0.0, min(right, closes) - max(left, opens)) for opens, closes in windows)
        if spent.get(LOGIN):
            shown.append(LOGIN)
        elif spent.get(DOWN, 0.0) >= min(NOTICED, step / 2):
            shown.append(DOWN)
        elif spent.get(UNKNOWN, 0.0) > step / 2:
            shown.append(UNKNOWN)
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


def _summary(found: list[Stretch], logins: int) -> str:
    part = timeline.share(found, READY)
    if part is None:
        return "nothing is known of these days"
    away = [stretch for stretch in found if stretch.state in (DOWN, LOGIN)]
    words = [f"ready {part * 100:.1f} % of the time", f"{logins} login{'' if logins == 1 else 's'}"]
    if away:
        longest = max(away, key=lambda stretch: stretch.seconds)
        words.append(f"longest away {duration(longest.seconds)}")
    return ", ".join(words)


def _result(name: str, found: list[Stretch], windows: list[tuple[int, int]], logins: int) -> dict:
    return {
        "instance": name,
        "ready": timeline.share(found, READY),
        "logins": logins,
        "stretches": [
            {"from": _stamp(one.start), "to": _stamp(one.end), "state": one.state} for one in found
        ],
        "windows": [{"from": _stamp(opens), "to": _stamp(closes)} for opens, closes in windows],
    }


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
