"""The coming days as a table a person reads at a glance: in the operator's zone, and in New York's."""

from __future__ import annotations

from datetime import date, datetime, tzinfo

from . import zones
from .agenda import Entry
from .compiler import Schedule
from .rules import NEW_YORK


def table(schedule: Schedule, entries: list[Entry], zone: str = "") -> str:
    """Return the lines to print.

    Args:
        schedule: whose.
        entries: from `agenda`.
        zone: the operator's zone; the schedule's own where it is empty.

    Raises:
        UnknownZoneError: there is no such zone.
    """
    name = zone or schedule.timezone
    local, york = zones.find(name), zones.find(NEW_YORK)
    beside = name != NEW_YORK
    known = "" if schedule.region_known else ", assumed until the first login"
    rows = [("", name, NEW_YORK if beside else "", "")]
    shown: date | None = None
    for entry in entries:
        day = entry.start.astimezone(local).date()
        head = "" if day == shown else f"{day:%a %d %b}"
        shown = day
        rows.append((head, _times(entry, local, day), _times(entry, york, day) if beside else "", entry.text))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{schedule.mode}, reset windows of {schedule.region}{known}"]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False) if width]
        lines.append("  ".join([*cells, row[3]]).rstrip())
    return "\n".join([*lines, *schedule.warnings]) + "\n"


def _times(entry: Entry, zone: tzinfo, row: date) -> str:
    """Return an entry's time in a zone, with the weekday where it is not the row's, nor its beginning's."""
    start = entry.start.astimezone(zone)
    text = _clock(start, row)
    return text if entry.end is None else f"{text}-{_clock(entry.end.astimezone(zone), start.date())}"


def _clock(moment: datetime, day: date) -> str:
    return f"{moment:%H:%M}" if moment.date() == day else f"{moment:%a %H:%M}"
