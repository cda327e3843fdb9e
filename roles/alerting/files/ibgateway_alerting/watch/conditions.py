"""What is wrong now, by what is known: the left column of rules.toml. The same view gives the same answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..rules import LOGIN_RUNNING, PLANNED_RESTART
from .view import ASKED, FAILED, MISSED, READY, RUNNING, STARTED, HostView, InstanceView

LOGIN_KINDS = ("login", "push_missed", "push_missed_repeatedly")
"""Kinds of the one conversation about a login; which one it is, the pushes that were missed decide."""
REPEATEDLY = 3
"""Pushes missed in a row from which on something is wrong with the phone, and not with the moment."""
API = (
    "api_port",
    "api_handshake",
    "api_wedged",
    "api_incompatible",
    "client_id_in_use",
    "link_lost",
    "farm_down",
)
"""Conditions that can be judged only while Gateway says that it is ready."""
PROBE = {
    "port": "api_port",
    "handshake": "api_handshake",
    "ready": "api_handshake",
    "time": "api_wedged",
    "incompatible": "api_incompatible",
    "client_id": "client_id_in_use",
}
DOWN = ("parked", "stopped", "failed")
EXPLAINS_DOWN = (
    "code_rejected", "second_factor_refused", "competing_session", "session_taken", "device_choice_needed",
    "credentials_rejected", "login_refused", "passkey_required", "password_expired", "gateway_desupported",
    "throttled", "budget_used_up", "restarts_used_up", "unknown_dialog", "stuck", "stuck_display",
    "out_of_memory", "crashed", "configuration_invalid", "parked", "stopped", "code_needed", "maintenance",
    "connection_failed",
)  # fmt: skip
"""Facts that say why a unit is not running."""

BECOMES = {"code_needed": LOGIN_KINDS, "code_rejected": ("code_needed",), "out_of_memory": ("crashed",)}
"""Facts that are told as the continuation of an incident that is open already."""


@dataclass(frozen=True)
class Condition:
    """Something that is wrong.

    Attributes:
        name: as rules.toml has it.
        since: when it began, seconds since the epoch.
        detail: the evidence, for people.
        certain: False when nobody can tell now whether it still holds.
        instead_of: kinds whose open incident it turns into this one.
    """

    name: str
    since: float
    detail: dict[str, Any] = field(default_factory=dict)
    certain: bool = True
    instead_of: tuple[str, ...] = ()


def of_instance(view: InstanceView, now: float) -> dict[str, Condition]:
    """Everything that is wrong with an instance.

    Args:
        view: what is known of it.
        now: seconds since the epoch, for what has no time of its own.
    """
    return {condition.name: condition for condition in _of_instance(view, now)}


def running(view: InstanceView) -> set[str]:
    """What goes on and explains other things, in the words of `rules.PSEUDO`."""
    found = set()
    if view.login and view.login.phase in RUNNING:
        found.add(LOGIN_RUNNING)
    if view.planned is not None:
        found.add(PLANNED_RESTART)
    return found


def _of_instance(view: InstanceView, now: float) -> Iterator[Condition]:
    yield from _login(view)
    for name, known in view.facts.items():
        if name == "crashed" and "out_of_memory" in view.facts:
            continue
        before = BECOMES.get(name, ())
        yield Condition(name, known["since"], known["detail"], instead_of=before)
    if view.planned is not None:
        yield Condition("restart_slow", view.planned, {"state": view.state})
    if view.unit in ("failed", "inactive") and not _explained(view):
        name = "out_of_memory" if "oom" in view.unit_text else "unit_failed"
        if name not in view.facts:
            since = view.unit_since if view.unit_since is not None else now
            yield Condition(name, since, {"text": view.unit_text})
    yield from _session(view, now)


def _login(view: InstanceView) -> Iterator[Condition]:
    login = view.login
    if login is None or login.phase in (READY, FAILED):
        return
    if login.phase == STARTED and login.asked is None and not view.missed:
        return  # nobody is asked, and no tap is needed yet: a paper account never needs one
    detail = {"reason": login.reason, "missed": view.missed}
    name = LOGIN_KINDS[0 if not view.missed else 1 if view.missed < REPEATEDLY else 2]
    yield Condition(name, login.asked or login.since, detail, instead_of=LOGIN_KINDS)


def _explained(view: InstanceView) -> bool:
    """Whether it is known why the unit does not run."""
    if view.planned is not None or (view.login and view.login.phase in (ASKED, MISSED)):
        return True
    if view.state in DOWN and view.end:
        return True
    return view.state == "stopped" or any(name in view.facts for name in EXPLAINS_DOWN)


def _session(view: InstanceView, now: float) -> Iterator[Condition]:
    if not view.ready:
        gone = view.state in DOWN or view.unit in ("failed", "inactive") or _explained_end(view)
        if not gone:
            yield from (Condition(name, now, certain=False) for name in API)
        return
    name = PROBE.get(view.probe)
    if name:
        since = view.probe_since if view.probe_since is not None else now
        yield Condition(name, since, {"stage": view.probe, "text": view.probe_text})
    elif view.probe != "ok":
        yield from (Condition(name, now, certain=False) for name in set(PROBE.values()))
    if view.link == "down":
        since = view.link_since if view.link_since is not None else now
        yield Condition("link_lost", since, {"code": view.link_text})
    elif view.link != "up":
        yield Condition("link_lost", now, certain=False)
    if view.farms:
        since = view.farms_since if view.farms_since is not None else now
        yield Condition("farm_down", since, {"farms": list(view.farms)})
    elif view.probe not in ("ok", "unknown"):
        yield Condition("farm_down", now, certain=False)


def _explained_end(view: InstanceView) -> bool:
    return view.running is False and any(name in view.facts for name in EXPLAINS_DOWN)


def of_host(host: HostView, now: float) -> dict[str, Condition]:
    """Everything that is wrong with the machine.

    Args:
        host: what is known of it.
        now: seconds since the epoch, for what has no time of its own.
    """
    found = [Condition(name, known["since"], known["detail"]) for name, known in host.facts.items()]
    since = host.network_since if host.network_since is not None else now
    if host.network in ("no_route", "unreachable"):
        found.append(Condition("network_down", since, {"how": host.network, "text": host.network_text}))
    elif host.network == "dns":
        found.append(Condition("dns_down", since, {"text": host.network_text}))
    if host.disk_full_since is not None:
        detail = {"path": host.disk_text, "free": f"{(host.disk or 0.0) * 100:.1f} %"}
        found.append(Condition("disk_full", host.disk_full_since, detail))
    if host.clock == "unsynchronised":
        found.append(Condition("clock_wrong", host.clock_since if host.clock_since is not None else now))
    if host.failing:
        detail = {"channel": sorted(host.failing)}
        found.append(Condition("channel_failing", min(host.failing.values()), detail))
    return {condition.name: condition for condition in found}
