"""`ibgatewayctl doctor`: runs every check, host first."""

from __future__ import annotations

import pwd

from . import ctl_history, doctor_host, doctor_instance, doctor_upstream
from .act_user import USER
from .ctl_host import CtlError, Host
from .doctor import NOTE, PROBLEM, Finding, Machine


def examine(host: Host, names: list[str], *, offline: bool, machine: Machine | None = None) -> list[Finding]:
    """Look at the host and at instances.

    Args:
        host: this host.
        names: known instances to look at; memory is reckoned with all of the host's.
        offline: do not connect to IBKR.
        machine: how to look.

    Returns:
        everything found, in a fixed order.

    Raises:
        CtlError: instances are not readable by this user (3).
    """
    machine = machine or Machine()
    now = ctl_history.now()
    found: list[Finding] = []
    every = []
    for name in host.names([]):
        try:
            every.append(host.instance(name))
        except CtlError as error:
            if error.code == 3:
                raise
            found.append(Finding(PROBLEM, "configuration", str(error), "run the playbook again", name))
    found += doctor_host.clock(machine)
    found += doctor_host.host_zone(machine, every)
    found += doctor_host.memory(machine, every)
    found += doctor_host.disk(machine)
    found += doctor_host.firewall(machine)
    found += doctor_host.alerting(machine)
    found += doctor_host.window_data(host.etc, now.date())
    windows_broken = found[-1].level == PROBLEM
    try:
        uid: int | None = pwd.getpwnam(USER).pw_uid
    except KeyError:
        uid = None
        found.append(Finding(PROBLEM, "user", f"there is no user {USER}", "run the playbook for this host"))
    for instance in every:
        if instance.name not in names:
            continue
        try:
            status = host.status(instance.name)
            events = ctl_history.read(instance.state_dir / "events.jsonl")
        except CtlError as error:
            if error.code == 3:
                raise
            found.append(Finding(PROBLEM, "state", str(error), "see `systemctl status`", instance.name))
            continue
        found += doctor_instance.state(instance, status)
        found += doctor_instance.readback(instance, status)
        found += doctor_instance.zones(machine, instance)
        found += doctor_instance.token(instance, events, now)
        found += doctor_instance.libraries(machine, instance)
        found += doctor_instance.listeners(machine, instance, status, uid)
        if windows_broken:
            text = "the schedule was not looked at, for the reset windows cannot be used"
            found.append(Finding(NOTE, "schedule", text, "", instance.name))
        else:
            found += doctor_instance.schedule(instance, now.date())
        found += doctor_instance.timers(machine, instance)
        found += doctor_upstream.skipped(instance) if offline else doctor_upstream.upstream(instance)
    return found
