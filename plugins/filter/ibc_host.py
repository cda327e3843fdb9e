"""Compare what role ibc wants with what its look.py saw on the host, so that a no-op run copies nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PLACE = "/usr/local/lib/ibgateway"
COMMANDS = {
    "launcher": f"{PLACE}/launcher",
    "credential": f"{PLACE}/credential",
    "ibgatewayctl": "/usr/local/bin/ibgatewayctl",
}


def ibc_missing_releases(
    versions: Iterable[str], artifacts: Mapping[str, Mapping[str, Any]], installed: Mapping[str, str]
) -> list[str]:
    """Return the IBC versions that are not on the host as they are locked.

    Args:
        versions: the versions wanted.
        artifacts: version to lock, of which `sha256` is read.
        installed: version to the SHA-256 of the artifact it was installed from.
    """
    return [version for version in versions if installed.get(version) != artifacts[version]["sha256"].lower()]


def ibc_outdated_files(there: Mapping[str, list[Any]], files: str) -> list[dict[str, str]]:
    """Return the files of the host library that are missing on the host, or differ.

    Args:
        there: path on the host to SHA-256, mode and uid.
        files: the role's folder `files`, which holds `ibgatewaylib/` and the commands.

    Returns:
        dest, mode and content of each.
    """
    return [
        {"dest": dest, "mode": mode, "content": file.read_text(encoding="utf-8")}
        for dest, (file, mode) in sorted(_wanted(files).items())
        if list(there.get(dest, ())) != [hashlib.sha256(file.read_bytes()).hexdigest(), mode, 0]
    ]


def ibc_leftover_files(there: Mapping[str, list[Any]], files: str) -> list[str]:
    """Return the modules on the host that the library no longer has.

    Args:
        there: path on the host to its facts.
        files: the role's folder `files`.
    """
    return sorted(there.keys() - _wanted(files).keys())


def _wanted(files: str) -> dict[str, tuple[Path, str]]:
    """Return path on the host to the file here and its mode."""
    modules = (file for file in Path(files, "ibgatewaylib").rglob("*.*") if file.suffix != ".pyc")
    wanted = {f"{PLACE}/{file.relative_to(files)}": (file, "0644") for file in modules}
    return wanted | {dest: (Path(files, name), "0755") for name, dest in COMMANDS.items()}


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {
            "ibc_missing_releases": ibc_missing_releases,
            "ibc_outdated_files": ibc_outdated_files,
            "ibc_leftover_files": ibc_leftover_files,
        }
