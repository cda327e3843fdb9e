"""`act VERB NAME`: the few acts that need more rights than an operator has, one narrow unit for each.

`ibgateway-consent@NAME.service` and its like run this as root; polkit lets operators start them. The
arguments are all there is: a verb of `VERBS` and the name of an instance of this host. What an act found goes
to `act.json` in the instance's run directory, where whoever started the unit reads it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from . import budget as budgets
from . import clock, ctl_codes, ctl_history, ctl_plan, guard, statefile, tokenfile
from . import consent as consents
from . import instance as instances
from .act_user import USER, as_service_user
from .budget import BudgetClosed
from .ctl_host import CtlError, Host, manage, unit_state
from .events import EventLog, timestamp
from .ibc_command import CommandFailed, send
from .session import duration

RESULT = "act.json"
BEGINS_WITHIN = 150.0
"""Seconds until a PAUSE has ended Gateway: IBC waits for the next full minute, then Gateway closes."""
_PAUSE = 0.5


def perform(host: Host, verb: str, name: str) -> str:
    """Do one act; needs root, or the service's user in a test.

    Args:
        host: this host.
        verb: one of VERBS.
        name: a known instance.

    Returns:
        what was done, in one sentence.

    Raises:
        CtlError: it was not done; the code says whether it may be tried again later.
    """
    return VERBS[verb](host, host.instance(name))


def main(argv: list[str], etc: Path = instances.ETC) -> int:
    """Run one act from its unit.

    Args:
        argv: VERB and NAME, nothing else.
        etc: where the instances are configured.

    Returns:
        the exit code, as `ctl_codes` has them.
    """
    if len(argv) != 2 or argv[0] not in VERBS or not instances.NAME.fullmatch(argv[1]):
        print(f"usage: act {'|'.join(VERBS)} NAME", file=sys.stderr)
        return ctl_codes.USAGE
    verb, name = argv
    host = Host(etc)
    code = ctl_codes.DONE
    try:
        host.names([name])
        sentence = perform(host, verb, name)
    except CtlError as error:
        sentence, code = str(error), error.code
    print(sentence, file=sys.stderr if code else sys.stdout)
    if code != ctl_codes.UNKNOWN:
        _leave_result(host, verb, name, sentence, code)
    return code


def _leave_result(host: Host, verb: str, name: str, sentence: str, code: int) -> None:
    result = {"verb": verb, "time": timestamp(time.time()), "code": code, "text": sentence}
    try:
        instance = host.instance(name)
        make_run_dir(instance)
        as_service_user(lambda: statefile.write(instance.run_dir / RESULT, result))
    except (CtlError, OSError) as error:
        # The act itself is done or refused, and the exit code tells which.
        print(f"what came of it cannot be noted: {error}", file=sys.stderr)


def make_run_dir(instance: instances.Instance) -> None:
    """Make the instance's run directory as systemd would, if it was never started since the host booted."""
    if os.geteuid() != 0 or instance.run_dir.exists():
        return
    import shutil

    instance.run_dir.parent.mkdir(mode=0o755, exist_ok=True)
    instance.run_dir.mkdir(mode=0o750)
    shutil.chown(instance.run_dir, USER, USER)


# --- the acts ---------------------------------------------------------------------------------------------


def consent(host: Host, instance: instances.Instance) -> str:
    """Note the operator's consent to one login, and start that login.

    A Gateway that runs is stopped for it; nothing is done when the login would not be let through.
    """
    name = instance.name
    unit = f"ibgateway@{name}.service"
    active = host.status(name)["unit"]["active_state"]
    if active == "active" or len(tokenfile.find(instance.settings_dir)) != 1:
        refuse_login(instance, running=active == "active")
    make_run_dir(instance)
    as_service_user(lambda: _grant(instance))
    if active in ("activating", "deactivating", "reloading"):
        return f"consent given: the start of {name} that is under way may log in"
    # An operator's start is deliberate, so the limit on starts begins anew.
    manage("reset-failed", unit)
    if active == "active":
        # One job for both: a stop that somebody asks for meanwhile takes its place.
        manage("restart", unit)
        return f"consent given: {name} logs out, and in again"
    manage("start", unit)
    return f"consent given: {name} starts"


def refuse_login(instance: instances.Instance, *, running: bool) -> None:
    """Raise CtlError when the launcher would not let a login through before the consent has expired."""
    now = ctl_history.now()
    end = ctl_plan.windows(instance).window_end(now)
    patience = 0 if running else consents.SECONDS - 60
    if end and (running or instance.login != "auto") and (end - now).total_seconds() > patience:
        refuse_in_window(instance, "a login", now)
    standing = budgets.of(instance).check(clock.now())
    if standing.problem:
        raise CtlError(standing.problem, ctl_codes.NOT_NOW)
    if not standing.left:
        # The full minute after, so that following the advice works.
        again = (now + timedelta(seconds=standing.wait + 59)).astimezone(_zone(instance))
        raise CtlError(
            f"the login budget of {instance.name} is used up ({instance.budget_logins} logins in "
            f"{instance.budget_hours} h): one is free again on {again:%a %H:%M} {instance.timezone}. Find "
            f"out why the logins failed; `ibgatewayctl budget {instance.name} --reset` frees it at once",
            ctl_codes.NOT_NOW,
        )
    if running and standing.wait > 0:
        raise CtlError(
            f"the last login of {instance.name} was less than {instance.budget_minutes_apart} minutes ago: "
            f"try again in {duration(standing.wait)}",
            ctl_codes.NOT_NOW,
        )


def _grant(instance: instances.Instance) -> None:
    try:
        consents.grant(instance.run_dir, who())
    except OSError as error:
        raise CtlError(f"the consent cannot be noted in {instance.run_dir}: {error.strerror}") from None


