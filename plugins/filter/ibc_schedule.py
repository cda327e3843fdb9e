"""Filters over an instance's schedule; the compiler they use is the one that also runs on the host."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles" / "ibc" / "files"))
from ibgatewaylib.schedule import compiler, market, windows


def ibc_schedule(
    instance: Mapping[str, Any], reset_windows: Mapping[str, Any] | None = None, jts_ini: str = ""
) -> dict[str, Any]:
    """Return the schedule of a resolved instance, by the names of `compiler.Schedule`.

    Args:
        instance: with mode, region, timezone, daily_restart, weekly_login, settings, login.
        reset_windows: what the inventory puts in place of the project's windows; None or empty for those.
        jts_ini: the instance's jts.ini, from which region `auto` is read.

    Raises:
        AnsibleFilterError: one sentence a line about everything that is wrong.
    """
    try:
        schedule = _compile(instance, reset_windows, jts_ini)
    except (compiler.ScheduleRefusedError, windows.BadWindowsError) as refused:
        raise AnsibleFilterError(str(refused)) from None
    return dataclasses.asdict(schedule)


def ibc_schedules(
    instances: list[Mapping[str, Any]],
    reset_windows: Mapping[str, Any] | None = None,
    jts_ini: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the schedules of resolved instances by their names; otherwise as `ibc_schedule`.

    Args:
        instances: the instances.
        reset_windows: what the inventory puts in place of the project's windows.
        jts_ini: instance to (the Peer= line of) its jts.ini, where there is one.
    """
    return {
        instance["name"]: ibc_schedule(instance, reset_windows, (jts_ini or {}).get(instance["name"], ""))
        for instance in instances
    }


def ibc_schedule_problems(
    instances: list[Mapping[str, Any]],
    reset_windows: Mapping[str, Any] | None = None,
    jts_ini: Mapping[str, str] | None = None,
) -> list[str]:
    """Return what is wrong with the schedules of resolved instances, one sentence each.

    Args:
        instances: the instances.
        reset_windows: what the inventory puts in place of the project's windows.
        jts_ini: instance to (the Peer= line of) its jts.ini, where there is one.
    """
    problems = []
    for instance in instances:
        problems += _hours_problems(instance)
        try:
            _compile(instance, reset_windows, (jts_ini or {}).get(instance["name"], ""))
        except windows.BadWindowsError as refused:
            return [f"{refused}."]
        except compiler.ScheduleRefusedError as refused:
            problems += [f"Instance '{instance['name']}': {problem}." for problem in refused.problems]
    return problems


def ibc_schedule_warnings(
    instances: list[Mapping[str, Any]],
    reset_windows: Mapping[str, Any] | None = None,
    jts_ini: Mapping[str, str] | None = None,
) -> list[str]:
    """Return what is worth knowing about schedules that can be kept; what is true for several, once.

    Args:
        instances: the instances.
        reset_windows: what the inventory puts in place of the project's windows.
        jts_ini: instance to (the Peer= line of) its jts.ini, where there is one.

    Raises:
        AnsibleFilterError: a schedule is refused; ask for the problems first.
    """
    found: dict[str, list[str]] = {}
    for name, schedule in ibc_schedules(instances, reset_windows, jts_ini).items():
        for warning in schedule["warnings"]:
            found.setdefault(warning, []).append(name)
    return [f"{', '.join(names)}: {warning}" for warning, names in found.items()]


def _hours_problems(instance: Mapping[str, Any]) -> list[str]:
    where = f"Instance '{instance['name']}'"
    hours = instance.get("market_hours") or []
    if isinstance(hours, str) or not isinstance(hours, Iterable):
        return [f"{where}: market_hours must be a list, such as ['{market.EXAMPLE}']."]
    problems = []
    for text in hours:
        try:
            market.Hours(text)
        except market.BadHoursError as refused:
            problems.append(f"{where}: {refused}.")
    return problems


def _compile(
    instance: Mapping[str, Any], reset_windows: Mapping[str, Any] | None, jts_ini: str
) -> compiler.Schedule:
    keys = ("mode", "region", "timezone", "daily_restart", "weekly_login", "settings")
    given = {key: instance[key] for key in keys} | {"login": instance.get("login", "")}
    return _compiled(json.dumps(given, default=str), json.dumps(reset_windows or None, default=str), jts_ini)


# One task asks for the same schedule several times: for its problems, its timers, and its warnings.
@lru_cache(maxsize=64)
def _compiled(instance: str, reset_windows: str, jts_ini: str) -> compiler.Schedule:
    given, table = json.loads(instance), json.loads(reset_windows)
    return compiler.compile_schedule(
        given["mode"],
        given["region"],
        given["timezone"],
        given["daily_restart"],
        given["weekly_login"],
        windows.parse(table) if table else None,
        settings=given["settings"],
        login_policy=given["login"],
        jts_ini=jts_ini,
    )


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {
            "ibc_schedule": ibc_schedule,
            "ibc_schedules": ibc_schedules,
            "ibc_schedule_problems": ibc_schedule_problems,
            "ibc_schedule_warnings": ibc_schedule_warnings,
        }
