"""What an event or an observation changes in what is known of an instance. No clock, no database, no words.

An event's fact stays until something ends it: the next `ready`, a stop, or its age (rules.toml). Its name is
that of a condition in rules.toml.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ibgatewaylib.ctl_host import parse_time as _parse_time
from ibgatewaylib.schedule.windows import REGIONS

from ..observation import Observation
from .view import (
    ANSWERED,
    ASKED,
    DISK_FINE,
    DISK_FULL,
    FAILED,
    KEPT_EVENTS,
    MISSED,
    PUSH_SENT,
    READY,
    RUNNING,
    STARTED,
    HostView,
    InstanceView,
    Login,
)

WEEK = 7 * 86400.0
MANY_LOGINS = 2
"""Full logins in seven days that are usual: the weekly one, and one after a fault."""
PAPER_CYCLE = 10 * 60.0
"""Seconds after its daily restart's time in which a paper account's stop is the planned one (schedule.md)."""
EARLY = 120.0
"""Seconds by which a planned restart may begin before its minute."""
SAME_READY = 60.0
"""Two reports of a `ready` so close are of the same one."""

OUTLIVE_READY = (
    "password_expiring",
    "logins_too_often",
    "settings_differ",
    "upgrade_failed",
    "upgraded",
    "unknown_event",
    "setting_refused",
)
"""Facts that say nothing about whether Gateway runs."""
OF_THIS_RUN = ("password_expiring", "setting_refused", "unknown_dialog")
"""Facts that Gateway states before it is ready, in each run anew: a `ready` ends those of earlier runs."""

PARKED = {
    "budget": "budget_used_up",
    "restarts": "restarts_used_up",
    "credentials_rejected": "credentials_rejected",
    "login_refused": "login_refused",
    "throttled": "throttled",
    "stuck_login_window": "stuck",
    "unknown_dialog": "unknown_dialog",
    "second_factor_refused": "second_factor_refused",
    "choice_missing": "device_choice_needed",
    "code_missing": "code_needed",
    "competing_session": "competing_session",
    "session_taken": "session_taken",
}
"""The reason of `parked` → the condition it is; others are `parked`."""
SAYS_THE_SAME = {
    "login_refused": ("passkey_required", "password_expired", "gateway_desupported", "code_rejected"),
    "second_factor_refused": ("code_rejected",),
    "choice_missing": ("competing_session",),
    "code_missing": ("code_rejected",),
}
"""The reason of `parked` → conditions which, when they are known already, are what it means."""


# --- events -----------------------------------------------------------------------------------------------


def take_event(
    view: InstanceView,
    kind: str,
    time: float,
    detail: dict[str, Any],
    planned: Callable[[float], float | None],
) -> None:
    """Take one event in.

    Args:
        view: is changed.
        kind: the event's type.
        time: when it happened.
        detail: as the launcher wrote it.
        planned: tells when the daily restart was due last, at an instant.
    """
    view.recent = [*view.recent, {"time": time, "type": kind, "detail": _short(detail)}][-KEPT_EVENTS:]
    _Event(view, time, detail, planned).take(kind)


class _Event:
    def __init__(
        self,
        view: InstanceView,
        time: float,
        detail: dict[str, Any],
        planned: Callable[[float], float | None],
    ) -> None:
        self.view = view
        self.time = time
        self.detail = detail
        self.planned = planned

    def take(self, kind: str) -> None:
        handler = getattr(self, f"on_{kind}", None)
        if handler is None:
            self.fact("unknown_event", type=kind)
        else:
            handler()

    # --- starts and ends of runs ---

    def on_starting(self) -> None:
        view = self.view
        if view.running:
            self.fact("vanished")
        view.running = True
        self.unit_runs()
        view.started, view.submitted, view.code = self.time, None, None
        self.state("starting")
        for name in ("stopped", "login_deferred"):
            view.facts.pop(name, None)
        if view.login and view.login.phase in (ASKED, MISSED, FAILED) and not self.detail.get("resumes"):
            self.login(STARTED, started=self.time)

    def on_token_restart(self) -> None:
        if self.view.planned is None and not self.view.facts:
            self.view.planned = self.time

    def unit_runs(self) -> None:
        """Whatever the unit was before, it runs now."""
        if self.view.unit in ("failed", "inactive"):
            self.view.unit, self.view.unit_text, self.view.unit_since = "unknown", "", None

    def on_restart_planned(self) -> None:
        # A restart that was asked for is noted before Gateway ends, and again when it has.
        self.view.planned = self.view.planned or self.time
        if self.detail.get("kind") != "soft":
            self.view.running = False
            self.state("starting")

    def on_remedy(self) -> None:
        """What the machine tries changes nothing by itself; the brain tells it."""

    def on_restart_missed(self) -> None:
        self.fact("restart_missed", action=self.detail.get("action", ""), reason=self.text("reason"))

    def on_stopping(self) -> None:
        self.state("stopping")

    def on_stopped(self) -> None:
        self.state("stopped")
        self.view.running = False
        self.clear()
        if self.is_paper_cycle():
            self.view.planned = self.view.planned or self.time
        else:
            self.view.planned = None
            self.fact("stopped")

    def is_paper_cycle(self) -> bool:
        if self.view.mode != "paper":
            return False
        due = self.planned(self.time + EARLY)
        return due is not None and -EARLY <= self.time - due <= PAPER_CYCLE

    def on_crashed(self) -> None:
        name = "out_of_memory" if self.detail.get("out_of_memory") else "crashed"
        self.fails(name, text=self.text(), **self.evidence("after", "exit_code", "signal"))

    def on_stuck(self) -> None:
        where = self.detail.get("where")
        name = {"display": "stuck_display", "memory": "out_of_memory"}.get(where, "stuck")
        self.fails(name, text=self.text(), where=where if isinstance(where, str) else "")

    def on_maintenance(self) -> None:
        self.fails("maintenance")

    def on_connection_failed(self) -> None:
        self.fails(_refusal(self.text()) or "connection_failed", text=self.text())

    def on_configuration_invalid(self) -> None:
        if self.detail.get("continues"):
            self.fact("setting_refused", text=self.text(), continues=True)
        else:
            self.fails("configuration_invalid", text=self.text())

    def on_ready(self) -> None:
        view = self.view
        again = view.last_ready is not None and abs(self.time - view.last_ready) < SAME_READY
        self.state("ready")
        self.unit_runs()
        view.running = True
        view.last_ready = self.time
        view.planned = view.missed_at = None
        view.missed = 0
        if view.probe_since is None or view.probe_since < self.time:
            _forget_session(view)
        full = view.submitted is not None
        if full and not again:
            view.last_login = self.time
            view.logins = [moment for moment in (*view.logins, self.time) if moment > self.time - WEEK]
            if view.mode == "live" and len(view.logins) > MANY_LOGINS:
                self.fact("logins_too_often", count=len(view.logins))
        # What runs goes on while the weekly login is asked for; a restart by the token does not answer that.
        if view.login and (full or view.login.reason != "weekly_login" or view.login.phase in RUNNING):
            self.login(READY)
        self.clear()

    # --- the login ---

    def on_login_submitted(self) -> None:
        view = self.view
        view.submitted = self.time
        self.state("login")
        if view.mode == "live":
            view.planned = None
        self.login(STARTED, started=self.time)

    def on_two_factor_waiting(self) -> None:
        view = self.view
        self.state("two_factor", unless="ready")
        view.planned = None
        if self.detail.get("kind") == "code":
            # Asked for again right after an answer: that code was wrong.
            again = view.code is not None and [one["type"] for one in view.recent[-2:-1]] == [
                "two_factor_answered"
            ]
            view.code = self.time
            if again:
                view.facts.pop("code_needed", None)
                self.fact("code_rejected", again=True)
            else:
                self.fact("code_needed", title=self.text("title"))
            view.login = None  # the conversation goes on as that incident
            return
        seconds = self.detail.get("seconds")
        self.login(PUSH_SENT, push_sent=self.time, answered=None)
        view.login.attempts += 1
        if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < 3600:
            view.login.push_seconds = float(seconds)

    def on_two_factor_answered(self) -> None:
        if self.view.code is None:
            self.login(ANSWERED, answered=self.time)

    def on_two_factor_missed(self) -> None:
        view = self.view
        view.running = False
        view.planned = None
        view.missed += 1
        view.missed_at = self.time
        self.login(MISSED)

    def on_login_refused(self) -> None:
        text = self.text()
        if "second factor" in text:
            name = "code_rejected" if self.view.code else "second_factor_refused"
        elif self.view.code:
            name = "code_rejected"
        else:
            name = _refusal(text) or "login_refused"
        if name == "code_rejected":
            self.view.facts.pop("code_needed", None)
        self.fails(name, text=text)

    def on_credentials_rejected(self) -> None:
        self.fails("credentials_rejected", text=self.text())

    def on_throttled(self) -> None:
        self.fails("throttled", text=self.text())

    def on_competing_session(self) -> None:
        outcome = self.text("outcome")
        goes_on = outcome in ("taken over", "kept")
        (self.fact if goes_on else self.fails)("competing_session", outcome=outcome, text=self.text())

    def on_session_taken(self) -> None:
        again = bool(self.detail.get("again"))
        (self.fact if again else self.fails)("session_taken", again=again, text=self.text())

    def on_device_choice_needed(self) -> None:
        self.fact("device_choice_needed", text=self.text())
        self.ended()

    def on_unknown_dialog(self) -> None:
        self.fact("unknown_dialog", title=self.text("title"), text=self.text())

    def on_password_expiring(self) -> None:
        self.fact("password_expiring", text=self.text())

    def on_settings_differ(self) -> None:
        self.fact("settings_differ", text=self.text())

    def on_upgrade_failed(self) -> None:
        self.fact("upgrade_failed", text=self.text(), evidence=self.text("evidence"))

    def on_upgraded(self) -> None:
        self.view.facts.pop("upgrade_failed", None)
        self.fact("upgraded", text=self.text())

    def on_login_deferred(self) -> None:
        self.view.running = False
        self.view.planned = None
        self.state("deferred")
        self.view.deferred_until = parse_time(self.detail.get("until"))
        self.fact("login_deferred", reason=self.text("reason"), text=self.text(), until=self.text("until"))

    def on_consent_needed(self) -> None:
        reason = self.text("reason")
        if reason != "weekly_login":
            if self.view.running:
                self.fact("vanished")
            self.view.running = False
        self.ask(reason)

    def on_parked(self) -> None:
        view = self.view
        view.running = False
        view.planned = None
        self.state("parked")
        reason = self.text("reason")
        view.end = {"code": 77, "reason": reason}
        for name in ("stopped", "login_deferred"):  # somebody started it, though it did not come to a run
            view.facts.pop(name, None)
        if reason == "consent":
            self.ask("login_due")
        elif reason == "two_factor_missed":
            if view.login is None or view.login.phase != MISSED:
                self.on_two_factor_missed()
        elif not any(name in view.facts for name in SAYS_THE_SAME.get(reason, ())):
            name = PARKED.get(reason, "parked")
            if name == "second_factor_refused" and view.code:
                name = "code_rejected"
            self.fails(name, reason=reason, parked=True, text=self.text())
        else:
            self.ended()

    # --- what they share ---

    def ask(self, reason: str) -> None:
        view = self.view
        view.planned = None
        view.facts.pop("login_deferred", None)
        if view.login and view.login.phase in (ASKED, MISSED):
            return
        if view.login and view.login.phase in RUNNING and reason == "weekly_login":
            return
        view.login = Login(ASKED, self.time, reason=reason, text=self.text(), asked=self.time)

    def login(self, phase: str, **changes: Any) -> None:
        view = self.view
        if view.login is None or view.login.phase in (READY, FAILED):
            view.login = Login(phase, self.time)
        if view.login.phase != phase or phase == PUSH_SENT:
            view.login.since = self.time
        view.login.phase = phase
        for key, value in changes.items():
            setattr(view.login, key, value)

    def ended(self) -> None:
        """A login that was under way came to nothing; what it was, another fact says."""
        if self.view.login:
            self.login(FAILED)
            self.view.login.text = self.text()

    def fails(self, name: str, **detail: Any) -> None:
        """The run ended, and this is why."""
        self.view.running = False
        self.view.planned = None
        if self.view.state == "ready":
            self.state("starting")
        self.fact(name, **detail)
        if self.view.login and self.view.login.phase in RUNNING:
            self.ended()

    def fact(self, name: str, **detail: Any) -> None:
        known = self.view.facts.setdefault(name, {"since": self.time, "last": self.time, "detail": {}})
        known["last"] = self.time
        known["detail"].update({key: value for key, value in detail.items() if value not in ("", None)})

    def clear(self) -> None:
        """Gateway is ready, or stopped as asked: what was wrong with it before does not count any more."""
        view = self.view
        begun = view.started or 0.0
        for name, known in list(view.facts.items()):
            of_this_run = name in OF_THIS_RUN and known["last"] >= begun
            if not (of_this_run or (name in OUTLIVE_READY and name not in OF_THIS_RUN)):
                del view.facts[name]

    def state(self, state: str, unless: str = "") -> None:
        if self.view.state not in (state, unless):
            self.view.state = state
            self.view.state_since = self.time
        if self.view.state != "ready":
            _forget_session(self.view)

    def text(self, key: str = "text") -> str:
        value = self.detail.get(key)
        return value if isinstance(value, str) else ""

    def evidence(self, *keys: str) -> dict[str, str | int]:
        return {key: self.detail[key] for key in keys if isinstance(self.detail.get(key), str | int)}


def _refusal(text: str) -> str:
    """What IBKR's words mean, where they mean more than a refusal; empty where they do not."""
    low = text.lower()
    if "passkey" in low:
        return "passkey_required"
    if "password" in low and "expired" in low:
        return "password_expired"
    if "no longer supported" in low or "desupported" in low:
        return "gateway_desupported"
    return ""


