"""`ibgatewayctl appointment WHAT NAME`: what the timers call. It looks first, and never restarts blindly."""

from __future__ import annotations

import fcntl
import json
import os
import time

from . import act, clock, ctl_history, ctl_plan, gate, releases, statefile
from . import appointment_rules as rules
from .act_user import as_service_user
from .api_probe import CLIENT_ID, probe
from .ctl_host import CtlError, Host, manage, parse_time, unit_state
from .events import timestamp
from .instance import Instance

CYCLE = "cycle.json"
"""In the run directory: which run of the cycle's unit stopped the instance; only that one starts it again."""
SECOND_LOOK = 30.0
"""Seconds after which a session that is not back is looked at again before anything is done."""
REMEDY_WAIT = 60.0
"""Seconds a remedy has to take effect."""
LINK_WAIT = 2.0
"""Seconds after the handshake in which Gateway tells how its link is."""
_LOOK_EVERY = 5.0
_STOPS_WITHIN = 120.0


def keep(host: Host, what: str, name: str) -> tuple[int, dict]:
    """Keep one appointment.

    Args:
        host: this host.
        what: restart, reset, login, stop or start.
        name: a known instance.

    Returns:
        the exit code, and for scripts: instance, appointment, action and text.

    Raises:
        CtlError: the facts cannot be read, or what was decided failed.
    """
    instance = host.instance(name)
    with Lock(instance):
        # A parked instance has no launcher to do this, and its budget shall age over reboots, too.
        as_service_user(gate.Gate(instance, clock.now).checkpoint)
        facts = gather(host, instance, look=what == "reset")
        decision = rules.RULES[what](facts)
        for kind, detail in decision.events:
            act.emit(instance, kind, detail)
        text = decision.sentence
        code = 0
        if decision.action in _DEEDS:
            done, code = _DEEDS[decision.action](host, instance)
            text = f"{text}; {done}" if done else text
    if what == "restart" and releases.read(instance)["pending"]:
        # A unit of its own, since this one may not write to /etc.
        manage("start", f"ibgateway-upgrade@{name}.service")
    return code, {"instance": name, "appointment": what, "action": decision.action, "text": text}


def gather(host: Host, instance: Instance, *, look: bool) -> rules.Facts:
    """What is known of an instance now.

    Args:
        host: this host.
        instance: whose facts.
        look: also whether its session works, which takes up to half a minute when it does not.
    """
    status = host.status(instance.name)
    now = ctl_history.now()
    facts = rules.Facts(
        now,
        mode=instance.mode,
        policy=instance.login,
        state=status["state"],
        active=status["unit"]["active_state"],
        status=status["status"],
        window_end=ctl_plan.windows(instance).window_end(now),
        events=ctl_history.read(instance.state_dir / "events.jsonl"),
        planned=ctl_history.planned_restart(now, instance.daily_restart, instance.timezone),
        cycle=_cycle_began(instance),
    )
    if look and facts.state == "ready" and facts.active == "active" and not facts.window_end:
        facts.trouble = trouble(host, instance)
        if facts.trouble:
            time.sleep(SECOND_LOOK)
            facts.trouble = trouble(host, instance)
        facts.healthy = not facts.trouble
    return facts


def trouble(host: Host, instance: Instance) -> str:
    """What is wrong with a session that should be ready; empty when it works."""
    status = host.status(instance.name)
    if status["unit"]["active_state"] != "active" or status["state"] != "ready":
        return f"it is {status['state']}"
    # Not the launcher's client id: two with one id would shut each other out.
    attempt = probe(instance.api_port, client_id=CLIENT_ID + 1, link_seconds=LINK_WAIT)
    if attempt.link == "down":
        return "Gateway has no link to IBKR's servers"
    if attempt.ok or "in use" in attempt.problem:
        return ""
    return f"the API does not answer ({attempt.stage}: {attempt.problem})"


# --- deeds ------------------------------------------------------------------------------------------------


def _soft(_host: Host, instance: Instance) -> tuple[str, int]:
    return act.command_restart(instance, "the daily restart did not take place"), 0


