"""What several live accounts may not do together: ask for their taps at the same time, on one phone."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles" / "ibc" / "files"))
from ibgatewaylib.schedule import rules

APART = 10
"""Minutes between two weekly logins: a push lives for three, and whoever missed one wants to try again."""
WEEK = 7 * 24 * 60


def ibc_weekly_logins(
    instances: Iterable[Mapping[str, Any]], host: str, today: str = ""
) -> dict[str, dict[str, Any]]:
    """Return when each live instance of a host has its weekly login.

    Args:
        instances: the resolved instances, whose schedules were checked.
        host: the host's name.
        today: the day from which on the coming one is meant, YYYY-MM-DD; empty for today.

    Returns:
        "live (vps1)" to `at`, minutes since Monday 00:00 UTC, and `said`, such as "Sun 09:30 Etc/UTC".
    """
    day = date.fromisoformat(today) if today else datetime.now(UTC).date()
    found = {}
    for instance in instances:
        if instance["mode"] != "live" or not instance["weekly_login"]:
            continue
        login = rules.weekly_time(instance["weekly_login"], instance["timezone"], day)
        found[f"{instance['name']} ({host})"] = {"at": _in_utc(login, day), "said": str(login)}
    return found


def ibc_login_clashes(hosts: Iterable[Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Return a sentence for each pair of weekly logins that come too close.

    Args:
        hosts: for each host what `ibc_weekly_logins` gives.
    """
    logins = sorted((login["at"], who, login["said"]) for host in hosts for who, login in host.items())
    following = [*logins[1:], *((at + WEEK, who, said) for at, who, said in logins[:1])]
    return [
        f"The weekly logins of {first} ({said}) and {second} ({then}) come at the same time: put them {APART}"
        " minutes apart (weekly_login of an instance), so that one push at a time is on the phone."
        for (at, first, said), (next_at, second, then) in zip(logins, following, strict=True)
        if next_at - at < APART and first != second
    ]


def _in_utc(login: rules.WeeklyTime, day: date) -> int:
    weekday, minute = divmod(login.minute, 24 * 60)
    then = day + timedelta(days=(weekday - day.weekday()) % 7)
    local = datetime.combine(then, time(*divmod(minute, 60)), ZoneInfo(str(login.clock.zone)))
    utc = local.astimezone(UTC)
    return utc.weekday() * 24 * 60 + utc.hour * 60 + utc.minute


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {"ibc_weekly_logins": ibc_weekly_logins, "ibc_login_clashes": ibc_login_clashes}
