"""Say in one go, and without changing anything, what the role must know about the host.

One run instead of a dozen tasks: everything here is read from files or from the C library. The role runs
it as root over standard input, with a JSON object of questions as its argument, and reads a JSON object.
"""

from __future__ import annotations

import ctypes
import grp
import hashlib
import json
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LISTEN = "0A"
# struct timex on 64-bit Linux: maxerror is the fourth 8-byte field (adjtimex(2)).
MAXERROR_OFFSET = 24
# timedated calls a clock synchronised while its maximum error is below 16 s.
SYNCHRONISED_BELOW_MICROSECONDS = 16_000_000
# The programs of Debian that set a clock by the network.
TIME_KEEPERS = (
    "chrony.service",
    "systemd-timesyncd.service",
    "ntpsec.service",
    "ntp.service",
    "openntpd.service",
)
# What systemd as PID 1 writes at boot when it finds itself in a container.
CONTAINER = Path("/run/systemd/container")


def free_mib(path: str) -> int:
    """Return the free MiB on the file system that holds `path`, or would hold it."""
    place = Path(path)
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free >> 20


def memory_mib(what: str = "MemTotal", path: Path = Path("/proc/meminfo")) -> int:
    """Return the host's memory, or its swap, in MiB; 0 where the kernel does not say.

    Args:
        what: the kernel's name for it, MemTotal or SwapTotal.
        path: what the kernel says of it (a seam for tests).
    """
    lines = (line.split() for line in path.read_text().splitlines())
    return next((int(words[1]) for words in lines if words[0] == f"{what}:"), 0) >> 10


