"""The login budget: how many times, and how often, the credentials may be submitted to IBKR.

Every submission is on disk before it happens, and its age is counted by the clock nobody can set. A new boot
starts that clock afresh: then a submission is as old as it was when the file was last written, plus this
boot's uptime. That is the least it can be, so neither a clock step nor a reboot ever frees the budget early.
`checkpoint` notes the ages from time to time, so that a reboot costs little.

What cannot be read or written allows nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
from pathlib import Path

from . import durable
from .clock import Moment
from .events import timestamp

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, without importing it
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .instance import Instance

FILE = "login-budget.json"
_KEEP_SECONDS = 7 * 86400.0
_KEEP = 1000
_WORTH_WRITING = 60.0


class Rules:
    """`logins` submissions in `hours` hours, at least `minutes_apart` minutes apart."""

    __slots__ = ("hours", "logins", "minutes_apart")

    def __init__(self, logins: int, hours: int, minutes_apart: int) -> None:
        self.logins, self.hours, self.minutes_apart = logins, hours, minutes_apart


class BudgetClosed(Exception):  # noqa: N818 - a state, not a mistake
    """The budget cannot be kept, so nothing may be submitted; the message names the remedy."""


class Standing:
    """What the budget allows at one moment.

    Attributes:
        left: submissions that may follow, spacing aside.
        wait: seconds until the next one may happen; 0 is now.
        problem: one sentence when the file cannot be used (then `left` is 0), else empty.
    """

    __slots__ = ("left", "problem", "wait")

    def __init__(self, left: int, wait: float, problem: str = "") -> None:
        self.left, self.wait, self.problem = left, wait, problem

    def as_dict(self, now: Moment) -> dict:
        """For state.json: `left`, `next_allowed` (RFC 3339, None when unknown) and `problem`."""
        known = not self.problem
        return {
            "left": self.left,
            "next_allowed": timestamp(now.wall + self.wait) if known else None,
            "problem": self.problem,
        }


class Budget:
    """One instance's budget.

    Args:
        path: the file.
        rules: what is allowed.
        name: the instance, for the remedy.
    """

    def __init__(self, path: Path, rules: Rules, name: str = "NAME") -> None:
        self._path = path
        self._rules = rules
        self._name = name

    def check(self, now: Moment) -> Standing:
        """What is allowed; never raises and never writes."""
        try:
            ages = [age for age, _ in self._read(now)]
        except BudgetClosed as closed:
            return Standing(0, 0.0, str(closed))
        rules = self._rules
        window = rules.hours * 3600.0
        recent = sorted(age for age in ages if age < window)
        wait = max(0.0, rules.minutes_apart * 60.0 - min(ages)) if ages else 0.0
        if len(recent) >= rules.logins:
            wait = max(wait, window - recent[rules.logins - 1])
        return Standing(max(0, rules.logins - len(recent)), wait)

    def record(self, now: Moment) -> None:
        """Note one submission. On disk when this returns; call it before the credentials go out.

        Raises:
            BudgetClosed: it could not be noted: do not submit.
        """
        self._update(now, add=True)

    def correct(self, now: Moment) -> None:
        """Note that the latest submission happens only now; it was recorded before Java started.

        Raises:
            BudgetClosed: it could not be noted; the submission counts from when it was recorded.
        """
        self._update(now, correct=True)

    def checkpoint(self, now: Moment) -> None:
        """Note how old the submissions are by now, so that a reboot does not make them look younger.

        Raises:
            BudgetClosed: the file cannot be used; what it allowed, it allows no more.
        """
        self._update(now)

    def reset(self, now: Moment) -> None:
        """Forget all submissions: the operator's decision. A file that cannot be used is kept beside it.

        Raises:
            BudgetClosed: it cannot be written.
        """
        with self._locked():
            try:
                self._read(now)
            except BudgetClosed:
                # A second name, not a move: a file that is missing would allow logins if the rest fails.
                broken = self._path.with_name(FILE + ".broken")
                with contextlib.suppress(OSError):
                    broken.unlink(missing_ok=True)
                    broken.hardlink_to(self._path)
            self._write([], now)

    # --- the file -----------------------------------------------------------------------------------------

    def _update(self, now: Moment, *, add: bool = False, correct: bool = False) -> None:
        with self._locked():
            passed, entries = self._load(now)
            entries = [entry for entry in entries if entry[0] < _KEEP_SECONDS][-_KEEP:]
            if correct:
                del entries[-1:]
            if add or correct:
                entries.append((0.0, timestamp(now.wall)))
            elif not entries or passed < _WORTH_WRITING:
                return
            self._write(entries, now)

    def _read(self, now: Moment) -> list[tuple[float, str]]:
        """(age in seconds, time as people read it) of each submission, oldest first."""
        return self._load(now)[1]

    def _load(self, now: Moment) -> tuple[float, list[tuple[float, str]]]:
        """How many seconds are certain to have passed since the file was written; and the submissions."""
        try:
            data = durable.small(self._path)
        except OSError as error:
            raise self._closed(f"cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise self._closed(f"is damaged ({error})") from None
        if data is None:
            return 0.0, []
        try:
            content = json.loads(data)
            uptime = _seconds(content["uptime"])
            # Within one boot this clock never runs backwards: then the file is not what was written.
            passed = _seconds(now.uptime - uptime) if _text(content["boot"]) == now.boot else now.uptime
            entries = [(_seconds(item["age"]) + passed, str(item["at"])) for item in content["submissions"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise self._closed("is damaged") from None
        return passed, entries

    def _write(self, entries: list[tuple[float, str]], now: Moment) -> None:
        content = {
            "boot": now.boot,
            "uptime": now.uptime,
            "submissions": [{"at": at, "age": age} for age, at in entries],
        }
        data = json.dumps(content).encode() + b"\n"
        try:
            durable.replace(self._path, data, 0o640)
        except OSError as error:
            raise self._closed(f"cannot be written ({error.strerror})") from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep `ibgatewayctl budget --reset` and the launcher from undoing each other's work."""
        try:
            descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._closed(f"cannot be reached ({error.strerror})") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _closed(self, what: str) -> BudgetClosed:
        return BudgetClosed(
            f"the login budget {self._path} {what}, so no login is allowed: see that the disk is not full, "
            f"then run ibgatewayctl budget {self._name} --reset"
        )


def of(instance: Instance) -> Budget:
    """An instance's budget."""
    rules = Rules(instance.budget_logins, instance.budget_hours, instance.budget_minutes_apart)
    return Budget(instance.state_dir / FILE, rules, instance.name)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError("no number of seconds")
    return float(value)
