"""The four things the watcher may make the host do: each is a root-owned unit that it may start.

A `start` is only kept; `tick` carries it out. So nothing happens for a press or a remedy whose transaction
was not written, and a crash between the two starts nothing: whoever pressed is asked again.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ibgatewaylib import statefile
from ibgatewaylib.ctl_host import parse_time

CONSENT = "ibgateway-consent@{}.service"
SOFT_RESTART = "ibgateway-restart-soft@{}.service"
RESET = "ibgateway-reset@{}.service"
GUARD = "ibgateway-guard@{}.service"
ALLOWED = re.compile(
    r"ibgateway-(consent|restart-soft|reset|guard)@([a-z][a-z0-9-]{0,30})\.service", re.ASCII
)

RESULT = "act.json"
"""As `ibgatewaylib.act` names it, which is too large to be imported for that; a test compares them."""
_VERBS = {"consent": "consent", "restart-soft": "soft-restart", "guard": "guard"}
"""The unit's word → what its run writes as `verb`; the reset check leaves events and no such file."""
SYSTEMCTL = ("systemctl", "--no-ask-password", "--no-block", "start")
ANSWERS_WITHIN = 10.0
"""Seconds in which systemctl has queued the job, or hangs."""
ENDS_WITHIN = 30.0
"""Seconds in which an act has left its result: it writes a file and queues a job."""
GRACE = 0.01
"""Seconds a result may seem older than its start: its stamp is cut to milliseconds."""


class UnitNotAllowedError(ValueError):
    """The watcher does not start this unit; the text names it."""


@dataclass(frozen=True)
class Result:
    """What came of a start.

    Attributes:
        unit: the unit.
        instance: its instance.
        ok: whether it was done; None when nobody can tell.
        text: one sentence, as the act wrote it.
        time: when this was known, seconds since the epoch.
    """

    unit: str
    instance: str
    ok: bool | None
    text: str
    time: float


@dataclass
class _Run:
    unit: str
    word: str
    instance: str
    asked: float
    process: subprocess.Popen[str] | None = None
    queued: bool = False
    deadline: float = field(default=0.0)


class Actions:
    """Starts units and tells what came of them, without ever waiting."""

    def __init__(
        self,
        run_root: Path,
        clock: Callable[[], float] = time.time,
        systemctl: Sequence[str] = SYSTEMCTL,
    ) -> None:
        """Prepare, and start nothing.

        Args:
            run_root: the directory that holds each instance's run directory.
            clock: the time, in seconds since the epoch.
            systemctl: the command that starts the unit whose name follows.
        """
        self._run_root = run_root
        self._clock = clock
        self._systemctl = tuple(systemctl)
        self._asked: list[_Run] = []
        self._running: list[_Run] = []

    def start(self, unit: str) -> bool:
        """Have a unit started at the next `tick`.

        Args:
            unit: the full name of one of the four kinds of units.

        Returns:
            False when this unit is under way already, and is not started a second time.

        Raises:
            UnitNotAllowedError: any other name.
        """
        match = ALLOWED.fullmatch(unit)
        if not match:
            raise UnitNotAllowedError(f"the watcher does not start {unit!r}")
        if self.pending(unit):
            return False
        self._asked.append(_Run(unit, match[1], match[2], self._clock()))
        return True

    def pending(self, unit: str) -> bool:
        """Whether a unit is to be started, or its result is waited for."""
        return any(run.unit == unit for run in (*self._asked, *self._running))

    def forget(self) -> None:
        """Drop what was asked for since the last `tick`: the transaction it belonged to was not written."""
        self._asked.clear()

    def tick(self, now: float) -> list[Result]:
        """Start what was asked for, and collect what has ended. Call it outside transactions.

        Args:
            now: seconds since the epoch.

        Returns:
            what ended since the last call.
        """
        asked, self._asked = self._asked, []
        results = [result for run in asked if (result := self._begin(run, now))]
        for run in list(self._running):
            if result := self._look(run, now):
                self._running.remove(run)
                results.append(result)
        return results

    def _begin(self, run: _Run, now: float) -> Result | None:
        run.asked = now
        run.deadline = now + ANSWERS_WITHIN
        try:
            run.process = subprocess.Popen(
                [*self._systemctl, run.unit],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except OSError as error:
            return self._result(
                run, ok=False, text=f"systemctl cannot be run ({error.strerror}): nothing was done", now=now
            )
        self._running.append(run)
        return None

    def _look(self, run: _Run, now: float) -> Result | None:
        if run.process is not None:
            code = run.process.poll()
            if code is None:
                if now < run.deadline:
                    return None
                run.process.kill()
                code = run.process.wait()
            _, said = run.process.communicate()
            run.process = None
            if code:
                reason = (said.strip().splitlines() or ["systemd does not answer"])[0]
                return self._result(run, ok=False, text=f"{run.unit} was not started: {reason}", now=now)
            run.deadline = now + ENDS_WITHIN
        if run.word not in _VERBS:
            return self._result(run, ok=True, text=f"{run.unit} was started", now=now)
        if found := self._left(run):
            return self._result(run, ok=not found.get("code"), text=str(found.get("text", "")), now=now)
        if now >= run.deadline:
            text = f"{run.unit} has left no result: see journalctl -u {run.unit}"
            return self._result(run, ok=None, text=text, now=now)
        return None

    def _left(self, run: _Run) -> dict | None:
        try:
            found = statefile.read(self._run_root / run.instance / RESULT)
        except PermissionError:
            return None
        written = parse_time((found or {}).get("time"))
        if not found or found.get("verb") != _VERBS[run.word] or written is None:
            return None
        return found if written >= run.asked - GRACE else None

    @staticmethod
    def _result(run: _Run, *, ok: bool | None, text: str, now: float) -> Result:
        return Result(run.unit, run.instance, ok, text, now)
