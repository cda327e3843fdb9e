"""Logging in, restarting, pausing and the budget: what the operator asks for, and what it costs."""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from . import act, ctl_codes, ctl_follow, ctl_history, guard, statefile
from .ctl_host import CtlError, Host, manage, parse_time
from .ctl_show import budget_line, local_time

UNITS = {
    "consent": "ibgateway-consent@{}.service",
    "soft-restart": "ibgateway-restart-soft@{}.service",
    "pause": "ibgateway-pause@{}.service",
    "budget-reset": "ibgateway-budget-reset@{}.service",
    "guard": "ibgateway-guard@{}.service",
}
"""The units in which `act` does what needs more rights than an operator has."""


def login(host: Host, name: str, say) -> int:
    """Give consent to a login and follow until it is ready or has failed.

    Args:
        host: this host.
        name: a known instance.
        say: a Teller.

    Returns:
        the exit code.

    Raises:
        CtlError: a reset window or the budget forbids it, not permitted, or it failed.
    """
    instance = host.instance(name)
    status = host.status(name)
    active = status["unit"]["active_state"] == "active"
    if active and status["state"] == "ready" and _logged_in_this_week(instance):
        since = local_time(status.get("since"), instance.timezone)
        say(f"{name} is logged in since {since}, nothing to do")
        say(f"a new login costs a place in the login budget: `ibgatewayctl restart {name} --full`")
        return ctl_codes.DONE
    return _log_in(host, name, say, status)


def restart(host: Host, name: str, say, *, kind: str, yes: bool, force: bool, follow: bool = True) -> int:
    """Restart by the token, or with a new login.

    A start that is under way is let come to its end first. Where the cheapest restart is wanted, and that
    start has brought what had changed, it was the restart: a playbook that was killed can be run again.

    Args:
        host: this host.
        name: a known instance.
        say: a Teller.
        kind: soft, full (log out and in again), or cheapest (soft, or what else costs no tap).
        yes: do not ask whether a full one is meant.
        force: whatever speaks against it now.
        follow: until it is ready; otherwise only until it is asked for, for who follows it in another way.

    Returns:
        the exit code.

    Raises:
        CtlError: not now, not permitted, or it failed.
    """
    if kind != "full":
        starts = host.status(name)["state"] in ctl_follow.STARTS
        status = ctl_follow.settled(host, name, say)
        if kind == "cheapest" and starts and status["state"] == "ready" and not status["pending"]:
            say(f"{name} has just started, with all that had changed")
            return ctl_codes.DONE
    if not force:
        refuse_unless_clear(host, name)
    status = host.status(name)
    if kind == "full":
        if not yes:
            _confirm(name, status["mode"])
        return _log_in(host, name, say, status)
    if kind == "cheapest" and not _by_token(status):
        return _start_anew(host, name, say, status, follow=follow)
    return _start_by_token(host, name, say, status, follow=follow)


def _start_by_token(host: Host, name: str, say, status: dict, *, follow: bool) -> int:
    try:
        say(privileged(host, "soft-restart", name))
    except CtlError as error:
        # One that was asked for before may take place right now: then Gateway takes no commands any more.
        if error.code != ctl_codes.FAILED or not ctl_follow.ends(host, name, ctl_follow.run_of(status)):
            raise
        say(f"{name} restarts already")
    if not follow:
        return ctl_codes.DONE
    return ctl_follow.until_ready(
        host, name, say, not_pid=status["unit"]["main_pid"], begins=ctl_follow.RESTART_BEGINS
    )


def refuse_unless_clear(host: Host, name: str) -> None:
    """Raise CtlError when something speaks against a restart now."""
    found = look_out(host, name)
    if against := [finding["text"] for finding in found if finding["level"] == guard.BLOCKS]:
        raise CtlError(
            f"{name} is not restarted now: {'; '.join(against)}. Wait, or say --force", ctl_codes.NOT_NOW
        )


def look_out(host: Host, name: str) -> list[dict[str, str]]:
    """What speaks against a restart of an instance now, as `guard` tells it.

    Raises:
        CtlError: not permitted, or it cannot be found out.
    """
    try:
        return json.loads(privileged(host, "guard", name))
    except ValueError:
        raise CtlError(f"ibgateway-guard@{name} has left no answer: see `systemctl status` of it") from None


def _by_token(status: dict) -> bool:
    """A paper account's token is not reliable, and its login needs no tap."""
    return status["state"] == "ready" and status["mode"] == "live"


def _start_anew(host: Host, name: str, say, status: dict, *, follow: bool) -> int:
    """Stop and start what has no session that a tap was spent on; the start asks the gate, as every start."""
    unit = f"ibgateway@{name}.service"
    if status["unit"]["active_state"] in ("inactive", "failed"):
        raise CtlError(f"{name} does not run: its next start uses what has changed", ctl_codes.NOT_NOW)
    if status["mode"] == "live" and status["state"] in (*ctl_follow.STARTS, "two_factor"):
        # A session that a tap was spent on may be coming back, or a tap is asked for.
        raise CtlError(f"{name} starts right now: restart it when it is ready", ctl_codes.NOT_NOW)
    manage("reset-failed", unit)
    manage("try-restart", unit)
    say(f"{name} stops, and starts again")
    if not follow:
        return ctl_codes.DONE
    return ctl_follow.until_ready(
        host, name, say, not_pid=status["unit"]["main_pid"], begins=ctl_follow.RESTART_BEGINS
    )


