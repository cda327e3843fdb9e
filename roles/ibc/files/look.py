"""Tell which IBC releases and which files of the launcher are on the host, as JSON on standard output.

The role compares it with what it wants, so that a run with nothing to do copies nothing. Read-only.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

COMMANDS = (
    "usr/local/lib/ibgateway/launcher",
    "usr/local/lib/ibgateway/credential",
    "usr/local/bin/ibgatewayctl",
)


def look(root: Path) -> dict[str, dict[str, Any]]:
    """Return what is there.

    Args:
        root: the file system to look at.

    Returns:
        `releases`: version to the SHA-256 of the artifact it came from; `library`: path to SHA-256, mode and
        owner's uid.
    """
    markers = root.glob("opt/ibc/releases/*/.installed")
    modules = (root / "usr/local/lib/ibgateway/ibgatewaylib").rglob("*.*")
    commands = (root / name for name in COMMANDS)
    return {
        "releases": {marker.parent.name: marker.read_text(encoding="ascii").strip() for marker in markers},
        "library": {
            f"/{file.relative_to(root)}": _facts(file) for file in (*modules, *commands) if _counts(file)
        },
    }


def _counts(file: Path) -> bool:
    return file.is_file() and file.suffix != ".pyc"


def _facts(file: Path) -> list[Any]:
    state = file.stat()
    return [hashlib.sha256(file.read_bytes()).hexdigest(), f"{state.st_mode & 0o7777:04o}", state.st_uid]


if __name__ == "__main__":
    print(json.dumps(look(Path("/"))))