def _short(detail: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value[:200] if isinstance(value, str) else value
        for key, value in detail.items()
        if isinstance(value, str | int | float)
    }


# --- observations -----------------------------------------------------------------------------------------


def take_observation(view: InstanceView, seen: Observation) -> None:
    """Take one observation of an instance in.

    Args:
        view: is changed.
        seen: what was seen.
    """
    handler = _OF_INSTANCE.get(seen.what)
    if handler:
        handler(view, seen)


def _probe(view: InstanceView, seen: Observation) -> None:
    if view.probe != seen.value:
        view.probe, view.probe_since = str(seen.value), seen.time
    view.probe_text = seen.text


def _link(view: InstanceView, seen: Observation) -> None:
    if view.link != seen.value:
        view.link, view.link_since = str(seen.value), seen.time
    view.link_text = seen.text


def _farm(view: InstanceView, seen: Observation) -> None:
    farms = tuple(str(farm) for farm in seen.value)
    if farms and not view.farms:
        view.farms_since = seen.time
    view.farms = farms


def _code(view: InstanceView, seen: Observation) -> None:
    if seen.value == 10197:
        known = view.facts.setdefault(
            "market_data_competing", {"since": seen.time, "detail": {"code": 10197}}
        )
        known["last"] = seen.time


def _forget_session(view: InstanceView) -> None:
    """What was known of a session that is over says nothing about the next one."""
    view.probe, view.probe_text, view.probe_since = "unknown", "", None
    view.link, view.link_text, view.link_since = "unknown", "", None
    view.farms, view.farms_since = (), None


