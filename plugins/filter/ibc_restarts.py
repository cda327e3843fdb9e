"""Tell which running instances need a restart, when it takes place by itself, and what it costs.

A preview asks the same as a run: what an instance was started with (the hashes in its state, by the
launcher) is compared with what its files will hold.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles" / "ibc" / "files"))
from ibgatewaylib.schedule import rules, zones

DOWN = ("inactive", "failed")
ETC = "/etc/ibgateway"


def ibc_restarts(
    states: Iterable[Mapping[str, Any]],
    instances: Iterable[Mapping[str, Any]],
    outdated: Iterable[Mapping[str, str]],
    credentials: Mapping[str, Any] | None = None,
    now: str = "",
) -> list[dict[str, Any]]:
    """Return the restarts that are pending, or would be.

    Args:
        states: the `instances` of `ibgatewayctl status --json`.
        instances: the resolved instances, without their secrets.
        outdated: the configuration files that differ on the host, or did before this run: dest and content.
        credentials: what the task that keeps the credentials registered.
        now: RFC 3339; empty for the clock's.

    Returns:
        For each instance that runs with something old: `instance`, `mode`, `reasons`, `restart` (its policy),
        `at` (when it restarts by itself, RFC 3339 in UTC; None in this run, or never), `tap` (that restart
        costs one: none that a playbook makes does), and `text`, all of it in a sentence.
    """
    moment = datetime.fromisoformat(now) if now else datetime.now(UTC)
    resolved = {instance["name"]: instance for instance in instances}
    contents = {file["dest"]: file["content"] for file in outdated}
    fresh = _fresh_credentials(credentials or {})
    found = []
    for state in states:
        instance = resolved.get(state["instance"])
        if instance is None or state["unit"]["active_state"] in DOWN:
            continue
        reasons = _reasons(state, contents, fresh.get(state["instance"], ()))
        if reasons:
            found.append(_restart(instance, state, reasons, moment))
    return found


def _fresh_credentials(registered: Mapping[str, Any]) -> dict[str, list[str]]:
    """Instance to the credentials that change."""
    found: dict[str, list[str]] = {}
    for path in json.loads(registered.get("stdout") or '{"changed": []}')["changed"]:
        file = Path(path)
        found.setdefault(file.parents[1].name, []).append(f"{file.name} changed")
    return found


def _reasons(state: Mapping[str, Any], contents: Mapping[str, str], fresh: Iterable[str]) -> list[str]:
    reasons = set(state["pending"])
    for file, digest in (state.get("inputs") or {}).items():
        content = contents.get(f"{ETC}/{state['instance']}/{file}")
        if content is None:
            continue  # it stays as it is, and the host has compared it
        reason = f"{file} changed"
        if hashlib.sha256(content.encode()).hexdigest() == digest:
            reasons.discard(reason)  # back to what it runs with
        else:
            reasons.add(reason)
    return sorted(reasons | set(fresh))


def _restart(
    instance: Mapping[str, Any], state: Mapping[str, Any], reasons: list[str], now: datetime
) -> dict[str, Any]:
    due = None if instance["restart"] == "now" else _next_restart(instance, state, now)
    made = {
        "instance": instance["name"],
        "mode": instance["mode"],
        "reasons": reasons,
        "restart": instance["restart"],
        "at": due.isoformat().replace("+00:00", "Z") if due else None,
        "tap": False,
    }
    return made | {"text": _text(made, instance, due)}


def _next_restart(instance: Mapping[str, Any], state: Mapping[str, Any], now: datetime) -> datetime | None:
    """Gateway restarts at the time it was started with, which the host tells where that comes next."""
    known = state.get("next_appointment") or {}
    if known.get("kind") == "restart":
        return datetime.fromisoformat(known["at"])
    if not instance["daily_restart"]:
        return None
    minute, zone = rules.daily_minute(instance["daily_restart"]), zones.find(instance["timezone"])
    day = now.astimezone(zone).date()
    while True:
        instant = zones.exact(zone, zones.wall_time(day, minute))
        if instant is not None and instant > now.timestamp():
            return datetime.fromtimestamp(instant, UTC)
        day += timedelta(days=1)


def _text(made: Mapping[str, Any], instance: Mapping[str, Any], due: datetime | None) -> str:
    name, live = made["instance"], made["mode"] == "live"
    head = f"restart pending ({', '.join(made['reasons'])})"
    if made["restart"] == "now":
        how = "by its token" if live else "by a stop and a start"
        return f"{head}: ibgateway_restart is now, so the run makes it, {how}, without a tap"
    if due is None:
        when = "there is no daily restart, so it waits for yours"
    else:
        local = due.astimezone(zones.find(instance["timezone"]))
        when = f"by itself at the daily restart, {local:%a %d %b %H:%M} {instance['timezone']}, without a tap"
    if made["restart"] == "never":
        when = f"ibgateway_restart is never, so no playbook makes it; {when}"
    how = "" if live else " --cheapest"
    return (
        f"{head}: {when}; at once, {'by its token, ' if live else ''}with: ibgatewayctl restart {name}{how}"
    )


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {"ibc_restarts": ibc_restarts}
