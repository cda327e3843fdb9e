"""Each instance's unit and its `state.json`: looked at all the time, asked of systemd seldom.

A control group's list of processes changes with nearly everything that happens to a unit, and costs next to
nothing to read. systemd is asked when it changed, while the unit is in transition, and once a minute.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..observation import Changes, Observation
from ..settings import Settings
from . import questions
from .cgroups import ROOT, Cgroup

log = logging.getLogger(__name__)

UNIT = "ibgateway@{}.service"
DEFAULT_CGROUP = "/system.slice/system-ibgateway.slice/" + UNIT
"""Where systemd puts an instance of a template unit that names no slice (systemd.unit(5))."""
PROPERTIES = (
    "Id", "ActiveState", "SubState", "Result", "ExecMainCode", "ExecMainStatus", "ControlGroup", "LoadState"
)  # fmt: skip
SYSTEMCTL = ("systemctl", "--no-pager", "show", "--property=" + ",".join(PROPERTIES))
LOOK_EVERY = 0.5
"""Seconds between two looks at the files. What is urgent comes as an event."""
ASK_EVERY = 60.0
"""Seconds between two questions to systemd when nothing changes."""
ASK_IN_TRANSITION = 10.0
"""The same while a unit is activating or deactivating: a login may take minutes."""
AFTER_CHANGE = (0.0, 0.5, 2.0, 5.0)
"""Seconds after a change at which systemd is asked: it may hear of things later than files show them."""
ANSWERS_WITHIN = 10.0
KILLS_EVERY = 1.0
"""Seconds between two looks at the count of out-of-memory kills; the group may be gone soon after one."""
_STATES = ("active", "activating", "deactivating", "inactive", "failed")
_LARGEST_STATE = 1 << 18
_CODES = {"1": "exit code", "2": "signal", "3": "signal"}
"""ExecMainCode: CLD_EXITED, CLD_KILLED, CLD_DUMPED (waitid(2))."""


class Units:
    """Watches the units of all instances. Never waits."""

    def __init__(
        self, settings: Settings, *, systemctl: Sequence[str] = SYSTEMCTL, cgroups: Path = ROOT
    ) -> None:
        """Prepare; nothing is read or run before `tick`.

        Args:
            settings: names the instances and where their state is.
            systemctl: the command that shows units whose names follow (a seam for tests).
            cgroups: where control groups are mounted (the same).
        """
        self._instances = {
            name: _Instance(name, settings.run_root / name / "state.json", cgroups)
            for name in settings.instances
        }
        self._question = _Question(systemctl)
        self._changes = Changes()
        self._looked = 0.0

    def running(self, name: str) -> bool:
        """Whether an instance's unit is active and says that Gateway is ready: then its API must answer."""
        instance = self._instances[name]
        return instance.unit == "active" and instance.state.get("state") == "ready"

    def tick(self, now: float) -> list[Observation]:
        """Look at everything.

        Args:
            now: seconds since the epoch.

        Returns:
            `unit` (ActiveState; the text has result and exit code), `state` (state.json's content, empty when
            there is none) and `oom` (count of kills in its group) of each instance, when they are news.
        """
        if not self._question.running and 0 <= now - self._looked < LOOK_EVERY:
            return []
        self._looked = now
        found: list[Observation] = []
        for instance in self._instances.values():
            instance.look(now)
        self._ask(now)
        for name, instance in self._instances.items():
            if instance.unit:
                found += self._changes.news(name, "unit", instance.unit, now, instance.text)
            found += self._changes.news(name, "state", instance.state, now)
            if instance.kills is not None:
                found += self._changes.news(name, "oom", instance.kills, now)
        return found

    def close(self) -> None:
        """End a question that is under way."""
        self._question.stop()

    def _ask(self, now: float) -> None:
        answer = self._question.answer(now)
        for unit, properties in (answer or {}).items():
            for name, instance in self._instances.items():
                if UNIT.format(name) == unit:
                    instance.take(properties, now)
        if self._question.running:
            return
        due = [name for name, instance in self._instances.items() if instance.due(now)]
        if due:
            for name in due:
                self._instances[name].asked(now)
            self._question.ask([UNIT.format(name) for name in due], now)


