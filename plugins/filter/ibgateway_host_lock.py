"""Let one run of a playbook have the host at a time, as the controller sees it.

It knows who this run is, and whether another has ended that began on the same machine. What happens on the
host: roles/ibc/files/host_lock.py.
"""

from __future__ import annotations

import getpass
import multiprocessing
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import context

LOCK = Path(__file__).resolve().parents[2] / "roles/ibc/files/host_lock.py"


def ibgateway_taking_host(
    program: str, check: bool = False, instead_of: str = "", anyway: bool = False
) -> str:
    """Return a Python program, preceded by what takes the host for this run.

    Where another run has the host, it ends with code 3 and that run as JSON, and does not begin.

    Args:
        program: its text; may be empty.
        check: this is a preview, which needs the host for itself no more than a look does.
        instead_of: the id of a run that has ended.
        anyway: take it, whoever has it.
    """
    if check:
        return str(program)
    how = {"instead_of": str(instead_of), "anyway": bool(anyway)}
    return (
        f"{LOCK.read_text(encoding='utf-8')}\n\nbegin({this_run()!r}, **{how!r})\n"
        f"exec(compile({str(program)!r}, '<after taking the host>', 'exec'), {{'__name__': '__main__'}})\n"
    )


def ibgateway_giving_host_back(program: str) -> str:
    """Return a Python program, followed by what gives the host back.

    Args:
        program: its text; may be empty.
    """
    return f"{program}{LOCK.read_text(encoding='utf-8')}\n\ngive_back({this_run()!r})\n"


def ibgateway_run_has_ended(holder: Mapping[str, Any]) -> bool:
    """Return whether a run has ended for certain: it began on this machine, and its process is no more.

    Args:
        holder: the run, as the host told.
    """
    here, _, process = str(holder["id"]).rpartition(" ")
    pid, _, start = process.partition("/")
    if here != controller() or not pid.isdecimal():
        return False
    return not _runs(int(pid)) or _started(int(pid)) != start


def ibgateway_held_by(holder: Mapping[str, Any], host: str) -> str:
    """Return a sentence about who has the host, and one about what to do.

    Args:
        holder: the run, as the host told.
        host: its name in the inventory.
    """
    minutes = int(holder["seconds"]) // 60
    ago = "less than a minute" if minutes < 1 else "a minute" if minutes == 1 else f"{minutes} minutes"
    return (
        f"Nothing was done on {host}: {holder['who']} is at work there with {holder['playbook']}, "
        f"since {holder['since']} ({ago} ago). Wait until that run has ended, then run this again. If it "
        "has, for certain (its computer was switched off, say), add -e ibgateway_take_host=true."
    )


def controller() -> str:
    """Return what tells this machine, since its last boot, from any other: a process number is its own."""
    return f"{socket.gethostname()} {_text('/proc/sys/kernel/random/boot_id')} {_namespace()}"


def this_run() -> dict[str, str]:
    """Return this run: `id`, `controller`, and for people `who` and `playbook`."""
    # A filter works in the process of one task, a child of ansible-playbook's, or in ansible-playbook itself.
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent is not None and parent.pid else os.getpid()
    playbooks = [Path(name).name for name in context.CLIARGS.get("args", ())]
    return {
        "id": f"{controller()} {pid}/{_started(pid)}",
        "controller": controller(),
        "who": f"{_user()}@{socket.gethostname()}",
        "playbook": ", ".join(playbooks) or "a playbook",
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # an account that only a container's number stands for


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _started(pid: int) -> str:
    """Return when a process began, so that its number is not taken for another's; empty without /proc.

    Empty, too, for a process that has ended and waits for its parent to notice.
    """
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if fields and fields[0] != "Z" else ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {
            "ibgateway_taking_host": ibgateway_taking_host,
            "ibgateway_giving_host_back": ibgateway_giving_host_back,
            "ibgateway_run_has_ended": ibgateway_run_has_ended,
            "ibgateway_held_by": ibgateway_held_by,
        }
