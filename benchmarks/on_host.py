"""What benchmarks of a running instance share: commands on a disposable VPS, and its journal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = "launcher: "
"""How the launcher's own lines in the journal begin."""


def on_host(host: str, *command: str) -> str:
    """Run a command as root on the test host and return what it printed.

    Args:
        host: the testbed's name of it.
        *command: program and arguments.

    Raises:
        SystemExit: it failed; what it said is printed.
    """
    run = subprocess.run(
        [ROOT / "testbed/host", "exec", host, "--", *command], capture_output=True, text=True, check=False
    )
    if run.returncode:
        sys.exit(f"{' '.join(command)}: {run.stdout}{run.stderr}")
    return run.stdout


def journal(host: str, instance: str, cursor: str) -> list[tuple[float, str]]:
    """Return what an instance's unit has written: (monotonic seconds, text) of each line.

    Args:
        host: the testbed's name of the host.
        instance: which.
        cursor: journalctl's, after which to begin.
    """
    unit = f"--unit=ibgateway@{instance}.service"
    lines = on_host(host, "journalctl", unit, f"--after-cursor={cursor}", "--output=json").splitlines()
    return [
        (int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6, str(entry["MESSAGE"])) for entry in map(json.loads, lines)
    ]
