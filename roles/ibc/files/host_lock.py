"""Let one run of a playbook have the host at a time: two at once would undo each other's work.

The run that has it is noted in a file in /run, which a reboot empties. Each task is a command of its own, so
nothing on the host lives as long as a run. What tells that a run is still there:

- one from the same controller: its process, which the controller looks at itself
  (plugins/filter/ibgateway_host_lock.py);
- one from another controller: its ssh connection, which ends a minute after its last task (ControlPersist in
  ansible.cfg), or that it took the host less than SILENT_SECONDS ago.

The filters append a call to this text, and the role runs it as root over standard input.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LOCK = Path("/run/ibgateway-playbook.lock")
SILENT_SECONDS = 600
REFUSED = 3
# What sshd calls the process of one connection: until OpenSSH 9.8, and since.
SSHD = ("sshd", "sshd-session")
# What a run tells to read anew what it has changed; one that failed or was killed may not have come to it.
READERS = {
    "ssh.service": "reload",
    "ibgateway-firewall.service": "reload",
    "systemd-journald.service": "restart",
    "ibgateway-watch.service": "restart",
    "ibgateway-notify.service": "restart",
}
KEYS = {"id": str, "controller": str, "who": str, "playbook": str, "since": str, "taken": (int, float)}

Run = dict[str, Any]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open the file of the lock, which is made where it is missing, for one process at a time.

    Args:
        path: the file.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                break
        # Given back and removed while we waited for it.
        os.close(descriptor)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def take(
    run: Run, path: Path = LOCK, *, instead_of: str = "", anyway: bool = False, **seams: Any
) -> Run | None:
    """Note a run as the one that has the host, unless another has it.

    Args:
        run: `id`, `controller`, `who` and `playbook`, texts.
        path: the file.
        instead_of: the id of a run that is known to have ended.
        anyway: whoever has it.
        **seams: `now` (seconds since boot) and `proc`, in place of the host's.

    Returns:
        None when it has the host now, as it may have had before; otherwise the run that has it.
    """
    now = seams.get("now", time.clock_gettime(time.CLOCK_BOOTTIME))
    proc = seams.get("proc", Path("/proc"))
    with opened(path) as file:
        holder = _read(file)
        mine = holder is not None and holder["id"] in (run["id"], instead_of)
        if holder is not None and not mine and not anyway and lives(holder, run["controller"], now, proc):
            return {**holder, "seconds": max(0, int(now - holder["taken"]))}
        if holder is None or holder["id"] != run["id"]:
            since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
            run = {**run, "since": since, "unfinished": holder is not None}
        else:
            run = holder
        text = json.dumps({**run, "taken": now, "connection": connection(proc)}).encode()
        os.ftruncate(file, 0)
        os.pwrite(file, text, 0)
    return None


def give_back(run: Run, path: Path = LOCK, systemctl: Callable[..., bool] | None = None) -> None:
    """Let others have the host, if it is this run that has it, and it has finished what others may have left.

    Args:
        run: as for `take`.
        path: the file.
        systemctl: runs systemctl and tells whether it went well (a seam for tests).
    """
    if not path.exists():
        return
    with opened(path) as file:
        holder = _read(file)
        if holder is not None and holder["id"] == run["id"] and holder.get("unfinished"):
            read_anew(systemctl or _systemctl)
        if holder is None or holder["id"] == run["id"]:
            path.unlink()


def read_anew(systemctl: Callable[..., bool]) -> None:
    """Have systemd and the services that are up read their configuration anew. No Gateway is among them.

    Args:
        systemctl: as for `give_back`.
    """
    systemctl("daemon-reload")
    for unit, verb in READERS.items():
        if systemctl("is-active", "--quiet", unit):
            systemctl(verb, unit)


def _systemctl(*arguments: str) -> bool:
    return subprocess.run(["systemctl", *arguments], capture_output=True, check=False).returncode == 0


def lives(holder: Run, controller: str, now: float, proc: Path = Path("/proc")) -> bool:
    """Return whether a run may still be there.

    Args:
        holder: what is noted of it.
        controller: from where the host is asked for now; what runs there, that controller knows better.
        now: seconds since boot.
        proc: where procfs is.
    """
    if holder["controller"] == controller:
        return True
    # A time to come is none that was written here.
    if 0 <= now - holder["taken"] < SILENT_SECONDS:
        return True
    noted = holder.get("connection")
    return isinstance(noted, list) and len(noted) == 2 and started(noted[0], proc) == noted[1]


def connection(proc: Path = Path("/proc")) -> list[Any] | None:
    """Return process id and start of the sshd that this process has its connection from; None without one.

    Args:
        proc: where procfs is.
    """
    pid: int | str = os.getpid()
    while str(pid) not in ("0", "1"):
        stat = _stat(pid, proc)
        if not stat:
            return None
        if stat[0] in SSHD:
            return [int(pid), stat[1]]
        pid = stat[2]
    return None


def started(pid: Any, proc: Path = Path("/proc")) -> str:
    """Return when a process began, as the kernel counts; empty for none.

    Args:
        pid: its number.
        proc: where procfs is.
    """
    return (_stat(pid, proc) or ("", ""))[1]


def _stat(pid: Any, proc: Path) -> tuple[str, str, str] | None:
    """Return name, start and parent of a process: proc_pid_stat(5). The name may hold blanks and brackets."""
    try:
        text = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return (name, fields[19], fields[1]) if len(fields) > 19 else None


def _read(file: int) -> Run | None:
    """Return who has the host; None for nobody, and for what cannot be read: only damage leaves that."""
    try:
        holder = json.loads(os.pread(file, 1 << 16, 0))
        sound = all(isinstance(holder[key], kind) for key, kind in KEYS.items())
    except (ValueError, TypeError, LookupError):
        return None
    return holder if sound else None


def begin(run: Run, **how: Any) -> None:
    """Take the host, or end with the one who has it on standard output.

    Args:
        run: as for `take`.
        **how: the same.

    Raises:
        SystemExit: another run has the host; the code is REFUSED.
    """
    holder = take(run, **how)
    if holder is not None:
        print(json.dumps(holder))
        sys.exit(REFUSED)
