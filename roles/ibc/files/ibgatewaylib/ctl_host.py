"""What `ibgatewayctl` sees of the host: instances, their state files and their units."""

from __future__ import annotations

import calendar
import difflib
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from . import fingerprint, statefile
from . import instance as instances
from .exitcodes import ConfigurationInvalid

UNIT_PROPERTIES = {
    "ActiveState": "active_state",
    "SubState": "sub_state",
    "Result": "result",
    "ExecMainStatus": "exit_status",
    "MainPID": "main_pid",
}
BECOME_OPERATOR = (
    "add your user to ibc_operators in the inventory, run the playbook and log in anew, or use sudo"
)


class CtlError(Exception):
    """The command cannot be carried out; `code` is the exit code, the message names the remedy."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code


class Host:
    """The host as the command sees it.

    Args:
        etc: where the instances are configured.
    """

    def __init__(self, etc: Path = instances.ETC) -> None:
        self.etc = etc

    def names(self, wanted: list[str]) -> list[str]:
        """The instances to work on.

        Args:
            wanted: names from the command line; none means all.

        Returns:
            the names, sorted unless given.

        Raises:
            CtlError: unknown (4), none configured (4), or not readable by this user (3).
        """
        try:
            known = sorted(file.parent.name for file in self.etc.glob("*/instance.toml"))
            if not known and self.etc.is_dir():
                # glob() passes over what may not be read; find out whether that is why there is nothing.
                for directory in self.etc.iterdir():
                    (directory / "instance.toml").exists()
        except PermissionError:
            raise _not_permitted(self.etc) from None
        for name in wanted:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = (
                    f"did you mean {close[0]}?"
                    if close
                    else f"there is {', '.join(known) or 'none on this host'}"
                )
                raise CtlError(f"no instance {name!r}: {hint}", 4)
        if not known:
            raise CtlError(f"no instance is configured in {self.etc}: run the playbook for this host", 4)
        return wanted or known

    def instance(self, name: str) -> instances.Instance:
        """One instance's configuration.

        Raises:
            CtlError: unreadable (3) or broken (1).
        """
        directory = self.etc / name
        try:
            (directory / "instance.toml").read_bytes()
        except PermissionError:
            raise _not_permitted(directory / "instance.toml") from None
        except OSError:
            pass  # load() has the better sentence
        try:
            return instances.load(directory)
        except ConfigurationInvalid as error:
            raise CtlError(str(error)) from None

    def status(self, name: str) -> dict:
        """All there is to say about an instance.

        Args:
            name: a known instance.

        Returns:
            the fields of state.json, plus `unit` (as systemd sees it) and `pending` (files that changed since
            the start, so that the next start differs).

        Raises:
            CtlError: not readable by this user (3), broken instance.toml (1), systemd does not answer (1).
        """
        # Here and not above: they need this module, and a plain error message needs none of them.
        from . import budget as budgets
        from . import clock, consent, ctl_plan

        instance = self.instance(name)
        try:
            state = statefile.read(instance.run_dir / "state.json")
        except PermissionError:
            raise _not_permitted(instance.run_dir / "state.json") from None
        unit = unit_state(f"ibgateway@{name}.service")
        if state is None:
            state = {"state": "stopped", "since": None, "status": "not started since the host booted"}
        running = unit["active_state"] in ("active", "activating", "deactivating")
        base = {
            "instance": name,
            "mode": instance.mode,
            "timezone": instance.timezone,
            "api_port": instance.api_port,
            "gateway_version": instance.gateway_version,
            "ibc_version": instance.ibc_version,
            "logins": 0,
            "last_event": None,
            "deferred_until": None,
            "readback": {},
            "last_login": None,
            "link": None,
        }
        if not running and state["state"] not in ("stopped", "parked", "failed"):
            # The launcher died without a word (SIGKILL, power): its last state is no longer true.
            dead = f"the launcher ended unexpectedly ({unit['result']})"
            if unit["result"] == "start-limit-hit":
                dead = f"started too often, systemd gave up; last: {state.get('status', '')}"
            state = {**state, "state": "failed", "status": dead, "java_pid": None}
        # Without a process it prepares a start (ExecStartPre=), unless it only waits to start again.
        waits = unit["sub_state"].startswith("auto-restart")
        prepares = unit["active_state"] == "activating" and not unit["main_pid"] and not waits
        if prepares or (running and unit["main_pid"] and state.get("pid", 0) != unit["main_pid"]):
            # What is on disk is the run before; the new launcher has not written yet.
            state = {"state": "starting", "since": None, "status": "starting the launcher"}
        pending = self._pending(instance, state) if running else []
        now = clock.now()
        fresh = {
            # Not from the file: what it says of these was true when it was written.
            "login": instance.login,
            "consent": consent.peek(instance.run_dir, now),
            "budget": budgets.of(instance).check(now).as_dict(now),
            "next_appointment": ctl_plan.next_appointment(instance, datetime.fromtimestamp(now.wall, UTC)),
        }
        return {**base, **state, **fresh, "unit": unit, "pending": pending}

    def _pending(self, instance: instances.Instance, state: dict) -> list[str]:
        changed = []
        for file, digest in sorted((state.get("inputs") or {}).items()):
            try:
                now = fingerprint.of(instance.etc_dir / file)
            except OSError:
                now = ""
            if now != digest:
                changed.append(f"{file} changed")
        for key, program in (("gateway_version", "IB Gateway"), ("ibc_version", "IBC")):
            runs, wanted = state.get(key), getattr(instance, key)
            if runs and runs != wanted:
                changed.append(f"{program} {runs} → {wanted}")
        started = parse_time(state.get("started"))
        for file in ("username.cred", "password.cred"):
            # The service never sees these files, so it cannot record what they were: compare times.
            try:
                written = (instance.etc_dir / "credentials" / file).stat().st_mtime
            except OSError:
                continue
            if started and written > started:
                changed.append(f"{file} changed")
        return changed


def unit_state(unit: str) -> dict:
    """A unit's state.

    Args:
        unit: its full name.

    Returns:
        active_state, sub_state, result (text), exit_status and main_pid (numbers).

    Raises:
        CtlError: systemd does not answer.
    """
    done = systemctl("show", unit, "--property=" + ",".join(UNIT_PROPERTIES))
    if done.returncode:
        raise CtlError(f"systemd does not answer: {done.stderr.strip() or 'systemctl show failed'}")
    values = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    state: dict = {key: values.get(name, "") for name, key in UNIT_PROPERTIES.items()}
    for key in ("exit_status", "main_pid"):
        state[key] = int(state[key] or 0)
    return state


def systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemctl without asking anything.

    Raises:
        CtlError: it is not there.
    """
    try:
        return subprocess.run(
            ["systemctl", "--no-ask-password", *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise CtlError("systemctl is missing: this host does not run systemd") from None


def manage(verb: str, unit: str, *, wait: bool = False) -> None:
    """Let systemd start, stop or reset a unit.

    Args:
        verb: of systemctl.
        unit: its full name.
        wait: until it is done; a unit that fails meanwhile is an error.

    Raises:
        CtlError: not permitted (3) or refused (1).
    """
    arguments = [verb, unit] if wait or verb == "reset-failed" else [verb, "--no-block", unit]
    done = systemctl(*arguments)
    if not done.returncode:
        return
    reason = done.stderr.strip().splitlines()
    text = reason[0] if reason else f"systemctl {verb} failed"
    if any(word in done.stderr for word in ("authentication required", "Access denied", "Permission denied")):
        raise CtlError(f"not permitted: {text}; {BECOME_OPERATOR}", 3)
    if verb == "reset-failed" and "not loaded" in done.stderr:
        return
    raise CtlError(f"{text}; see `systemctl status {unit}`")


def parse_time(text: str | None) -> float | None:
    """Seconds since the epoch of a time stamp in a state or event, None if there is none."""
    if not isinstance(text, str):
        return None
    try:
        whole = time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
        return calendar.timegm(whole) + float("0" + text[19:-1] if text[19:20] == "." else 0)
    except ValueError:
        return None


def _not_permitted(file: Path) -> CtlError:
    return CtlError(f"{file} is not readable for this user: {BECOME_OPERATOR}", 3)
