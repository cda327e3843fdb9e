"""The doctor's checks of the host."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from . import ctl_plan
from .ctl_host import CtlError
from .doctor import NOTE, OK, PROBLEM, WARNING, Finding, Machine
from .instance import Instance

OVERHEAD = 300
"""MiB an instance needs beside its heap: Java's own memory, its display."""
SYSTEM = 300
"""MiB the system itself needs."""
LITTLE_MEMORY = 100
SPARE_MEMORY = 256
"""MiB beyond all this, below which a host without swap has no room for an upgrade of Debian."""
LITTLE_DISK, SOME_DISK = 200, 1000
"""MiB."""
PYTHON = "/usr/bin/python3"
PACKAGES = "/opt/ibgateway-alerting/venv"
"""Alerting's Python packages; the folder behind it is named PYTHON-HASH by role alerting."""
PLACES = ("/var/lib/ibgateway", "/run", "/opt", "/tmp")  # noqa: S108 - only its free space is read


def memory(machine: Machine, instances: list[Instance]) -> list[Finding]:
    """Heap against memory: what is promised to Java must be there, for an out-of-memory kill costs a tap."""
    figures = {}
    for line in (machine.read("/proc/meminfo") or "").splitlines():
        key, _, rest = line.partition(":")
        if rest.split()[:1] and rest.split()[0].isdecimal():
            figures[key] = int(rest.split()[0]) >> 10
    if "MemTotal" not in figures:
        return [Finding(NOTE, "memory", "the host's memory cannot be read")]
    heap = sum(instance.heap for instance in instances)
    needed = heap + OVERHEAD * len(instances) + SYSTEM
    total, swap = figures["MemTotal"], figures.get("SwapTotal", 0)
    many = "1 instance wants" if len(instances) == 1 else f"{len(instances)} instances want"
    what = f"{many} about {needed} MiB ({heap} MiB of it heap), the host has {total} MiB"
    remedy = "lower heap in the inventory, move an instance to another host, or take a larger one"
    if heap > total:
        return [Finding(PROBLEM, "memory", what, remedy)]
    if needed > total:
        level = NOTE if needed <= total + swap else WARNING
        return [Finding(level, "memory", f"{what} and {swap} MiB swap", "" if level == NOTE else remedy)]
    if figures.get("MemAvailable", total) < LITTLE_MEMORY:
        text = f"only {figures['MemAvailable']} MiB of memory are available"
        return [
            Finding(WARNING, "memory", text, "see what uses it: `ps -eo rss,user,comm --sort=-rss | head`")
        ]
    if needed + SPARE_MEMORY > total and not swap:
        return [
            Finding(
                WARNING, "memory", f"{what} and no swap: an upgrade may make the kernel end Gateway",
                "add 1 GiB of swap: `fallocate -l 1G /swapfile && chmod 600 /swapfile && mkswap /swapfile && "
                "swapon /swapfile`, and `/swapfile none swap sw 0 0` in /etc/fstab",
            )
        ]  # fmt: skip
    return [Finding(OK, "memory", what)]


def disk(machine: Machine) -> list[Finding]:
    """Room for settings, logs and the state."""
    found = []
    for place in PLACES:
        try:
            free, inodes = machine.space(place)
        except OSError:
            continue
        remedy = f"free some: `du -xh {place} | sort -h | tail`, `journalctl --vacuum-size=200M`"
        # The state is in memory and small; a few MiB are enough there.
        little, some = (8, 16) if place == "/run" else (LITTLE_DISK, SOME_DISK)
        text = f"{place} has {free} MiB free"
        if inodes < 0.01:
            found.append(Finding(PROBLEM, "disk", f"{place} has no inodes left: too many files", remedy))
        else:
            level = PROBLEM if free < little else WARNING if free < some else OK
            found.append(Finding(level, "disk", text, remedy if level != OK else ""))
    return found


