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
    "act": f"{PLACE}/act",
    "vnc": f"{PLACE}/vnc",
    "ibgatewayctl": "/usr/local/bin/ibgatewayctl",
}
COMPLETION = "/usr/local/share/bash-completion/completions/ibgatewayctl"

# A file as it shall be: dest, mode, owner ("root:root") and content.
Wanted = dict[str, str]


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


def ibc_library(files: str) -> list[Wanted]:
    """Return the host library, its commands and their completion, as they shall be.

    Args:
        files: the role's folder `files`, which holds `ibgatewaylib/` and the commands.
    """
    modules = sorted(file for file in Path(files, "ibgatewaylib").rglob("*.*") if file.suffix != ".pyc")
    places = [(file, f"{PLACE}/{file.relative_to(files)}", "0644") for file in modules]
    places += [(Path(files, name), dest, "0755") for name, dest in COMMANDS.items()]
    places.append((Path(files, "ibgatewayctl.bash-completion"), COMPLETION, "0644"))
    return [
        {"dest": dest, "mode": mode, "owner": "root:root", "content": file.read_text(encoding="utf-8")}
        for file, dest, mode in places
    ]


def ibc_differing(wanted: Iterable[Wanted], there: Mapping[str, list[str]]) -> list[Wanted]:
    """Return the files that are missing on the host, or differ.

    Args:
        wanted: the files as they shall be.
        there: path on the host to SHA-256, mode and owner.
    """
    return [file for file in wanted if list(there.get(file["dest"], ())) != _facts(file)]


def ibc_leftover_modules(there: Iterable[str], wanted: Iterable[Wanted]) -> list[str]:
    """Return the modules on the host that the library no longer has.

    Args:
        there: paths on the host.
        wanted: the library as it shall be.
    """
    known = {file["dest"] for file in wanted}
    return sorted(path for path in there if path.startswith(f"{PLACE}/ibgatewaylib/") and path not in known)


def ibc_not_operators(members: Mapping[str, list[str]], group: str, operators: Iterable[str]) -> list[str]:
    """Return the members of the operators' group who are to leave it.

    Args:
        members: group to its members.
        group: the operators' group.
        operators: who shall be in it.
    """
    return sorted(set(members.get(group, ())) - set(operators))


def ibc_new_operators(
    members: Mapping[str, list[str]], groups: Iterable[str], operators: Iterable[str]
) -> list[str]:
    """Return the operators who are not in each of the groups yet.

    Args:
        members: group to its members.
        groups: what an operator is a member of.
        operators: who shall be in them.
    """
    groups = list(groups)
    return [user for user in operators if not all(user in members.get(group, ()) for group in groups)]


def _facts(file: Wanted) -> list[str]:
    return [hashlib.sha256(file["content"].encode()).hexdigest(), file["mode"], file["owner"]]


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {
            "ibc_missing_releases": ibc_missing_releases,
            "ibc_library": ibc_library,
            "ibc_differing": ibc_differing,
            "ibc_leftover_modules": ibc_leftover_modules,
            "ibc_not_operators": ibc_not_operators,
            "ibc_new_operators": ibc_new_operators,
        }