def soft_restart(host: Host, instance: instances.Instance) -> str:
    """Let Gateway restart with its token; no tap. Only when it is logged in, and outside the windows."""
    refuse_unless_ready(host, instance, "restarted by its token")
    refuse_in_window(instance, "a restart")
    events = ctl_history.read(instance.state_dir / "events.jsonl")
    if instance.mode == "live" and ctl_history.token_outlived(events, ctl_history.now()):
        raise CtlError(
            f"IBKR ended the token of {instance.name} on Sunday at 01:00 New York, so this restart would "
            f"need a tap: use `ibgatewayctl login {instance.name}`",
            ctl_codes.NOT_NOW,
        )
    return command_restart(instance, f"asked for by {who()}")


def pause(host: Host, instance: instances.Instance) -> str:
    """End Gateway and keep its token, so that the next start needs no tap; waits until it has ended."""
    unit = f"ibgateway@{instance.name}.service"
    before = unit_state(unit)
    if before["active_state"] in ("inactive", "failed"):
        return f"{instance.name} is not running"
    refuse_unless_ready(host, instance, "paused")
    reply = _command(instance, "PAUSE")
    deadline = time.monotonic() + BEGINS_WITHIN
    while time.monotonic() < deadline:
        now = unit_state(unit)
        if now["active_state"] in ("inactive", "failed"):
            return f"{instance.name} is paused: the next start needs no tap, until IBKR ends the week's token"
        # 0: the launcher has ended, and systemd has not yet noted it in the unit's state.
        if now["main_pid"] not in (0, before["main_pid"]):
            raise CtlError(f"{instance.name} has started again instead of pausing: see the log")
        time.sleep(_PAUSE)
    raise CtlError(f"{instance.name} still runs {BEGINS_WITHIN:g} s after PAUSE ({reply}): see the log")


def budget_reset(_host: Host, instance: instances.Instance) -> str:
    """Begin the login budget anew."""

    def reset() -> None:
        try:
            budgets.of(instance).reset(clock.now())
        except BudgetClosed as closed:
            raise CtlError(str(closed)) from None

    as_service_user(reset)
    return f"the login budget of {instance.name} begins anew"


def look_out(host: Host, instance: instances.Instance) -> str:
    """Tell as JSON what speaks against a restart now: an operator may not ask the API himself."""
    return json.dumps([finding.as_dict() for finding in guard.examine(host, instance.name)])


VERBS = {
    "consent": consent,
    "soft-restart": soft_restart,
    "pause": pause,
    "budget-reset": budget_reset,
    "guard": look_out,
}


# --- what they share with the appointments ----------------------------------------------------------------


def command_restart(instance: instances.Instance, reason: str) -> str:
    """Send RESTART and note it among the events, first: it counts even if what follows goes wrong.

    Raises:
        CtlError: the event cannot be written, or IBC did not take the command.
    """
    emit(instance, "restart_planned", {"kind": "soft", "reason": reason})
    try:
        send(instance.command_port, "RESTART")
    except CommandFailed as failed:
        # Asked for twice, such as by a playbook that was killed and is run again: the first one counts.
        if "already in progress" not in str(failed):
            raise _not_taken(instance, "RESTART", failed) from None
    return f"{instance.name} restarts by its token within about a minute, without a tap"


def reconnect(instance: instances.Instance, verb: str) -> None:
    """Send RECONNECTDATA or RECONNECTACCOUNT; only to a Gateway that is logged in, others it kills.

    Raises:
        CtlError: IBC did not take the command.
    """
    _command(instance, verb)


def emit(instance: instances.Instance, kind: str, detail: dict) -> None:
    """Write an event as the service's user.

    Raises:
        CtlError: it cannot be written.
    """

    def write() -> None:
        problems: list[str] = []
        log = EventLog(instance.state_dir / "events.jsonl", instance.name, problems.append)
        log.emit(kind, detail)
        if log.behind:
            raise CtlError(f"{problems[0] if problems else 'the event cannot be written'}: nothing was done")

    as_service_user(write)


def refuse_in_window(instance: instances.Instance, what: str, now: datetime | None = None) -> None:
    """Raise CtlError when a reset window forbids it now."""
    now = now or ctl_history.now()
    found = ctl_plan.windows(instance)
    if end := found.window_end(now):
        until = end.astimezone(_zone(instance))
        raise CtlError(
            f"IBKR's servers reset ({found.open_window(now)}), {what} may get lost: "
            f"try again from {until:%H:%M} {instance.timezone} on",
            ctl_codes.NOT_NOW,
        )


def refuse_unless_ready(host: Host, instance: instances.Instance, what: str) -> None:
    """Raise CtlError unless Gateway is logged in: IBC's commands are harmful before that."""
    status = host.status(instance.name)
    if status["state"] != "ready" or status["unit"]["active_state"] != "active":
        raise CtlError(
            f"{instance.name} can only be {what} while it is ready, it is {status['state']}: "
            f"{status['status']}",
            ctl_codes.NOT_NOW,
        )


def who() -> str:
    """Who asks, for the events."""
    return os.environ.get("SUDO_USER") or "an operator"


def _command(instance: instances.Instance, verb: str) -> str:
    try:
        return send(instance.command_port, verb)
    except CommandFailed as failed:
        raise _not_taken(instance, verb, failed) from None


def _not_taken(instance: instances.Instance, verb: str, failed: CommandFailed) -> CtlError:
    return CtlError(f"IBC did not take {verb} ({failed}): see `ibgatewayctl log {instance.name}`")


def _zone(instance: instances.Instance):
    from .schedule import zones

    return zones.find(instance.timezone)
