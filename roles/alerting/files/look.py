"""Tell what role alerting must know about the host, as JSON on standard output. Changes nothing.

Usage: look.py QUESTIONS

One run instead of a dozen tasks. QUESTIONS is a JSON object; `look` tells its keys.
"""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any


def look(root: Path, questions: dict[str, Any]) -> dict[str, Any]:
    """Return what is there.

    Args:
        root: the file system to look at.
        questions: `package` and `venv`, paths; `files`, patterns of paths of files and directories; `units`
            and `users`, names; `group`, a name; `old`, paths.

    Returns:
        `files`: path to SHA-256 (`directory` for one), mode and owner:group, of every file of the package
        and of those asked for; `compiled`: whether the host's Python finds all of the package compiled;
        `python`: the name of the host's interpreter; `venv`: the name of the environment in use, empty for
        none; `environments`: the names of all there are; `users`: name to groups, for the users that exist;
        `group`: whether it exists; `enabled`: those of the units that are; `active`: those that are, to their
        status texts; `old`: the paths that are there.
    """
    package = root / questions["package"].lstrip("/")
    found = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    found += [path for name in questions["files"] for path in root.glob(name.lstrip("/")) if path.exists()]
    venv = root / questions["venv"].lstrip("/")
    links = {link.name for link in root.glob("etc/systemd/system/*.wants/*")}
    return {
        "files": {f"/{path.relative_to(root)}": _facts(path) for path in found},
        "compiled": all(Path(cache_from_source(str(path))).exists() for path in package.rglob("*.py")),
        "python": (root / "usr/bin/python3").resolve().name,
        "venv": venv.resolve().name if venv.exists() else "",
        "environments": sorted(folder.name for folder in venv.parent.glob("venvs/*")),
        "users": {user: groups for user in questions["users"] if (groups := groups_of(user)) is not None},
        "group": group_exists(questions["group"]),
        "enabled": [unit for unit in questions["units"] if unit in links],
        "active": active(questions["units"]),
        "old": [name for name in questions["old"] if os.path.lexists(root / name.lstrip("/"))],
    }


def groups_of(user: str) -> list[str] | None:
    """Return the names of a user's groups, None when there is no such user."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return None
    return [_name(grp.getgrgid, number) for number in os.getgrouplist(user, account.pw_gid)]


def group_exists(name: str) -> bool:
    """Return whether there is a group of that name."""
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def active(units: list[str]) -> dict[str, str]:
    """Return the status texts of those of `units` that are active, or on their way there."""
    command = ["systemctl", "show", "--property=Id,ActiveState,StatusText", *units]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return {}  # no systemd: role ibgateway refuses such a host
    blocks = (dict(line.partition("=")[::2] for line in block.splitlines()) for block in answer.split("\n\n"))
    up = (block for block in blocks if block.get("ActiveState") in ("active", "activating"))
    return {block["Id"]: block.get("StatusText", "") for block in up}


def _facts(path: Path) -> list[str]:
    state = path.stat()
    content = "directory" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    owner = f"{_name(pwd.getpwuid, state.st_uid)}:{_name(grp.getgrgid, state.st_gid)}"
    return [content, f"{state.st_mode & 0o7777:04o}", owner]


def _name(lookup: Any, number: int) -> str:
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


if __name__ == "__main__":
    print(json.dumps(look(Path("/"), json.loads(sys.argv[1]))))
