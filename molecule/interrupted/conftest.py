"""Runs that are killed, and what a host holds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import testinfra
from harness.instance import Instance, run_probe
from harness.site import ROOT, environment
from testinfra.host import Host

HERE = Path(__file__).parent
INVENTORY = HERE / "inventory"
# A run's process to what it prints: a pipe that nobody reads would halt it.
_said: dict[int, IO[str]] = {}


def host(name: str) -> Host:
    """One of the two hosts, as root."""
    return testinfra.get_host(f"ansible://{name}", ansible_inventory=str(INVENTORY / "hosts.yml"))


def paper(name: str) -> Instance:
    """The instance on one of them."""
    there = host(name)
    (given,) = there.ansible.get_variables()["ibgateway_instances"]
    return Instance(there, given)


def start(name: str, changes: Path | None = None, *, kill: bool = False) -> subprocess.Popen[str]:
    """Begin `site.yml` on one host, in a process group of its own.

    Args:
        name: the host.
        changes: where the tasks that change something are noted.
        kill: whether the run dies after the first change that is not noted yet.
    """
    command = [Path(sys.executable).parent / "ansible-playbook", f"--inventory={INVENTORY}"]
    said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `end` closes it
    run = subprocess.Popen(
        [*command, "site.yml", f"--limit=localhost,{name}"],
        cwd=ROOT, env=environment(changes, kill=kill), stdin=subprocess.DEVNULL, stdout=said,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    _said[run.pid] = said
    return run


def end(run: subprocess.Popen[str], seconds: float = 300) -> tuple[int, str]:
    """Wait for the end of a run.

    Args:
        run: which.
        seconds: how long at most.

    Returns:
        Its exit code, negative for the signal that killed it, and what it printed.
    """
    code = run.wait(timeout=seconds)
    with _said.pop(run.pid) as said:
        said.seek(0)
        return code, " ".join(said.read().split())


def kill(run: subprocess.Popen[str]) -> None:
    """Kill a run without mercy, and with it the processes of its tasks, which have groups of their own."""
    for pid in _descendants(run.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    run.wait()


def _descendants(pid: int) -> list[int]:
    """Return a process and all below it, the parents first."""
    text = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, text.splitlines())}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def contents(name: str) -> dict[str, str]:
    """Everything on a host that a run may have made: what it is, by its name."""
    return run_probe(host(name), "contents")


def held(name: str) -> dict:
    """Who has a host; nothing for nobody."""
    # Empty is a file that is being written at this moment.
    result = host(name).run("cat /run/ibgateway-playbook.lock")
    return json.loads(result.stdout) if result.rc == 0 and result.stdout else {}
