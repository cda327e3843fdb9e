"""Reset windows: read from dated data, and whether a login or restart may start now.

Few imports: the launcher stays resident with this. Instants are time-zone-aware datetimes outside, whole
seconds since 1970 UTC inside.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path

from . import zones
from .regions import REGIONS

SHIPPED = Path(__file__).resolve().parent.parent / "reset_windows.toml"
MARGIN = 15 * 60
"""Seconds kept free before and after every closing window: the published times are approximate."""
OLD = 180
"""Days after which the data should be compared with IBKR's page again."""
LONGEST = 6 * 60
"""Minutes a daily window may last; more is a slip of the pen, such as `from` and `to` exchanged."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PAGE = "IBKR's system status page"

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


class BadWindowsError(ValueError):
    """The data of the reset windows cannot be used; the message is one sentence and names the remedy."""


class Window:
    """One window that comes back every day, or every week.

    Attributes:
        zone: the zone of its times; its name is `str(zone)`.
        day: the weekday on which it starts (Monday is 0), or None for every day.
        start: minutes after midnight of the first day.
        end: minutes after midnight of the first day, so beyond 1440 where it ends on a later one.
    """

    __slots__ = ("day", "end", "start", "zone")

    def __init__(self, zone: tzinfo, day: int | None, start: int, end: int) -> None:
        self.zone, self.day, self.start, self.end = zone, day, start, end

    def __str__(self) -> str:
        """Return it as in `23:45-01:45 America/New_York`."""
        if self.day is None:
            return f"{clock(self.start)}-{clock(self.end)} {self.zone}"
        last = DAYS[(self.day + self.end // 1440) % 7]
        return f"{DAYS[self.day]} {clock(self.start)} to {last} {clock(self.end)} {self.zone}"

    def occurrences(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the times it is open between two instants, in order, as pairs of instants.

        Where a clock change makes a wall time ambiguous, the window lasts as long as it possibly can.
        """
        span = timedelta(days=self.end // 1440 + 1)
        day = datetime.fromtimestamp(start, self.zone).date() - span
        last = datetime.fromtimestamp(end, self.zone).date() + timedelta(days=1)
        step = 1
        if self.day is not None:
            day += timedelta(days=(self.day - day.weekday()) % 7)
            step = 7
        days = range(0, (last - day).days + 1, step)
        opening = zones.readings(self.zone, day, self.start, days)
        closing = zones.readings(self.zone, day, self.end, days)
        times = ((opens, closes) for (opens, _), (_, closes) in zip(opening, closing, strict=True))
        return [(opens, closes) for opens, closes in times if closes > start and opens < end]


class RegionWindows:
    """The windows that count for an account hosted in one region.

    Attributes:
        region: its name.
        closing: no login and no restart starts in these, nor within MARGIN of them.
        quiet: interrupted links are usual in it and not worth an alert; logins and restarts go on.
    """

    __slots__ = ("closing", "quiet", "region")

    def __init__(self, region: str, closing: tuple[Window, ...], quiet: Window) -> None:
        self.region, self.closing, self.quiet = region, closing, quiet

    def is_in_window(self, instant: datetime) -> bool:
        """Return whether logins and restarts are forbidden at an instant."""
        return self.window_end(instant) is not None

    def window_end(self, instant: datetime) -> datetime | None:
        """Return when the windows around an instant, and their margin, are over (UTC), or None outside."""
        moment = _seconds(instant)
        for start, end in self.closures(moment - zones.DAY, moment + zones.DAY):
            if start <= moment < end:
                return datetime.fromtimestamp(end, UTC)
        return None

    def next_allowed(self, instant: datetime) -> datetime:
        """Return the first instant from this one on at which a login or restart may start."""
        return self.window_end(instant) or instant

    def open_window(self, instant: datetime) -> Window | None:
        """Return the window that forbids logins and restarts at an instant, for messages."""
        moment = _seconds(instant)
        for window in self.closing:
            if window.occurrences(moment - MARGIN, moment + MARGIN + 1):
                return window
        return None

    def is_quiet(self, instant: datetime) -> bool:
        """Return whether an interrupted link is usual at an instant and not worth an alert."""
        moment = _seconds(instant)
        return self.is_in_window(instant) or bool(self.quiet.occurrences(moment, moment + 1))

    def closures(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return when logins and restarts are forbidden, margins included, overlaps joined.

        Args:
            start: seconds since 1970 UTC.
            end: the same; closures that reach into the range are returned whole.
        """
        spans = sorted(
            (opens - MARGIN, closes + MARGIN)
            for window in self.closing
            for opens, closes in window.occurrences(start - MARGIN, end + MARGIN)
        )
        joined: list[tuple[int, int]] = []
        for opens, closes in spans:
            if joined and opens <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(closes, joined[-1][1]))
            else:
                joined.append((opens, closes))
        return joined


class ResetWindows:
    """All regions' windows, and the day somebody last compared them with IBKR's page."""

    __slots__ = ("_regions", "checked_on")

    def __init__(self, checked_on: date, regions: dict[str, RegionWindows]) -> None:
        self.checked_on, self._regions = checked_on, regions

    def region(self, name: str) -> RegionWindows:
        """Return one region's windows (`REGIONS` names them)."""
        return self._regions[name]

    def age_warning(self, today: date) -> str:
        """Return a sentence when the data is older than OLD days or from the future, else an empty text."""
        age = (today - self.checked_on).days
        if 0 <= age <= OLD:
            return ""
        when = f"{-age} days in the future" if age < 0 else f"{age} days ago"
        return (
            f"The reset windows were compared with {PAGE} {when} ({self.checked_on}): compare them again, "
            "then set ibc_reset_windows with today's date as checked_on."
        )


@lru_cache(maxsize=4)
def shipped() -> ResetWindows:
    """Return the windows that come with this project."""
    return load(SHIPPED)


def load(file: Path) -> ResetWindows:
    """Read windows from a file, TOML or (name ends in .json) JSON.

    Raises:
        BadWindowsError: it cannot be read or used.
    """
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            import json

            data = json.loads(text)
        else:
            import tomllib

            data = tomllib.loads(text)
    except OSError as error:
        raise BadWindowsError(f"{file} cannot be read ({error.strerror}): run the playbook again") from None
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise BadWindowsError(f"{file} is damaged ({reason}): run the playbook again") from None
    return parse(data, str(file))


def parse(data: object, source: str = "ibc_reset_windows") -> ResetWindows:
    """Check windows and make them usable.

    Args:
        data: mapping as in reset_windows.toml; `published` is for readers and may be missing.
        source: what to call the data in messages.

    Raises:
        BadWindowsError: the first thing that is wrong.
    """
    top = _mapping(data, source, ("checked_on", "daily", "weekend"), ("published",))
    daily = _mapping(top["daily"], f"{source}: daily", REGIONS)
    weekend = _mapping(top["weekend"], f"{source}: weekend", ("closed", "quiet"))
    closed = _weekly(weekend["closed"], f"{source}: weekend.closed")
    quiet = _weekly(weekend["quiet"], f"{source}: weekend.quiet")
    regions = {}
    for name in REGIONS:
        where = f"{source}: daily.{name}"
        entries = daily[name]
        if not isinstance(entries, list) or not entries:
            raise BadWindowsError(f"{where} must be a list of windows: write zone, from and to for each")
        each_day = tuple(_daily(entry, f"{where}[{number}]") for number, entry in enumerate(entries))
        regions[name] = RegionWindows(name, (*each_day, closed), quiet)
    return ResetWindows(_date(top["checked_on"], f"{source}: checked_on"), regions)


def clock(minutes: int) -> str:
    """Return minutes after midnight as HH:MM."""
    return "{:02d}:{:02d}".format(*divmod(minutes % 1440, 60))


def _daily(entry: object, where: str) -> Window:
    fields = _mapping(entry, where, ("zone", "from", "to"))
    start, end = _minutes(fields["from"], f"{where}.from"), _minutes(fields["to"], f"{where}.to")
    end += 1440 if end <= start else 0
    if end - start > LONGEST:
        raise BadWindowsError(
            f"{where} lasts {(end - start) / 60:.3g} hours, and a daily window {LONGEST // 60} at most: see "
            "whether from and to are exchanged"
        )
    return Window(_zone(fields["zone"], f"{where}.zone"), None, start, end)


def _weekly(entry: object, where: str) -> Window:
    fields = _mapping(entry, where, ("zone", "from", "to"))
    first, start = _day_and_minutes(fields["from"], f"{where}.from")
    last, end = _day_and_minutes(fields["to"], f"{where}.to")
    end += (last - first) % 7 * 1440
    if not start < end <= start + 3 * 1440:
        raise BadWindowsError(
            f"{where} must end after it begins, at most three days later: correct from and to"
        )
    return Window(_zone(fields["zone"], f"{where}.zone"), first, start, end)


def _mapping(
    data: object, where: str, keys: tuple[str, ...], more: tuple[str, ...] = ()
) -> dict[str, object]:
    if not isinstance(data, dict):
        raise BadWindowsError(f"{where} must be a mapping with {', '.join(keys)}: see reset_windows.toml")
    if missing := [key for key in keys if key not in data]:
        raise BadWindowsError(f"{where} lacks {', '.join(missing)}: add it, as in reset_windows.toml")
    if unknown := [str(key) for key in data if key not in (*keys, *more)]:
        raise BadWindowsError(f"{where} has an unknown key {unknown[0]}: use {', '.join((*keys, *more))}")
    return data


def _zone(value: object, where: str) -> tzinfo:
    try:
        return zones.find(value if isinstance(value, str) else str(value))
    except zones.UnknownZoneError as refused:
        raise BadWindowsError(f"{where} {refused}") from None


def _minutes(value: object, where: str) -> int:
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise BadWindowsError(
            f'{where} must be a time from 00:00 to 23:59, not {value!r}: write "23:45" in quotes'
        )
    return int(match[1]) * 60 + int(match[2])


def _day_and_minutes(value: object, where: str) -> tuple[int, int]:
    day, _, time = value.partition(" ") if isinstance(value, str) else ("", "", "")
    if day not in DAYS:
        raise BadWindowsError(f'{where} must be a day and a time, not {value!r}: write "Fri 23:00" in quotes')
    return DAYS.index(day), _minutes(time, where)


def _date(value: object, where: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise BadWindowsError(
            f"{where} must be a date such as 2026-11-24, not {value!r}: correct it"
        ) from None


def _seconds(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone, such as datetime.now(UTC) has")
    return int(instant.timestamp())
