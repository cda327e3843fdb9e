"""Tell what role ibc must know about the host, as JSON on standard output. Changes nothing.

Usage: look.py QUESTIONS

The role compares the answer with what it wants, so that a run with nothing to do asks once, and copies
nothing. QUESTIONS is a JSON object; `look` tells its keys.
"""

from __future__ import annotations

import grp
import hashlib
import json
import pwd
import subprocess
import sys
from fnmatch import fnmatch
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

LIBRARY = "usr/local/lib/ibgateway/ibgatewaylib"
UNITS = "etc/systemd/system"


def look(root: Path, questions: dict[str, Any]) -> dict[str, Any]:
    """Return what is there.

    Args:
        root: the file system to look at.
        questions: `files`, patterns of paths; `units`, patterns of names; `groups` and `instances`, names.

    Returns:
        `releases`: IBC version to the SHA-256 of the artifact it came from; `files`: path to SHA-256, mode
        and owner:group of the library's files and of those asked for; `compiled`: whether the host's Python
        finds all of the library compiled; `timers`: the timers' paths; `enabled`
        and `active`: those of the units that are; `members`: group to its members, for the groups that exist;
        `peers`: instance to the line of its jts.ini that names IBKR's server, where there is one.
    """
    modules = (file for file in (root / LIBRARY).rglob("*.*") if file.suffix != ".pyc")
    files = [*modules, *(file for path in questions["files"] for file in root.glob(path.lstrip("/")))]
    links = {link.name for link in root.glob(f"{UNITS}/*.wants/*")}
    return {
        "releases": {
            marker.parent.name: marker.read_text(encoding="ascii").strip()
            for marker in root.glob("opt/ibc/releases/*/.installed")
        },
        "files": {f"/{file.relative_to(root)}": _facts(file) for file in files if file.is_file()},
        "compiled": all(
            Path(cache_from_source(str(file))).exists() for file in (root / LIBRARY).rglob("*.py")
        ),
        "timers": sorted(f"/{file.relative_to(root)}" for file in root.glob(f"{UNITS}/ibgateway-*@*.timer")),
        "enabled": sorted(name for name in links if any(fnmatch(name, unit) for unit in questions["units"])),
        "active": active(questions["units"]),
        "members": members(questions["groups"]),
        "peers": peers(root, questions["instances"]),
    }


def active(units: list[str]) -> list[str]:
    """Return the units that match one of the patterns and are active, or on their way there."""
    if not units:
        return []
    command = ["systemctl", "show", "--property=Id,ActiveState", *units]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return []  # no systemd: role ibgateway refuses such a host
    blocks = (dict(line.partition("=")[::2] for line in block.splitlines()) for block in answer.split("\n\n"))
    return [block["Id"] for block in blocks if block.get("ActiveState") in ("active", "activating")]


def members(groups: list[str]) -> dict[str, list[str]]:
    """Return the members of those of `groups` that exist."""
    found = {}
    for name in groups:
        try:
            found[name] = grp.getgrnam(name).gr_mem
        except KeyError:
            continue
    return found


def peers(root: Path, instances: list[str]) -> dict[str, str]:
    """Return the Peer= line of each instance's jts.ini that has one."""
    found = {}
    for name in instances:
        try:
            text = (root / "var/lib/ibgateway" / name / "settings/jts.ini").read_text(encoding="latin-1")
        except OSError:
            continue
        for line in text.splitlines():
            if line.lower().startswith("peer="):
                found[name] = line
    return found


def _facts(file: Path) -> list[str]:
    state = file.stat()
    owner = f"{_name(pwd.getpwuid, state.st_uid)}:{_name(grp.getgrgid, state.st_gid)}"
    return [hashlib.sha256(file.read_bytes()).hexdigest(), f"{state.st_mode & 0o7777:04o}", owner]


def _name(lookup: Any, number: int) -> str:
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


if __name__ == "__main__":
    print(json.dumps(look(Path("/"), json.loads(sys.argv[1]))))
