"""The doctor's checks of one instance."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from . import ctl_history, ctl_plan, javacmd, tokenfile
from .ctl_host import CtlError
from .doctor import NOTE, OK, PROBLEM, WARNING, Finding, Machine
from .exitcodes import ConfigurationInvalid
from .instance import Instance

WINDOW_LIBRARIES = ("libawt.so", "libawt_xawt.so", "libfontmanager.so", "libfreetype.so")
"""What Java loads for windows; the installer's Java brings only some of what these need."""
PACKAGES = {
    "libXext.so.6": "libxext6", "libXi.so.6": "libxi6", "libXrender.so.1": "libxrender1",
    "libXtst.so.6": "libxtst6", "libX11.so.6": "libx11-6", "libfreetype.so.6": "libfreetype6",
    "libfontconfig.so.1": "libfontconfig1",
}  # fmt: skip
_RERUN = "run the playbook again"


def zones(machine: Machine, instance: Instance) -> list[Finding]:
    """One zone for the unit and jts.ini: they decide when Gateway restarts."""
    found = []
    try:
        unit = _value(machine.read(instance.etc_dir / "environment") or "", "TZ")
    except PermissionError:
        return [_not_looked(instance, "time_zone", "the unit's time zone")]
    if unit != instance.timezone:
        text = f"the unit's time zone is {unit or 'not set'}, the inventory says {instance.timezone}"
        found.append(_found(instance, PROBLEM, "time_zone", text, _RERUN))
    try:
        text = machine.read(instance.settings_dir / "jts.ini")
    except PermissionError:
        return [*found, _not_looked(instance, "time_zone", "jts.ini")]
    zone = _value(text or "", "TimeZone")
    if zone and zone != instance.timezone:
        text = f"jts.ini has the time zone {zone}, the inventory says {instance.timezone}"
        remedy = f"the next start corrects it: `ibgatewayctl restart {instance.name} --soft`"
        found.append(_found(instance, WARNING, "time_zone", text, remedy))
    return found or [_found(instance, OK, "time_zone", f"unit and jts.ini are in {instance.timezone}")]


def token(instance: Instance, events: list[tuple[float, str, dict]], now: datetime) -> list[Finding]:
    """Saved sessions that lie about: several, or one from before IBKR ended the week's tokens."""
    if not os.access(instance.settings_dir, os.R_OK | os.X_OK):
        return [_not_looked(instance, "token", "whether there is a saved session")]
    files = tokenfile.find(instance.settings_dir)
    if len(files) > 1:
        text = f"{len(files)} saved sessions lie about, none can be trusted: the next start is a full login"
        return [
            _found(instance, WARNING, "token", text, "nothing: the launcher sets them aside at its start")
        ]
    try:
        old = files and datetime.fromtimestamp(files[0].stat().st_mtime, UTC) < ctl_history.token_end(now)
    except OSError:
        files, old = [], False  # taken up in this moment
    if old:
        text = "the saved session is from before Sunday 01:00 New York: IBKR does not take it any more"
        remedy = (
            f"`ibgatewayctl login {instance.name}` when you have your phone at hand; the file is set aside"
        )
        return [_found(instance, WARNING, "token", text, remedy)]
    outlived = instance.mode == "live" and ctl_history.token_outlived(events, now)
    if outlived:
        text = "the weekly login is due: the next restart needs a tap"
        return [_found(instance, WARNING, "token", text, f"`ibgatewayctl login {instance.name}`")]
    kept = "a saved session waits for the next start" if files else "no saved session lies about"
    return [_found(instance, OK, "token", kept)]


def libraries(machine: Machine, instance: Instance) -> list[Finding]:
    """Java, and what its windows need."""
    try:
        java = javacmd.find_java(instance).resolve()
    except ConfigurationInvalid as error:
        text, _, remedy = str(error).partition(": ")
        return [_found(instance, PROBLEM, "libraries", text, remedy or _RERUN)]
    lib = java.parent.parent / "lib"
    missing: set[str] = set()
    looked = 0
    for name in WINDOW_LIBRARIES:
        if not (lib / name).exists():
            if name == "libawt_xawt.so":
                text = f"{java} is a headless Java: Gateway needs windows"
                return [_found(instance, PROBLEM, "libraries", text, "install the full JRE, or " + _RERUN)]
            continue
        output = machine.run("ldd", str(lib / name))
        looked += output is not None
        missing |= {
            line.split()[0] for line in (output or "").splitlines() if line.strip().endswith("=> not found")
        }
    # Java loads its own libraries itself, libjvm.so first of all: it is no place where ldd would look.
    missing -= {name for name in missing if (lib / name).exists() or (lib / "server" / name).exists()}
    if missing:
        packages = sorted({PACKAGES[name] for name in missing if name in PACKAGES})
        remedy = f"`apt install {' '.join(packages)}`" if packages else _RERUN
        return [_found(instance, PROBLEM, "libraries", f"Java lacks {', '.join(sorted(missing))}", remedy)]
    if not looked:
        return [
            _found(instance, NOTE, "libraries", "whether libraries are missing cannot be found out (ldd)")
        ]
    return [_found(instance, OK, "libraries", f"{java} has all it needs")]