def _full(_host: Host, instance: Instance) -> tuple[str, int]:
    unit = f"ibgateway@{instance.name}.service"
    # A session that works is not given up for a login that would not be let through.
    act.refuse_login(instance, running=True)
    # Planned, and bounded by the login budget: not to be counted with the starts after crashes.
    manage("reset-failed", unit)
    # One job for both halves, and only for what runs: a stop that an operator asks for takes its place.
    manage("try-restart", unit)
    return "restart asked for", 0


def _recover(host: Host, instance: Instance) -> tuple[str, int]:
    for verb in ("RECONNECTDATA", "RECONNECTACCOUNT"):
        if gone := _interrupted(host, instance):
            return gone, 0
        act.emit(instance, "remedy", {"kind": verb.lower()})
        act.reconnect(instance, verb)
        if _back(host, instance):
            return f"back after {verb}", 0
    if gone := _interrupted(host, instance):
        return gone, 0
    events = ctl_history.read(instance.state_dir / "events.jsonl")
    if refusal := rules.soft_restart_refusal(instance.mode, events, ctl_history.now()):
        act.emit(instance, "remedy", {"kind": "none", "reason": refusal})
        raise CtlError(
            f"{instance.name} is not back after a reset, reconnecting did not help, and {refusal}: "
            f"see `ibgatewayctl log {instance.name}`, then `ibgatewayctl restart {instance.name} --soft`"
        )
    return act.command_restart(instance, "the session was not back after a reset"), 0


def _interrupted(host: Host, instance: Instance) -> str:
    """Why recovering must end here: IBC's commands kill a Gateway that is not logged in."""
    status = host.status(instance.name)
    if status["state"] != "ready" or status["unit"]["active_state"] != "active":
        return f"it is {status['state']} by now, so nothing more is done"
    if ctl_plan.windows(instance).is_in_window(ctl_history.now()):
        return "another reset window has begun, so nothing more is done"
    return ""


def _back(host: Host, instance: Instance) -> bool:
    deadline = time.monotonic() + REMEDY_WAIT
    while time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
        if not trouble(host, instance):
            return True
    return False


def _stop(_host: Host, instance: Instance) -> tuple[str, int]:
    unit = f"ibgateway@{instance.name}.service"
    mark = {"stopped": timestamp(time.time()), "invocation": _invocation()}
    as_service_user(lambda: statefile.write(instance.run_dir / CYCLE, mark))
    manage("stop", unit)
    deadline = time.monotonic() + _STOPS_WITHIN
    while unit_state(unit)["active_state"] not in ("inactive", "failed"):
        if time.monotonic() >= deadline:
            raise CtlError(f"{instance.name} has not stopped: see `systemctl status {unit}`")
        time.sleep(0.5)
    return "stopped", 0


def _start(_host: Host, instance: Instance) -> tuple[str, int]:
    unit = f"ibgateway@{instance.name}.service"
    manage("reset-failed", unit)
    manage("start", unit)
    return "start asked for", 0


_DEEDS = {
    rules.SOFT: _soft,
    rules.FULL: _full,
    rules.RECOVER: _recover,
    rules.STOP: _stop,
    rules.START: _start,
}


def _cycle_began(instance: Instance) -> float | None:
    """When this run of the cycle's unit stopped the instance; None when it did not, or was itself ended."""
    if os.environ.get("EXIT_CODE") == "killed":
        return (
            None  # systemd.exec(5): an operator's stop ended the first half, and the start shall not follow
        )
    mark = statefile.read(instance.run_dir / CYCLE) or {}
    return parse_time(mark.get("stopped")) if mark.get("invocation") == _invocation() else None


def _invocation() -> str:
    """This run of the unit; its stop and its start have it in common, and nothing else has."""
    return os.environ.get("INVOCATION_ID", "")


class Lock:
    """One appointment of an instance at a time: a second one waits, and then sees what the first has done."""

    def __init__(self, instance: Instance) -> None:
        # Beside the instance's own directory: this one is root's, so nobody else can put a link there.
        self._file = instance.run_dir.parent / f".{instance.name}.appointment"

    def __enter__(self) -> None:
        try:
            self._file.parent.mkdir(mode=0o755, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self._file, flags, 0o600)
        except PermissionError:
            raise CtlError("appointments are kept by their timers' units, as root", 3) from None
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def report(result: dict, *, as_json: bool) -> str:
    """What to print of an appointment."""
    if as_json:
        return json.dumps(result, ensure_ascii=False)
    return f"{result['instance']}: {result['text']}"