def _unit(view: InstanceView, seen: Observation) -> None:
    if view.unit != seen.value:
        view.unit, view.unit_since = str(seen.value), seen.time
        if view.unit != "active":
            _forget_session(view)
    view.unit_text = seen.text


def _oom(view: InstanceView, seen: Observation) -> None:
    killed = seen.value if isinstance(seen.value, int) else 0
    if view.oom is not None and killed > view.oom:
        detail = {"killed": killed - view.oom, "by": "kernel"}
        view.facts.setdefault("out_of_memory", {"since": seen.time, "detail": detail})["last"] = seen.time
    view.oom = killed


def _state(view: InstanceView, seen: Observation) -> None:
    value = seen.value if isinstance(seen.value, dict) else {}
    since = parse_time(value.get("since"))
    view.state = str(value.get("state") or "unknown")
    view.state_since = since if since is not None else seen.time
    if view.state != "ready":
        _forget_session(view)
    view.status = _words(value.get("status"))
    end = value.get("end")
    view.end = end if isinstance(end, dict) else {}
    if value.get("login") in ("consent", "auto"):
        view.policy = value["login"]
    budget = value.get("budget")
    budget = budget if isinstance(budget, dict) else {}
    left = budget.get("left")
    view.budget_left = left if isinstance(left, int) and not isinstance(left, bool) else None
    view.budget_next = parse_time(budget.get("next_allowed"))
    view.budget_problem = _words(budget.get("problem"))
    view.deferred_until = parse_time(value.get("deferred_until"))
    view.last_login = parse_time(value.get("last_login")) or view.last_login
    view.region = value["region"] if value.get("region") in REGIONS else ""
    readback = value.get("readback")
    if view.state == "ready" and isinstance(readback, dict) and _all_as_wanted(readback):
        view.facts.pop("settings_differ", None)


def _all_as_wanted(readback: dict[str, Any]) -> bool:
    return bool(readback) and all(isinstance(one, dict) and one.get("ok") for one in readback.values())


def parse_time(value: Any) -> float | None:
    """Seconds since the epoch; None for what is no time stamp."""
    try:
        return _parse_time(value)
    except ValueError:
        return None


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""


_OF_INSTANCE = {
    "probe": _probe, "link": _link, "farm": _farm, "code": _code, "unit": _unit, "oom": _oom, "state": _state,
}  # fmt: skip


def take_host(host: HostView, seen: Observation) -> None:
    """Take one observation of the machine in.

    Args:
        host: is changed.
        seen: what was seen.
    """
    if seen.what == "network":
        if host.network != seen.value:
            host.network, host.network_since = str(seen.value), seen.time
        host.network_text = seen.text
    elif seen.what == "clock":
        if host.clock != seen.value:
            host.clock, host.clock_since = str(seen.value), seen.time
    elif seen.what == "disk" and isinstance(seen.value, int | float):
        host.disk, host.disk_text = float(seen.value), seen.text
        if host.disk < DISK_FULL:
            host.disk_full_since = host.disk_full_since or seen.time
        elif host.disk > DISK_FINE:
            host.disk_full_since = None
