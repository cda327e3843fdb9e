"""Starting and stopping from the command line: ask systemd, then tell what happens until it is done."""

from __future__ import annotations

import time

from .ctl_host import CtlError, Host, manage, unit_state
from .ctl_show import NEXT_STEPS

_PAUSE = 0.5
_BEGIN = 10.0
"""Seconds within which systemd must have begun with a start."""


def start(host: Host, name: str, say) -> int:
    """Start an instance and follow until it is ready or has given up.

    Args:
        host: the host.
        name: a known instance.
        say: called with each line for the operator.

    Returns:
        0 when ready, 1 when not.

    Raises:
        CtlError: not permitted, or systemd refused.
    """
    unit = f"ibgateway@{name}.service"
    if unit_state(unit)["active_state"] == "active":
        say(f"{name} is running already: {host.status(name)['status']}")
        return 0
    # An operator's start is deliberate, so the limit on starts begins anew.
    manage("reset-failed", unit)
    manage("start", unit)
    say(f"starting {name}; Ctrl-C only ends this display, not the start")
    return _follow(host, name, say, wanted="active")


def stop(host: Host, name: str, say) -> int:
    """Stop an instance and follow until it has logged out.

    Args:
        host: the host.
        name: a known instance.
        say: called with each line for the operator.

    Returns:
        0 when stopped, 1 when not.

    Raises:
        CtlError: not permitted, or systemd refused.
    """
    unit = f"ibgateway@{name}.service"
    if unit_state(unit)["active_state"] in ("inactive", "failed"):
        manage("reset-failed", unit)
        say(f"{name} is not running")
        return 0
    manage("stop", unit)
    say(f"stopping {name}: Gateway logs out, which takes up to a minute and a half")
    return _follow(host, name, say, wanted="inactive")


def _follow(host: Host, name: str, say, *, wanted: str) -> int:
    unit = f"ibgateway@{name}.service"
    last = ""
    seen_running = False
    began = time.monotonic()
    while True:
        active = unit_state(unit)
        status = host.status(name)
        line = _sentence(status, active)
        if line != last and (seen_running or active["active_state"] != "inactive" or wanted == "inactive"):
            say(f"{name}: {line}")
            last = line
        seen_running = seen_running or active["active_state"] in ("activating", "active", "deactivating")
        if active["active_state"] == wanted and (wanted == "inactive" or status["state"] == "ready"):
            return 0
        if active["active_state"] == "failed" or (active["active_state"] == "inactive" and seen_running):
            if wanted == "inactive":
                manage("reset-failed", unit)
                return 0
            if hint := NEXT_STEPS.get(status["state"]):
                say(f"next: {hint.format(name=name)}")
            return 1
        if not seen_running and time.monotonic() - began > _BEGIN:
            # What the unit needs (its display) did not start, so neither did the unit.
            raise CtlError(
                f"systemd did not start it: see `systemctl status {unit} ibgateway-display@{name}`"
            )
        time.sleep(_PAUSE)


def _sentence(status: dict, unit: dict) -> str:
    if unit["sub_state"] == "auto-restart":
        return f"{status['status']}; systemd starts it again in a moment"
    return status["status"]


__all__ = ["CtlError", "start", "stop"]
