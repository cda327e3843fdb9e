"""Starting and stopping from the command line: ask systemd, then tell what happens until it is done."""

from __future__ import annotations

import time

from . import ctl_codes
from .ctl_host import CtlError, Host, manage, unit_state
from .ctl_show import local_time, next_step

_PAUSE = 0.5
_BEGIN = 10.0
"""Seconds within which systemd must have begun with a start."""
RESTART_BEGINS = 150.0
"""Seconds within which a restart by the token must have begun: IBC waits for the next full minute."""
_SETTLES = 60.0
"""Seconds that a start under way is given to get ready; Gateway itself needs most of them."""
_ENDS = 5.0
"""Seconds from when Gateway takes no commands any more, since it restarts, to the end of that run."""
STARTS = ("starting", "login")
"""States in which a start is under way that waits for nobody."""


def start(host: Host, name: str, say) -> int:
    """Start an instance and follow until it is ready or has given up.

    Args:
        host: the host.
        name: a known instance.
        say: a Teller.

    Returns:
        the exit code: ready, not ready, or deferred by a reset window.

    Raises:
        CtlError: not permitted, or systemd refused.
    """
    unit = f"ibgateway@{name}.service"
    if unit_state(unit)["active_state"] == "active":
        say(f"{name} is running already: {host.status(name)['status']}")
        return ctl_codes.DONE
    before = run_of(host.status(name))
    # An operator's start is deliberate, so the limit on starts begins anew.
    manage("reset-failed", unit)
    manage("start", unit)
    say(f"starting {name}; Ctrl-C only ends this display, not the start")
    return until_ready(host, name, say, before=before)


def stop(host: Host, name: str, say) -> int:
    """Stop an instance, follow until it has logged out, and see that no appointment starts it again.

    Args:
        host: the host.
        name: a known instance.
        say: a Teller.

    Returns:
        the exit code: stopped, or not.

    Raises:
        CtlError: not permitted, or systemd refused.
    """
    unit = f"ibgateway@{name}.service"
    cycle = f"ibgateway-cycle@{name}.service"
    if unit_state(cycle)["active_state"] in ("activating", "deactivating"):
        # Its daily stop and start is at work: without this, the start would follow.
        say(f"ending the daily stop and start of {name} first")
        manage("stop", cycle, wait=True)
    if unit_state(unit)["active_state"] in ("inactive", "failed"):
        manage("reset-failed", unit)
        say(f"{name} is not running")
        return ctl_codes.DONE
    manage("stop", unit)
    say(f"stopping {name}: Gateway logs out, which takes up to a minute and a half")
    return _until_stopped(host, name, say)


def until_ready(
    host: Host,
    name: str,
    say,
    *,
    not_pid: int = 0,
    begins: float | None = None,
    before: tuple | None = None,
) -> int:
    """Follow an instance until it is ready, has given up, or waits for a reset window's end.

    Args:
        host: the host.
        name: a known instance.
        say: a Teller.
        not_pid: the launcher before a restart; while it runs, the new one has not begun. 0 for none.
        begins: seconds within which the start must have begun.
        before: `run_of` the run before, if that is over: what it said last is not shown again.

    Returns:
        the exit code.

    Raises:
        CtlError: the start did not begin, or systemd does not answer.
    """
    unit = f"ibgateway@{name}.service"
    begun = False
    deadline = time.monotonic() + (_BEGIN if begins is None else begins)
    while True:
        active = unit_state(unit)
        status = host.status(name)
        begun = begun or (
            active["active_state"] in ("activating", "active") and active["main_pid"] != not_pid
        )
        stale = before is not None and run_of(status) == before
        if not stale and (begun or active["active_state"] not in ("inactive", "active")):
            say.progress(f"{name}: {_sentence(status, active)}")
        if begun and active["active_state"] == "active" and status["state"] == "ready":
            say.end()
            return ctl_codes.DONE
        if status["state"] == "deferred" and begun and not stale:
            when = local_time(status.get("deferred_until"), host.instance(name).timezone)
            until = f" until {when}" if when else ""
            say(f"{name} waits{until} and goes on by itself: see `ibgatewayctl status {name}`")
            return ctl_codes.NOT_NOW
        if active["active_state"] == "failed" or (active["active_state"] == "inactive" and begun):
            say.end()
            if hint := next_step(status):
                say(f"next: {hint}")
            return ctl_codes.FAILED
        if not begun and time.monotonic() > deadline:
            if not_pid:
                raise CtlError(f"{name} has not restarted in time: see `ibgatewayctl log {name}`")
            # What the unit needs (its display) did not start, so neither did the unit.
            raise CtlError(
                f"systemd did not start it: see `systemctl status {unit} ibgateway-display@{name}`"
            )
        time.sleep(_PAUSE)


def settled(host: Host, name: str, say) -> dict:
    """Let a start that is under way come to its end: what is asked for meanwhile would only disturb it.

    Args:
        host: the host.
        name: a known instance.
        say: a Teller.

    Returns:
        the status then, or after a minute.

    Raises:
        CtlError: as `Host.status`.
    """
    deadline = time.monotonic() + _SETTLES
    while True:
        status = host.status(name)
        down = status["unit"]["active_state"] in ("inactive", "failed")
        if down or status["state"] not in STARTS or time.monotonic() > deadline:
            say.end()
            return status
        say.progress(f"{name} starts right now: {_sentence(status, status['unit'])}")
        time.sleep(_PAUSE)


def ends(host: Host, name: str, run: tuple) -> bool:
    """Whether a run of the launcher is over, or is just ending.

    Args:
        host: the host.
        name: a known instance.
        run: as `run_of` told it.
    """
    deadline = time.monotonic() + _ENDS
    while run_of(host.status(name)) == run:
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def run_of(status: dict) -> tuple:
    """What tells the launcher's runs apart: when one was started, and its process."""
    return status.get("started"), status.get("pid")


def _until_stopped(host: Host, name: str, say) -> int:
    unit = f"ibgateway@{name}.service"
    while True:
        active = unit_state(unit)
        status = host.status(name)
        say.progress(f"{name}: {_sentence(status, active)}")
        if active["active_state"] in ("inactive", "failed"):
            say.end()
            if active["active_state"] == "failed":
                manage("reset-failed", unit)
            return ctl_codes.DONE
        time.sleep(_PAUSE)


def _sentence(status: dict, unit: dict) -> str:
    if unit["sub_state"].startswith("auto-restart"):
        return f"{status['status']}; systemd starts it again in a moment"
    return status["status"]