def pause(host: Host, names: list[str], say, *, every: bool) -> tuple[list[dict], int]:
    """End Gateways and keep their tokens, before the host reboots. One that fails does not keep the others.

    Args:
        host: this host.
        names: known instances.
        say: a Teller.
        every: they were not named: leave out those for which there is nothing to keep.

    Returns:
        for scripts: instance, paused, text; and the exit code.

    Raises:
        CtlError: not permitted.
    """
    wanted = []
    for name in names:
        status = host.status(name)
        if not every or (status["mode"] == "live" and status["state"] == "ready"):
            wanted.append(name)
    if wanted:
        say(f"pausing {', '.join(wanted)}: Gateway ends at the next full minute")
    # All at once: each waits for that minute, and a reboot has no time for one after the other.
    with ThreadPoolExecutor(max_workers=max(1, len(wanted))) as pool:
        results = list(pool.map(lambda name: _pause(host, name), wanted))
    for result in results:
        say(result["text"])
    if not results:
        say("no live instance is ready: there is no token to keep")
    return results, max((result["code"] for result in results), default=ctl_codes.DONE)


def _pause(host: Host, name: str) -> dict:
    try:
        return {"instance": name, "code": ctl_codes.DONE, "text": privileged(host, "pause", name)}
    except CtlError as error:
        return {"instance": name, "code": error.code, "text": f"{name}: {error}"}


def budget(host: Host, name: str, say, *, reset: bool) -> dict:
    """Show the login budget, or begin it anew.

    Returns:
        for scripts: what status has as `budget`, and the rules.
    """
    instance = host.instance(name)
    if reset:
        say(privileged(host, "budget-reset", name))
    found = host.status(name)["budget"]
    rules = {
        "logins": instance.budget_logins,
        "hours": instance.budget_hours,
        "minutes_apart": instance.budget_minutes_apart,
    }
    say(f"{name}: {budget_line(found, instance.timezone)}")
    say(
        f"allowed: {rules['logins']} logins in {rules['hours']} h, {rules['minutes_apart']} minutes apart, "
        "none in a reset window"
    )
    return {"instance": name, **found, "rules": rules}


def privileged(host: Host, verb: str, name: str) -> str:
    """Do an act: at once as root, else by its unit, which operators may start.

    Args:
        host: this host.
        verb: as `act` has it.
        name: a known instance.

    Returns:
        what was done.

    Raises:
        CtlError: it was not; not permitted (3).
    """
    if os.geteuid() == 0:
        return act.perform(host, verb, name)
    unit = UNITS[verb].format(name)
    began = time.time()
    try:
        manage("start", unit, wait=True)
    except CtlError as error:
        if error.code == ctl_codes.NOT_PERMITTED:
            raise
        found = _result(host, verb, name, began)
        if found is None:
            raise
        raise CtlError(found["text"], found["code"] or ctl_codes.FAILED) from None
    found = _result(host, verb, name, began)
    return found["text"] if found else f"{unit} has run"


def _result(host: Host, verb: str, name: str, began: float) -> dict | None:
    """What the unit's run left; None when that is missing, or another run's."""
    try:
        found = statefile.read(host.instance(name).run_dir / act.RESULT)
    except PermissionError:
        return None
    written = parse_time((found or {}).get("time"))
    # A second of grace: the stamp is cut to milliseconds.
    if not found or found.get("verb") != verb or written is None or written < began - 1:
        return None
    return {"text": str(found.get("text", "")), "code": int(found.get("code") or 0)}


def _log_in(host: Host, name: str, say, status: dict) -> int:
    active = status["unit"]["active_state"] == "active"
    say(privileged(host, "consent", name))
    if status["mode"] == "live":
        say("have your phone at hand; Ctrl-C only ends this display, not the login")
    return ctl_follow.until_ready(
        host,
        name,
        say,
        not_pid=status["unit"]["main_pid"] if active else 0,
        begins=ctl_follow.RESTART_BEGINS if active else None,
        before=None if active else ctl_follow.run_of(status),
    )


def _logged_in_this_week(instance) -> bool:
    events = ctl_history.read(instance.state_dir / "events.jsonl")
    outlived = ctl_history.token_outlived(events, ctl_history.now())
    return instance.mode == "paper" or outlived is False


def _confirm(name: str, mode: str) -> None:
    cost = "this costs a tap on your phone" if mode == "live" else "this needs no tap"
    question = f"{name} logs out and in again, {cost} and a place in the login budget. Go on? [y/N] "
    if not sys.stdin.isatty():
        raise CtlError(
            f"{name} would log out and in again, {cost}: say --yes if that is meant", ctl_codes.USAGE
        )
    if input(question).strip().lower() not in ("y", "yes"):
        raise CtlError("nothing was done")
