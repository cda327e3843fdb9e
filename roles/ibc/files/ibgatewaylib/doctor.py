"""`ibgatewayctl doctor`: looks for what commonly goes wrong with a host or an instance, and names the remedy.

Nothing is changed. Each check is a function that returns findings; one that cannot look says so instead of
guessing. `doctor_host` and `doctor_instance` hold them.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from . import ctl_codes

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"
_CODES = {OK: ctl_codes.DONE, NOTE: ctl_codes.DONE, WARNING: ctl_codes.DOCTOR_WARNS,
          PROBLEM: ctl_codes.DOCTOR_FAILS}  # fmt: skip
_COLOURS = {OK: "32", NOTE: "2", WARNING: "33", PROBLEM: "31"}


class Finding:
    """What one check found.

    Attributes:
        level: ok, note (worth knowing, or not looked at), warning or problem.
        check: the check's name.
        text: one sentence.
        remedy: what to do about it; empty for ok and notes.
        instance: whose, empty for the host.
    """

    __slots__ = ("check", "instance", "level", "remedy", "text")

    def __init__(self, level: str, check: str, text: str, remedy: str = "", instance: str = "") -> None:
        self.level, self.check, self.text, self.remedy, self.instance = level, check, text, remedy, instance

    def as_dict(self) -> dict[str, str]:
        """Return it for JSON."""
        return {key: getattr(self, key) for key in ("instance", "check", "level", "text", "remedy")}

    def __repr__(self) -> str:
        return f"Finding({self.level}, {self.check}, {self.text!r})"


class Machine:
    """The machine as the checks see it.

    Args:
        root: the file system; tests give their own.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def read(self, path: str | Path) -> str | None:
        """A file's text; None where there is none.

        Raises:
            PermissionError: this user may not read it.
        """
        try:
            return (self.root / str(path).lstrip("/")).read_text(encoding="utf-8", errors="replace")
        except PermissionError:
            raise
        except OSError:
            return None

    def behind(self, path: str | Path) -> str:
        """The name of the file or folder at the end of a path's links; empty where there is none."""
        found = (self.root / str(path).lstrip("/")).resolve()
        return found.name if found.exists() else ""

    def run(self, *command: str, seconds: float = 10.0) -> str | None:
        """A command's output, in English; None when it is missing, fails or takes too long."""
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=seconds,
                env={"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LC_ALL": "C.UTF-8"},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def space(self, path: str | Path) -> tuple[int, float]:
        """Free MiB and the free share of inodes of the file system that holds a path.

        Raises:
            OSError: there is no such path.
        """
        found = os.statvfs(self.root / str(path).lstrip("/"))
        inodes = found.f_favail / found.f_files if found.f_files else 1.0
        return found.f_bavail * found.f_frsize >> 20, inodes


def worst(findings: list[Finding]) -> int:
    """The exit code for what was found."""
    return max((_CODES[finding.level] for finding in findings), default=ctl_codes.DONE)


def lines(findings: list[Finding], *, colour: bool, verbose: bool) -> list[str]:
    """What to print.

    Args:
        findings: what was found.
        colour: use terminal colours.
        verbose: also what is well.
    """
    shown = []
    for finding in findings:
        if finding.level == OK and not verbose:
            continue
        mark = f"{finding.level:7}"
        if colour:
            mark = f"\033[{_COLOURS[finding.level]}m{mark}\033[0m"
        whose = f"{finding.instance}: " if finding.instance else ""
        shown.append(f"{mark}  {whose}{finding.text}")
        if finding.remedy:
            shown.append(f"         → {finding.remedy}")
    counts = {level: sum(finding.level == level for finding in findings) for level in _CODES}
    total = f"{len(findings)} checks: {counts[PROBLEM]} problems, {counts[WARNING]} warnings"
    return [
        *shown,
        f"{total}, {counts[OK]} well" if counts[PROBLEM] or counts[WARNING] else f"{total}: all well",
    ]
