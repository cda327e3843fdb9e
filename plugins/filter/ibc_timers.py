"""Which timers an instance's schedule needs on the host, and which are there for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

FOLDER = "/etc/systemd/system"
_FILE = re.compile(rf"{FOLDER}/ibgateway-(restart|reset|login|cycle)@([a-z][a-z0-9-]*)\.timer")


def ibc_timers(
    instances: Iterable[Mapping[str, Any]], schedules: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the timers of resolved instances.

    Args:
        instances: of which name and login are read.
        schedules: instance to its schedule, as `ibc_schedule` gives it.

    Returns:
        For each timer `unit`, `description` (one line that explains it in systemctl's lists) and `calendars`.
    """
    return [timer for instance in instances for timer in _timers(instance, schedules[instance["name"]])]


def ibc_leftover_timers(
    there: Iterable[str], timers: Iterable[Mapping[str, Any]], instances: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Return the names of timers on the host that our instances no longer want.

    Args:
        there: paths of timers on the host.
        timers: those wanted.
        instances: the resolved instances; others on the host keep their timers.
    """
    wanted = {timer["unit"] for timer in timers}
    ours = {instance["name"] for instance in instances}
    found = (_FILE.fullmatch(path) for path in there)
    names = (f"ibgateway-{match[1]}@{match[2]}.timer" for match in found if match and match[2] in ours)
    return [name for name in names if name not in wanted]


def _timers(instance: Mapping[str, Any], schedule: Mapping[str, Any]) -> list[dict[str, Any]]:
    restart = f"{schedule['daily_restart']} {schedule['timezone']}"
    login = f"{schedule['weekly_login']} {schedule['weekly_login_timezone']}"
    how = "asks for your consent" if instance["login"] == "consent" else "logs in by itself"
    planned = (
        ("restart", "restart_check", f"look whether the daily restart of {restart} took place"),
        (
            "reset",
            "reset_check",
            f"look after the reset windows ({schedule['region']}) whether the session is back",
        ),
        ("login", "login", f"weekly login of {login}, which {how}"),
        ("cycle", "stop", f"daily stop and start, after {restart}"),
    )
    return [
        {
            "unit": f"ibgateway-{what}@{instance['name']}.timer",
            "description": f"IB Gateway {instance['name']}: {text}",
            "calendars": list(schedule[calendars]),
        }
        for what, calendars, text in planned
        if schedule[calendars]
    ]


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {"ibc_timers": ibc_timers, "ibc_leftover_timers": ibc_leftover_timers}
