"""An instance's schedule, as far as the operator's command needs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from .ctl_history import planned_restart
from .ctl_host import CtlError
from .instance import Instance
from .schedule import windows as reset_windows
from .schedule.agenda import Entry, agenda
from .schedule.compiler import Schedule, ScheduleRefusedError, compile_schedule
from .schedule.regions import ASSUMED, resolve
from .schedule.rules import BadTimeError, weekly_time
from .schedule.windows import BadWindowsError, RegionWindows, ResetWindows

REPLACED = "reset-windows.json"


def all_windows(etc: Path) -> ResetWindows:
    """The reset windows in force on this host: the inventory's, else those that come with the project.

    Args:
        etc: where the instances are configured.

    Raises:
        CtlError: the inventory's cannot be read or used.
    """
    file = etc / REPLACED
    try:
        return reset_windows.load(file) if file.exists() else reset_windows.shipped()
    except BadWindowsError as error:
        raise CtlError(str(error)) from None


def jts_ini(instance: Instance) -> str:
    """The instance's jts.ini as text; empty where there is none yet, or this user may not read it."""
    try:
        return (instance.settings_dir / "jts.ini").read_text(encoding="latin-1")
    except OSError:
        return ""


def windows(instance: Instance) -> RegionWindows:
    """The windows that count for an instance."""
    region = resolve(instance.mode, instance.region, jts_ini(instance))
    return all_windows(instance.etc_dir.parent).region(region or ASSUMED)


def schedule(instance: Instance, today=None) -> Schedule:
    """The instance's schedule, checked.

    Raises:
        CtlError: it cannot be kept; every reason in one line each.
    """
    try:
        return compile_schedule(
            instance.mode,
            instance.region,
            instance.timezone,
            instance.daily_restart,
            instance.weekly_login,
            all_windows(instance.etc_dir.parent),
            login_policy=instance.login,
            jts_ini=jts_ini(instance),
            today=today,
        )
    except ScheduleRefusedError as error:
        raise CtlError(f"the schedule of {instance.name} cannot be kept: {error}") from None


def coming(instance: Instance, now: datetime, days: int) -> tuple[Schedule, list[Entry]]:
    """The schedule, and what it holds in the coming days.

    Raises:
        CtlError: the schedule cannot be kept.
    """
    made = schedule(instance, now.date())
    return made, agenda(made, windows(instance), now, days)


def next_appointment(instance: Instance, now: datetime) -> dict[str, str] | None:
    """The next restart or login, without checking the whole schedule.

    Returns:
        `kind` (restart or login) and `at` (RFC 3339, UTC), None when nothing is scheduled or a time is wrong.
    """
    found = []
    try:
        # The one due a day later is the next, whatever the clocks do in between.
        due = planned_restart(now + timedelta(days=1), instance.daily_restart, instance.timezone)
        if due and due > now:
            found.append((due, "restart"))
        if instance.weekly_login and instance.mode == "live":
            login = weekly_time(instance.weekly_login, instance.timezone, now.date())
            found.append((_next_week(login.minute, login.clock.zone, now), "login"))
    except (BadTimeError, ValueError):
        return None
    if not found:
        return None
    at, kind = min(found)
    return {"kind": kind, "at": at.isoformat().replace("+00:00", "Z")}


def _next_week(minute: int, zone, now: datetime) -> datetime:
    local = now.astimezone(zone)
    day = local.date() + timedelta(days=(minute // 1440 - local.weekday()) % 7)
    while True:
        at = datetime(day.year, day.month, day.day, minute % 1440 // 60, minute % 60, tzinfo=zone)
        if (moment := at.astimezone(UTC)) > now:
            return moment
        day += timedelta(days=7)