def clock(machine: Machine) -> list[Finding]:
    """A clock that is set by time servers: schedules and logins depend on it."""
    if machine.read("/run/systemd/container"):
        return [Finding(OK, "clock", "this is a container: the clock is that of the machine around it")]
    answer = machine.run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if answer is None:
        return [Finding(NOTE, "clock", "whether the clock is synchronised cannot be found out (timedatectl)")]
    if answer.strip() == "yes":
        return [Finding(OK, "clock", "the clock is synchronised")]
    return [
        Finding(
            WARNING, "clock", "the clock is not synchronised with a time server",
            "`apt install systemd-timesyncd`, then `timedatectl set-ntp true` and see `timedatectl status`",
        )
    ]  # fmt: skip


def host_zone(machine: Machine, instances: list[Instance]) -> list[Finding]:
    """The host's own zone. Units and timers name theirs, so another one only makes logs harder to read."""
    zone = machine.run("timedatectl", "show", "--property=Timezone", "--value") or machine.read(
        "/etc/timezone"
    )
    zone = (zone or "").strip()
    if not zone:
        return [Finding(NOTE, "time_zone", "the host's time zone cannot be found out")]
    others = sorted({instance.timezone for instance in instances} - {zone})
    if not others:
        return [Finding(OK, "time_zone", f"the host's time zone is the instances': {zone}")]
    text = f"the host runs in {zone}, instances in {', '.join(others)}: harmless, but times in logs differ"
    return [Finding(NOTE, "time_zone", text)]


def window_data(etc: Path, today: date) -> list[Finding]:
    """The reset windows: usable, and not too old."""
    try:
        warning = ctl_plan.all_windows(etc).age_warning(today)
    except CtlError as error:
        return [
            Finding(PROBLEM, "reset_windows", str(error), "correct ibc_reset_windows and run the playbook")
        ]
    if warning:
        text, _, remedy = warning.partition(": ")
        return [Finding(WARNING, "reset_windows", text, remedy)]
    return [Finding(OK, "reset_windows", "the reset windows are recent")]


def firewall(machine: Machine) -> list[Finding]:
    """Our firewall table: without it every local user, and maybe the network, reaches the API."""
    answer = machine.run(
        "systemctl", "show", "ibgateway-firewall.service", "--property=ActiveState,LoadState"
    )
    values = dict(line.partition("=")[::2] for line in (answer or "").splitlines())
    if values.get("LoadState") == "not-found":
        return [Finding(NOTE, "firewall", "no firewall of ours is installed (ibgateway_firewall is off)")]
    if values.get("ActiveState") == "active":
        return [Finding(OK, "firewall", "the firewall of the ports is active")]
    return [
        Finding(
            PROBLEM, "firewall", "the firewall of the ports is not active: others may reach them",
            "`systemctl start ibgateway-firewall`, and see `systemctl status ibgateway-firewall`",
        )
    ]  # fmt: skip


def alerting(machine: Machine) -> list[Finding]:
    """The watcher and the notifier: do they run, and are their packages those of the host's Python?"""
    packages, python = machine.behind(PACKAGES), machine.behind(PYTHON)
    if not packages:
        return [Finding(NOTE, "alerting", "no watcher of ours is installed (role alerting)")]
    found = []
    for what, unit in (("watcher", "ibgateway-watch.service"), ("notifier", "ibgateway-notify.service")):
        state = (machine.run("systemctl", "show", unit, "--property=ActiveState", "--value") or "").strip()
        if state != "active":
            text = f"the {what} is {state or 'unknown'}: nobody hears of trouble"
            remedy = f"run the playbook again, and see `journalctl -u {unit}`"
            found.append(Finding(PROBLEM, "alerting", text, remedy))
    made_for = packages.rpartition("-")[0]
    if made_for != python:
        text = (
            f"the host has {python} now, alerting's packages are {made_for}'s: "
            "what is plain Python works, the weekly digest has no picture"
        )
        found.append(Finding(WARNING, "alerting", text, "run the playbook again: it restarts no Gateway"))
    return found or [Finding(OK, "alerting", "watcher and notifier run")]
