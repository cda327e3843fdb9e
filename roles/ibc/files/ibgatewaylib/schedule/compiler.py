"""From what an operator wrote to what IBC, systemd and the launcher need, or to the reasons why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ..ibc_values import as_12_hours
from . import calendars, rules
from .regions import ASSUMED, CHOICES, resolve
from .rules import BadTimeError, Clock, WeeklyTime
from .windows import MARGIN, REGIONS, RegionWindows, ResetWindows, shipped
from .windows import clock as hhmm

RESET_GRACE = 5
"""Minutes from the end of a window's margin to the check whether the session is back."""
PAPER_STOP = 2
"""Minutes after the planned log-off: stop Gateway if it is still there."""
PAPER_START = 5
"""Minutes after the planned log-off: start it again."""


class ScheduleRefusedError(ValueError):
    """The schedule cannot be kept; `problems` holds one sentence for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Schedule:
    """One instance's schedule. Times are texts; an empty text or tuple means that there is none.

    Attributes:
        mode: live or paper.
        region: whose windows count.
        region_known: False when the region was assumed, until the first login tells it.
        timezone: the zone of Gateway, its unit, and daily_restart.
        daily_restart: HH:MM.
        weekly_login: such as `Sun 09:30`.
        weekly_login_timezone: the zone of weekly_login.
        auto_restart_time: IBC's AutoRestartTime, `hh:mm AM|PM`; live only.
        restart_check: OnCalendar, a few minutes after the daily restart: did it happen?
        reset_check: OnCalendar, after each reset window: is the session back?
        login: OnCalendar of the weekly login; live only.
        stop: OnCalendar of paper's daily stop, should it have missed its log-off.
        start: OnCalendar of paper's daily start.
        warnings: sentences about what is allowed and yet worth knowing.
    """

    mode: str
    region: str
    region_known: bool
    timezone: str
    daily_restart: str
    weekly_login: str
    weekly_login_timezone: str
    auto_restart_time: str
    restart_check: tuple[str, ...]
    reset_check: tuple[str, ...]
    login: tuple[str, ...]
    stop: tuple[str, ...]
    start: tuple[str, ...]
    warnings: tuple[str, ...]


def compile_schedule(
    mode: str,
    region: str,
    timezone: str,
    daily_restart: str,
    weekly_login: str,
    windows: ResetWindows | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    login_policy: str = "",
    jts_ini: str = "",
    today: date | None = None,
) -> Schedule:
    """Compile a schedule.

    Args:
        mode: live or paper.
        region: auto, america, europe or asia: where the account is hosted. Paper is always in America.
        timezone: full name of the zone in which Gateway runs and daily_restart is meant.
        daily_restart: HH:MM, or empty for none.
        weekly_login: day and time, with a zone where it is not `timezone`, or empty; paper has none.
        windows: the reset windows; None for those that come with the project.
        settings: what the operator wrote in IBC's own settings.
        login_policy: consent or auto: who decides that a login may start; empty where that is not known.
        jts_ini: the instance's jts.ini, from which `auto` reads the region.
        today: the day from which on the schedule must hold (default: today in UTC).

    Returns:
        The schedule, which holds on every day of the coming `rules.YEARS` years.

    Raises:
        ScheduleRefusedError: every reason, each in one sentence with its remedy.
    """
    today = today or datetime.now(UTC).date()
    windows = windows or shipped()
    problems = []
    if mode not in ("live", "paper"):
        problems.append(f"mode must be live or paper, not {mode!r}: correct it")
    if region not in CHOICES:
        problems.append(f"region must be one of {', '.join(CHOICES)}, not {region!r}: correct it")
    if problems:
        raise ScheduleRefusedError(problems)
    known = resolve(mode, region, jts_ini)
    counting = windows.region(known or ASSUMED)

    home = restart = login = None
    try:
        home = Clock("timezone", timezone, today)
    except BadTimeError as refused:
        problems.append(str(refused))
    if daily_restart != "":
        try:
            restart = rules.daily_minute(daily_restart)
        except BadTimeError as refused:
            problems.append(str(refused))
    if weekly_login != "" and mode == "live":
        try:
            login = rules.weekly_time(weekly_login, timezone if home else "UTC", today)
        except BadTimeError as refused:
            problems.append(str(refused))
    if not problems:
        problems += _refusals(mode, counting, home, restart, login)
    problems += rules.settings_conflicts(settings or {}, _scheduled(daily_restart, login))
    if problems or home is None:
        raise ScheduleRefusedError(problems)

    warnings = [windows.age_warning(today), *_gaps(mode, restart, login), _daily_consent(mode, login_policy)]
    if known is None:
        warnings.append(_elsewhere(windows, home, restart, login))
    return _schedule(mode, known, counting, home, restart, login, tuple(filter(None, warnings)))


def _refusals(
    mode: str, region: RegionWindows, home: Clock, restart: int | None, login: WeeklyTime | None
) -> list[str]:
    """Return what the rules have against times that are well written."""
    if restart is not None:
        refusal = rules.refuse("daily_restart", restart, home, rules.restart_times(mode, region, home))
        if refusal:
            return [refusal]  # what is wrong with the login may follow from it
    if login is not None:
        times = rules.login_times(region, login.clock, restart, home)
        if refusal := rules.refuse("weekly_login", login.minute, login.clock, times):
            return [refusal]
    return []


def _scheduled(daily_restart: str, login: WeeklyTime | None) -> str:
    """Return what the schedule holds, for the message about settings that fight with it."""
    parts = [
        f"daily_restart {daily_restart}" if daily_restart else "",
        f"weekly_login {login}" if login else "",
    ]
    return " and ".join(filter(None, parts))


def _gaps(mode: str, restart: int | None, login: WeeklyTime | None) -> list[str]:
    """Return warnings about what is not scheduled."""
    found = []
    if restart is None:
        found.append(
            "daily_restart is empty: Gateway then ends its session at a time of its own, so give one unless "
            "something else restarts it."
        )
    if mode == "live" and login is None:
        found.append(
            "weekly_login is empty: IBKR ends the token every Sunday at 01:00 New York, and the restart that "
            "follows then waits for you, so give the hour that suits you."
        )
    return found


def _daily_consent(mode: str, login_policy: str) -> str:
    """Return a warning about a paper account that asks for each login; it has no token restart."""
    if mode != "paper" or login_policy != "consent":
        return ""
    return (
        "login is consent on a paper account, which logs in every day after its daily stop: it then parks "
        "each day until you run ibgatewayctl login, so leave login out unless that is meant."
    )


def _elsewhere(windows: ResetWindows, home: Clock, restart: int | None, login: WeeklyTime | None) -> str:
    """Return a warning that names the regions in which the schedule would be refused, while none is known."""
    others = [name for name in REGIONS if name != ASSUMED]
    refused = [name for name in others if _refusals("live", windows.region(name), home, restart, login)]
    if not refused:
        return ""
    return (
        "The account's region is not known before the first login, so the schedule was checked for "
        f"{ASSUMED} and would be refused for {' and '.join(refused)}: set region if the account is hosted "
        "there."
    )


def _schedule(
    mode: str,
    known: str | None,
    region: RegionWindows,
    home: Clock,
    restart: int | None,
    login: WeeklyTime | None,
    warnings: tuple[str, ...],
) -> Schedule:
    def after(minutes: int, *modes: str) -> tuple[str, ...]:
        if restart is None or mode not in modes:
            return ()
        return (calendars.daily(home.zone, restart + minutes),)

    return Schedule(
        mode=mode,
        region=region.region,
        region_known=known is not None,
        timezone=str(home.zone),
        daily_restart="" if restart is None else hhmm(restart),
        weekly_login=rules.week_text(login.minute) if login else "",
        weekly_login_timezone=str(login.clock.zone) if login else "",
        # Token restarts of paper accounts often end at a login window that hangs.
        auto_restart_time=as_12_hours(restart) if mode == "live" and restart is not None else "",
        restart_check=after(rules.RESTART_ROOM, "live", "paper"),
        reset_check=_reset_checks(region, home),
        login=(calendars.weekly(login.clock.zone, login.minute),) if login else (),
        stop=after(PAPER_STOP, "paper"),
        start=after(PAPER_START, "paper"),
        warnings=warnings,
    )


def _reset_checks(region: RegionWindows, home: Clock) -> tuple[str, ...]:
    """Return the calendars of the checks after each window; one that falls into another window is idle."""
    found: dict[str, None] = {}
    for window in region.closing:
        hours = Clock("zone", str(window.zone), home.first)
        for text in calendars.check(hours, window.day, window.end + MARGIN // 60 + RESET_GRACE):
            found[text] = None
    return tuple(found)
