"""The week as a picture: a bar for each instance, readable on a phone, and by people who see no colours."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from ibgatewaylib.timeline import DOWN, LOGIN, PARKED, READY, RESTART, STOPPED, UNKNOWN, Span
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..model import HOST
from .week import InstanceWeek, Week
from .words import percent

DPI = 100
WIDTH = 12.0
"""Inches: 1200 pixels."""
THINNEST = 30 * 60.0
"""Seconds that the shortest thing to see is wide: a restart takes a minute of 10,080."""

NAMED = 9 * 3600.0
"""Seconds of a day that must be seen for its name to fit."""

# Okabe and Ito's colours, which people with any colour vision tell apart; hatches tell them apart in grey.
LOOKS = {
    READY: ("#0072B2", "", "ready"),
    RESTART: ("#56B4E9", "", "planned restart"),
    LOGIN: ("#E69F00", "", "login"),
    PARKED: ("#F0E442", "xx", "waits for you"),
    DOWN: ("#D55E00", "//", "down"),
    STOPPED: ("#BBBBBB", "", "stopped"),
    UNKNOWN: ("#FFFFFF", "..", "not known"),
}
"""Each state's colour, hatch and name, in the order of the legend."""
WINDOW = "#D9D9D9"
INK = "#222222"
MARKS = {"critical": "black", "action": "black", "warning": "white", "info": "white"}
"""How an incident's mark is filled, by severity."""
BAR = 0.5
"""Height of a bar; a row is 1 high: its name, the bar, marks."""
HOST_ROW = 0.4
"""Height of the row that has only marks."""


def draw(week: Week, host: str, zone: ZoneInfo, file: Path) -> None:
    """Draw a week.

    Args:
        week: what it was like.
        host: how the operator calls this machine.
        zone: of the axis.
        file: the PNG to write.

    Raises:
        OSError: it cannot be written.
    """
    rows = [one for one in week.instances if not one.problem]
    of_host = any(one.instance == HOST for one in week.incidents)
    high = max(1, len(rows)) + (HOST_ROW if of_host else 0)
    inches = 2.05 + 1.15 * high
    figure = Figure(figsize=(WIDTH, inches), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.015, 1.3 / inches, 0.97, 1.15 * high / inches))
    axes.set_xlim(week.start, week.end)
    axes.set_ylim(high, 0)
    _draw_days(axes, week, zone)
    for number, row in enumerate(rows):
        _draw_row(axes, number, row)
        _draw_marks(axes, number + 0.3 + BAR + 0.1, week, row.name)
    if of_host:
        _draw_name(axes, week, len(rows), "host")
        _draw_marks(axes, len(rows) + 0.2, week, HOST)
    _draw_legend(figure, week, rows)
    ended = datetime.fromtimestamp(week.end, UTC).astimezone(zone)
    title = f"{host}: the week to {ended:%a} {ended.day} {ended:%b %Y, %H:%M %Z}"
    figure.text(0.015, 1 - 0.38 / inches, title, fontsize=21, fontweight="bold", color=INK, va="center")
    figure.savefig(file, format="png")


def _draw_row(axes, number: int, row: InstanceWeek) -> None:
    top = number + 0.3
    for start, end in row.windows:
        # Behind the bar for the eye to find, and on it, faintly, for what happened in a window.
        axes.broken_barh([(start, end - start)], (number, 1.0), facecolors=WINDOW, linewidth=0, zorder=0)
        axes.broken_barh(
            [(start, end - start)], (top, BAR), facecolors="black", alpha=0.18, linewidth=0, zorder=3
        )
    # What is short lies above what is long, and is made wide enough to be seen.
    for span in sorted(row.spans, key=lambda span: -span.seconds):
        width = max(span.seconds, THINNEST)
        start = min(span.start, row.spans[-1].end - width)
        colour, hatch, _ = LOOKS[span.state]
        axes.broken_barh(
            [(start, width)],
            (top, BAR),
            facecolors=colour,
            edgecolors="#444444" if hatch else colour,
            hatch=hatch,
            linewidth=0,
            zorder=2,
        )
    known = "" if row.uptime is None else f"   {percent(row.uptime)} ready"
    _draw_name(axes, row.spans[0], number, f"{row.name}{known}")


def _draw_name(axes, begins: Week | Span, number: int, name: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axes.text(begins.start, number + 0.15, name, fontsize=17, color=INK, va="center", zorder=4, bbox=box)


def _draw_marks(axes, at: float, week: Week, name: str) -> None:
    for one in week.incidents:
        if one.instance == name:
            axes.plot(
                [max(one.opened, week.start)], [at], marker="^", markersize=12, color=INK,
                markerfacecolor=MARKS[one.severity], markeredgewidth=1.6, zorder=5, clip_on=False,
            )  # fmt: skip


def _draw_days(axes, week: Week, zone: ZoneInfo) -> None:
    days = midnights(week.start, week.end, zone)
    for at in days:
        axes.axvline(at, color="#888888", linewidth=1, zorder=1)
    for left, right in itertools.pairwise([week.start, *days, week.end]):
        if right - left < NAMED:
            continue
        local = datetime.fromtimestamp((left + right) / 2, UTC).astimezone(zone)
        axes.text(
            (left + right) / 2, -0.03, f"{local:%a} {local.day}", fontsize=18, color=INK, ha="center",
            va="top", transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _draw_legend(figure: Figure, week: Week, rows: list[InstanceWeek]) -> None:
    seen = {span.state for row in rows for span in row.spans}
    handles: list = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="#444444", linewidth=0.5, label=words)
        for state, (colour, hatch, words) in LOOKS.items()
        if state in seen
    ]
    if any(row.windows for row in rows):
        handles.append(Patch(facecolor=WINDOW, label="reset window"))
    filled = {MARKS[one.severity] for one in week.incidents}
    for fill, words in (("black", "incident"), ("white", "warning")):
        if fill in filled:
            handles.append(
                Line2D([], [], marker="^", linestyle="", markersize=11, color=INK, markerfacecolor=fill,
                       markeredgewidth=1.6, label=words)
            )  # fmt: skip
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.003, -0.01), ncols=min(5, len(handles)),
        fontsize=16, frameon=False, handlelength=1.4, columnspacing=1.5, handletextpad=0.5,
    )  # fmt: skip


def midnights(start: float, end: float, zone: ZoneInfo) -> list[float]:
    """The instants between two others at which a day begins in a zone.

    Args:
        start: seconds since the epoch.
        end: the same.
        zone: whose days.
    """
    day = datetime.fromtimestamp(start, UTC).astimezone(zone).date() + timedelta(days=1)
    found = []
    while True:
        at = datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
        if at >= end:
            return found
        found.append(at)
        day += timedelta(days=1)
