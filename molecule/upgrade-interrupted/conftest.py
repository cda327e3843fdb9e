"""Runs of a playbook that are killed. Each test begins with the old release, all ready, nothing pending."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from harness.releases import everything_is_old_and_ready, upgrade  # noqa: F401 - fixtures
from harness.site import ROOT, environment

INVENTORY = Path(__file__).parent / "inventory"


def kill_at(task: str, playbook: str, **variables: object) -> None:
    """Run a playbook, and kill it without mercy when a task begins.

    Args:
        task: the task's name.
        playbook: its path from the project's root.
        **variables: extra variables.

    Raises:
        AssertionError: it ended before that task.
    """
    said = []
    with _begun(playbook, variables, environment(), subprocess.PIPE) as run:
        for line in run.stdout or ():
            said.append(line)
            if line.startswith("TASK [") and task in line:
                os.killpg(run.pid, signal.SIGKILL)
                return
    raise AssertionError(f"{playbook} ended before {task!r}:\n{''.join(said)}")


def kill_after_each_change(playbook: str, passed: Path, **variables: object) -> Iterator[str]:
    """Run a playbook again and again, and kill it after a change after which it was not killed yet.

    Between two changes its tasks only look: the host is the same wherever the run ends, and one kill stands
    for all of these boundaries.

    Args:
        playbook: its path from the project's root.
        passed: where the tasks are noted after which it was killed.
        **variables: extra variables.

    Yields:
        The task, once the run is killed. The last run comes to its end, and yields nothing.

    Raises:
        AssertionError: the last run failed.
    """
    while True:
        log = passed.with_suffix(".log")
        with log.open("w") as said, _begun(playbook, variables, environment(passed, kill=True), said) as run:
            code = run.wait(timeout=300)
        if code != -signal.SIGKILL:
            break
        yield passed.read_text().splitlines()[-1]
    if code:
        raise AssertionError(f"{playbook} failed after it was killed:\n{log.read_text()}")


def _begun(
    playbook: str, variables: Mapping[str, object], environment: Mapping[str, str], said: IO[str] | int
) -> "subprocess.Popen[str]":
    """Begin to run a playbook, in a process group of its own."""
    command = [Path(sys.executable).parent / "ansible-playbook", f"--inventory={INVENTORY}", playbook]
    return subprocess.Popen(
        [*command, "--extra-vars", json.dumps(variables)],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
