"""What the artifact lock says of IBC, checked on the controller."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SHA256 = re.compile(r"[0-9a-fA-F]{64}")
NAME = re.compile(r".*\.(zip|whl)")


def ibc_lock_problems(versions: Iterable[str], artifacts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the locks of IBC's versions, one sentence each.

    Args:
        versions: the versions wanted.
        artifacts: version to its lock (`ibc_artifacts`).
    """
    problems = []
    for version in versions:
        if version not in artifacts:
            there = ", ".join(artifacts) or "none, which it is now"
            problems.append(
                f"IBC {version} is not in ibc_artifacts: lock it with scripts/ops lock, or there (url or "
                f"path, sha256, size), or choose one of {there}."
            )
        elif not _is_complete(artifacts[version]):
            problems.append(
                f"ibc_artifacts['{version}'] must have url or path, the name of a .zip or .whl file, "
                "with its sha256 (64 hexadecimal digits) and its size in bytes: correct it in the artifact "
                "lock."
            )
        elif "path" in artifacts[version] and not Path(artifacts[version]["path"]).is_file():
            problems.append(
                f"{artifacts[version]['path']}, the file of IBC {version}, is not on this controller: fetch "
                "it with scripts/ops lock, put it there, or correct path in ibc_artifacts."
            )
    return problems


def _is_complete(lock: Any) -> bool:
    if not isinstance(lock, Mapping):
        return False
    size = str(lock.get("size", ""))
    return (
        ("url" in lock or "path" in lock)
        and SHA256.fullmatch(str(lock.get("sha256", ""))) is not None
        and size.isdecimal()
        and int(size) > 0
        and NAME.fullmatch(str(lock.get("url", lock.get("path")))) is not None
    )


class FilterModule:
    """Register the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by the name used in templates."""
        return {"ibc_lock_problems": ibc_lock_problems}