def distribution(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    """Return `id`, `version` and full `name` of the distribution; empty texts for what it does not say.

    Args:
        path: what it says of itself, os-release(5) (a seam for tests). Not by Python's own reader, which the
            Python of systems that are refused for their age does not have.
    """
    said = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        key, _, value = line.partition("=")
        said[key] = "".join(shlex.split(value)[:1])
    return {
        "id": said.get("ID", ""),
        "version": said.get("VERSION_ID", ""),
        "name": said.get("PRETTY_NAME", ""),
    }


def uids(names: list[str]) -> dict[str, int]:
    """Return the uid of each named account that exists."""
    found = {}
    for name in names:
        try:
            found[name] = pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return found


def accounts_to_make(names: list[str]) -> list[str]:
    """Return those of the service accounts `names` that do not exist, or not as they shall be."""
    found = []
    for name in names:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            found.append(name)
            continue
        if (account.pw_dir, account.pw_shell) != (f"/var/lib/{name}", "/usr/sbin/nologin"):
            found.append(name)
    return found


def units_down(names: list[str]) -> list[str]:
    """Return those of `names` that do not run, or would not at the next boot."""
    states = unit_states(names)
    return [name for name in names if states.get(name) != ("active", "enabled")]


def unit_states(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return ActiveState and UnitFileState of each unit; nothing where there is no systemd."""
    command = ["systemctl", "show", "--property=Id,ActiveState,UnitFileState", *names]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return {}  # such a host is refused
    blocks = (dict(line.partition("=")[::2] for line in block.splitlines()) for block in answer.split("\n\n"))
    return {block["Id"]: (block.get("ActiveState", ""), block.get("UnitFileState", "")) for block in blocks}


def listeners(ports: list[int], ours: int | None, proc: Path = Path("/proc")) -> dict[str, str]:
    """Return those of `ports` on which another account's program listens, with its name.

    Args:
        ports: TCP port numbers.
        ours: uid whose listeners do not count, None when the account does not exist yet.
        proc: where procfs is (a seam for tests).
    """
    foreign: dict[str, str] = {}
    for table in ("tcp", "tcp6"):
        path = proc / "net" / table
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            fields = line.split()
            port = int(fields[1].rsplit(":", 1)[1], 16)
            if fields[3] == LISTEN and port in ports and int(fields[7]) != ours:
                foreign[str(port)] = _program(fields[9], proc)
    return foreign


def _program(inode: str, proc: Path) -> str:
    """Return the name of a process that holds the socket `inode`."""
    for link in proc.glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) == f"socket:[{inode}]":
                return (link.parents[1] / "comm").read_text().strip()
        except OSError:
            continue
    return "another program"


def missing_packages(names: list[str]) -> list[str]:
    """Return the Debian packages of `names` that are not installed."""
    result = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {line.split()[0] for line in result.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def packages_interrupted(updates: Path = Path("/var/lib/dpkg/updates")) -> bool:
    """Return whether dpkg was stopped in the middle, so that apt refuses whatever it is asked for.

    Args:
        updates: where dpkg keeps numbered files until it enters them into its list (a seam for tests).
    """
    return updates.is_dir() and any(file.name.isdecimal() for file in updates.iterdir())


def packages_broken() -> list[str]:
    """Return the packages that dpkg was unpacking when it was killed.

    dpkg configures none of them, nor what depends on them, and apt does not always unpack them again.
    """
    result = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Eflag} ${binary:Package}\n"],
        capture_output=True,
        text=True,
        check=False,
    )
    flagged = [line.partition(" ") for line in result.stdout.splitlines()]
    return sorted(name for flag, _, name in flagged if flag == "reinstreq")


def releases(directory: Path) -> dict[str, Any]:
    """Return the marker of each whole release, by version."""
    found = {}
    for marker in directory.glob("*/.installed"):
        try:
            found[marker.parent.name] = json.loads(marker.read_text())
        except (OSError, ValueError):
            continue  # not whole: it will be installed again
    return found


def differing(wanted: list[dict[str, str]]) -> list[str]:
    """Return the paths that are not on the host as wanted, so that the role asks for those alone.

    Args:
        wanted: per entry `path`, `owner`, `group`, `mode` ("0755"), and for a file its content's `sha256`;
            an entry without is a directory.
    """
    return [entry["path"] for entry in wanted if _present(Path(entry["path"])) != _comparable(entry)]


def _comparable(entry: dict[str, str]) -> tuple[str, ...]:
    return (entry["owner"], entry["group"], entry["mode"], entry.get("sha256", "directory"))


def _present(path: Path) -> tuple[str, ...]:
    """Return owner, group, mode and content of `path`; empty when it is neither file nor directory."""
    try:
        state = path.lstat()
        owner, group = pwd.getpwuid(state.st_uid).pw_name, grp.getgrgid(state.st_gid).gr_name
    except (OSError, KeyError):
        return ()
    if stat.S_ISDIR(state.st_mode):
        content = "directory"
    elif stat.S_ISREG(state.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    else:
        return ()
    return (owner, group, f"{stat.S_IMODE(state.st_mode):04o}", content)


def clock_synchronised() -> bool:
    """Return whether the kernel's clock is disciplined by NTP, as timedated judges it."""
    buffer = ctypes.create_string_buffer(512)
    if ctypes.CDLL(None).adjtimex(buffer) < 0:
        return False
    maxerror = int.from_bytes(buffer.raw[MAXERROR_OFFSET : MAXERROR_OFFSET + 8], sys.byteorder)
    return maxerror < SYNCHRONISED_BELOW_MICROSECONDS


def time_kept() -> bool:
    """Return whether somebody looks after the clock already: NTP has set it, or one of its programs runs.

    A container has no clock of its own; the machine around it looks after that.
    """
    if CONTAINER.exists() or clock_synchronised():
        return True
    return any(active == "active" for active, _ in unit_states(TIME_KEEPERS).values())


def instances(directory: Path) -> list[str]:
    """Return the names of the instances that are configured in `directory`."""
    return sorted(
        folder.name
        for folder in directory.glob("*/")
        if any((folder / file).exists() for file in ("display.env", "instance.toml"))
    )


def systemd_version() -> int:
    """Return the version of the systemd that runs as PID 1, 0 when something else does."""
    if Path("/proc/1/comm").read_text().strip() != "systemd":
        return 0
    result = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=False)
    words = result.stdout.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def answer(questions: dict[str, Any]) -> dict[str, Any]:
    """Return what the role asks for; the keys of `questions` are those read below."""
    known = uids(questions["accounts"])
    return {
        "architecture": os.uname().machine,
        "distribution": distribution(),
        "memory_mib": memory_mib(),
        "swap_mib": memory_mib("SwapTotal"),
        "systemd": systemd_version(),
        "free_mib": {path: free_mib(path) for path in ("/opt/ibgateway", "/var/lib/ibgateway")},
        "year": time.gmtime().tm_year,
        "time_kept": time_kept(),
        "uids": known,
        "accounts_to_make": accounts_to_make(questions["service_accounts"]),
        "units_down": units_down(questions["units"]),
        "foreign_listeners": listeners(questions["ports"], known.get(questions["account"])),
        "missing_packages": missing_packages(questions["packages"]),
        "packages_interrupted": packages_interrupted(),
        "packages_broken": packages_broken(),
        "firewall": Path("/etc/systemd/system/ibgateway-firewall.service").exists(),
        "differing": differing(questions["wanted"]),
        "seen": {path: present for path in questions["shown"] if (present := _present(Path(path)))},
        "instances": instances(Path("/etc/ibgateway")),
        "leftover": [path for path in questions["unwanted"] if os.path.lexists(path)],
        "releases": releases(Path("/opt/ibgateway/releases")),
    }


if __name__ == "__main__":
    print(json.dumps(answer(json.loads(sys.argv[1]))))