def listeners(machine: Machine, instance: Instance, status: dict, uid: int | None) -> list[Finding]:
    """Who listens on the instance's ports, and where."""
    sockets = listening(machine)
    running = status["unit"]["active_state"] in ("active", "activating", "deactivating")
    found = []
    for key in ("api_port", "command_port", "vnc_port"):
        port = getattr(instance, key)
        here = [entry for entry in sockets if entry[1] == port]
        foreign = [entry for entry in here if uid is not None and entry[2] not in (uid, 0)]
        if foreign or (here and not running and key != "vnc_port"):
            text = f"another program listens on port {port} ({key})"
            remedy = f"see `ss -ltnp sport = :{port}`: stop it, or set another {key}"
            found.append(_found(instance, PROBLEM, "listeners", text, remedy))
        elif key != "api_port" and any(not loopback for loopback, _, _ in here):
            # Gateway itself binds the API to every address, and the firewall closes that; these two need not.
            text = f"port {port} ({key}) can be reached from other machines"
            found.append(_found(instance, PROBLEM, "listeners", text, _RERUN + ", and see the firewall"))
        elif not here and key != "vnc_port" and status["state"] == "ready":
            text = f"nothing listens on port {port} ({key}) although Gateway is ready"
            remedy = f"`ibgatewayctl restart {instance.name} --soft`"
            if key == "command_port":
                remedy = f"see `ibgatewayctl log {instance.name}`; the next daily restart opens it again"
            found.append(_found(instance, PROBLEM, "listeners", text, remedy))
    return found or [_found(instance, OK, "listeners", "the ports are as they should be")]


def readback(instance: Instance, status: dict) -> list[Finding]:
    """What Gateway says it is set to, against what was wanted."""
    values = status.get("readback")
    if not isinstance(values, dict) or not values:
        return [_found(instance, NOTE, "settings", "Gateway has not told its settings yet")]
    found = [
        _found(
            instance, WARNING, "settings", f"{key} is {entry.get('found')}, wanted is {entry.get('wanted')}",
            f"see `ibgatewayctl log {instance.name}` for what IBC says of it; a restart sets it again",
        )
        for key, entry in sorted(values.items())
        if isinstance(entry, dict) and entry.get("ok") is False
    ]  # fmt: skip
    return found or [_found(instance, OK, "settings", f"{len(values)} settings are as wanted")]


def schedule(instance: Instance, today) -> list[Finding]:
    """The schedule still holds, also with the windows of now and the region known by now."""
    try:
        made = ctl_plan.schedule(instance, today)
    except CtlError as error:
        return [_found(instance, PROBLEM, "schedule", str(error), "correct the times in the inventory")]
    age = ctl_plan.all_windows(instance.etc_dir.parent).age_warning(today)
    found = [_found(instance, NOTE, "schedule", text) for text in made.warnings if text != age]
    return found or [_found(instance, OK, "schedule", "the schedule keeps out of the reset windows")]


def timers(machine: Machine, instance: Instance) -> list[Finding]:
    """The timers that keep the appointments."""
    wanted = ["restart", "reset"] if instance.daily_restart else ["reset"]
    if instance.mode == "live" and instance.weekly_login:
        wanted.append("login")
    found = []
    for what in wanted:
        timer = f"ibgateway-{what}@{instance.name}.timer"
        answer = machine.run("systemctl", "show", timer, "--property=ActiveState", "--value")
        if answer is None:
            return [_found(instance, NOTE, "timers", "systemd does not tell about the timers")]
        if answer.strip() != "active":
            text = f"{timer} is {answer.strip()}: its appointment is not kept"
            found.append(_found(instance, PROBLEM, "timers", text, f"`systemctl start {timer}`, or {_RERUN}"))
    return found or [_found(instance, OK, "timers", f"the timers wait: {', '.join(wanted)}")]


def state(instance: Instance, status: dict) -> list[Finding]:
    """How it is now."""
    if status["state"] in ("parked", "failed"):
        text = f"it is {status['state']}: {status['status']}"
        return [
            _found(instance, PROBLEM, "state", text, f"`ibgatewayctl status {instance.name}` says what next")
        ]
    return [_found(instance, OK, "state", f"it is {status['state']}")]


def listening(machine: Machine) -> list[tuple[bool, int, int]]:
    """Every TCP listener: on loopback only?, port, the owner's uid."""
    found = []
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (machine.read(file) or "").splitlines()[1:]:
            fields = line.split()
            if len(fields) < 8 or fields[3] != "0A":
                continue
            address, _, port = fields[1].partition(":")
            # As the kernel prints it: 127.x.x.x, ::1, or the first as a v6 address; little-endian words.
            loopback = address.endswith("7F") if len(address) == 8 else (
                address == "0" * 24 + "01000000" or (address.startswith("0" * 16 + "FFFF0000")
                and address.endswith("7F"))
            )  # fmt: skip
            found.append((loopback, int(port, 16), int(fields[7])))
    return found


def _value(text: str, key: str) -> str:
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip() == key:
            return value.strip().strip('"')
    return ""


def _found(instance: Instance, level: str, check: str, text: str, remedy: str = "") -> Finding:
    return Finding(level, check, text, remedy, instance.name)


def _not_looked(instance: Instance, check: str, what: str) -> Finding:
    return _found(instance, NOTE, check, f"{what} is not readable for this user: `sudo ibgatewayctl doctor`")