class _Instance:
    """What is known of one instance's unit."""

    def __init__(self, name: str, state_file: Path, cgroups: Path) -> None:
        self.unit = self.text = ""
        self.state: dict = {}
        self.kills: int | None = None
        self._name = name
        self._cgroups = cgroups
        self._cgroup = Cgroup(DEFAULT_CGROUP.format(name), cgroups)
        self._processes: bytes | None = None
        self._state_file = state_file
        self._signature: tuple[int, int, int] | None = None
        self._ask_at: list[float] = []
        self._asked: float | None = None
        self._counted = 0.0

    def look(self, now: float) -> None:
        """Look at the files."""
        processes = self._cgroup.processes()
        changed = processes != self._processes
        self._processes = processes
        changed = self._look_at_state() or changed
        if changed:
            self._ask_at = [now + seconds for seconds in AFTER_CHANGE]
        if changed or not 0 <= now - self._counted < KILLS_EVERY:
            self._counted = now
            kills = self._cgroup.kills()
            # With the group the count is gone, not what it counted.
            self.kills = self.kills if kills is None else kills

    def _look_at_state(self) -> bool:
        try:
            status = os.stat(self._state_file)  # noqa: PTH116 - four times a second
            signature = (status.st_ino, status.st_mtime_ns, status.st_size)
        except OSError:
            signature = None
        if signature == self._signature:
            return False
        state = self._read_state() if signature else {}
        if state is None:
            return False  # unreadable this moment: the signature stays old, so the next look tries again
        self._signature, self.state = signature, state
        return True

    def _read_state(self) -> dict | None:
        try:
            with self._state_file.open("rb") as file:
                state = json.loads(file.read(_LARGEST_STATE))
        except (OSError, ValueError, RecursionError):
            return None
        return state if isinstance(state, dict) else None

    def due(self, now: float) -> bool:
        """Whether systemd is to be asked."""
        if self._asked is None or not 0 <= now - self._asked < ASK_EVERY:
            return True
        if self.unit in ("activating", "deactivating") and now - self._asked >= ASK_IN_TRANSITION:
            return True
        return bool(self._ask_at) and now >= self._ask_at[0]

    def asked(self, now: float) -> None:
        """The question is on its way."""
        self._asked = now
        self._ask_at = [moment for moment in self._ask_at if moment > now]

    def take(self, properties: dict[str, str], now: float) -> None:
        """Use systemd's answer."""
        state = properties.get("ActiveState", "")
        self.unit = {"reloading": "active", "refreshing": "active", "maintenance": "failed"}.get(state, state)
        if self.unit not in _STATES:
            log.warning("%s: systemd says %r of its unit", self._name, state)
            self.unit = ""
        self.text = _words(properties)
        if self.unit in ("active", "activating") and self._processes is None:
            self._ask_at = [now + ASK_IN_TRANSITION]  # its group is somewhere else: systemd alone can tell
        group = properties.get("ControlGroup", "")
        if group.startswith("/") and group != self._cgroup.path:
            self._cgroup = Cgroup(group, self._cgroups)


def _words(properties: dict[str, str]) -> str:
    """Result and exit code, for instance `exit-code, exit code 77`; empty while all is well."""
    if properties.get("LoadState") not in ("loaded", None):
        return f"systemd says the unit is {properties['LoadState']}"
    result = properties.get("Result", "success")
    if result == "success":
        return ""
    kind = _CODES.get(properties.get("ExecMainCode", ""), "")
    return f"{result}, {kind} {properties.get('ExecMainStatus', '?')}" if kind else result


class _Question:
    """One `systemctl show` at a time, without waiting for it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0
        self._failed = False

    @property
    def running(self) -> bool:
        return self._process is not None

    def ask(self, units: Sequence[str], now: float) -> None:
        try:
            self._process = subprocess.Popen(
                [*self._command, *units],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            self._report(f"systemctl cannot be run ({error.strerror})")
            return
        self._deadline = now + ANSWERS_WITHIN

    def answer(self, now: float) -> dict[str, dict[str, str]] | None:
        """Each unit's properties, once systemctl has ended; it writes less than a pipe holds."""
        process = self._process
        if process is None:
            return None
        code = process.poll()
        if code is None and now < self._deadline:
            return None
        output: IO[bytes] = process.stdout
        if code is None:
            self.stop()
            self._report(f"systemd does not answer within {ANSWERS_WITHIN:.0f} s")
            return None
        self._process = None
        with output:
            content = output.read()
        if code:
            self._report(f"systemctl show ended with {code}")
            return None
        self._failed = False
        return _units(content.decode("utf-8", "replace"))

    def stop(self) -> None:
        process, self._process = self._process, None
        questions.give_up(process)

    def _report(self, trouble: str) -> None:
        if not self._failed:
            log.error("the state of the units is not known: %s", trouble)
        self._failed = True


def _units(content: str) -> dict[str, dict[str, str]]:
    blocks = [
        dict(line.partition("=")[::2] for line in block.splitlines()) for block in content.split("\n\n")
    ]
    return {block["Id"]: block for block in blocks if "Id" in block}
