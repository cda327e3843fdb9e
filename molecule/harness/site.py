"""Run the front door against the scenario's hosts, as an operator does."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What one run of a playbook did.

    Args:
        code: ansible-playbook's exit code.
        output: everything it printed, with runs of white space as one blank, so that wrapped
            messages are found.
        changed: changed tasks on the hosts, together.
    """

    code: int
    output: str
    changed: int


def environment(changes: Path | None = None, *, kill: bool = False) -> dict[str, str]:
    """Return what ansible-playbook finds in its environment.

    Args:
        changes: where the tasks that change something are noted, one a line.
        kill: whether the run dies, and its process group with it, after the first change not noted yet.
    """
    # The verifier sets ANSIBLE_BECOME for testinfra; the playbooks say themselves where they need it.
    left_out = {"ANSIBLE_BECOME", "ANSIBLE_FORCE_COLOR"}
    found = {key: value for key, value in os.environ.items() if key not in left_out}
    found |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}
    # A run that is killed leaves its folder there.
    found |= {"ANSIBLE_LOCAL_TEMP": str(ROOT / ".cache" / "ansible")}
    if changes:
        found |= {"ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback")}
        found |= {"ANSIBLE_CALLBACKS_ENABLED": "changes", "CHANGES_FILE": str(changes)}
        found |= {"CHANGES_KILL": "1"} if kill else {}
    return found


def run_site(inventory: Path, *arguments: str, playbook: str = "site.yml", **variables: Any) -> Run:
    """Run a playbook and return what it did.

    Args:
        inventory: the inventory's folder.
        playbook: its path from the project's root.
        *arguments: further arguments of ansible-playbook, such as `--tags=ibc`.
        **variables: extra variables.
    """
    command = [
        Path(sys.executable).parent / "ansible-playbook",
        f"--inventory={inventory}",
        playbook,
        *arguments,
    ]
    result = subprocess.run(
        [*command, "--extra-vars", json.dumps(variables)],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    changed = sum(int(line[2]) for line in _RECAP.findall(result.stdout))
    return Run(result.returncode, " ".join((result.stdout + result.stderr).split()), changed)
