"""The files that role alerting wants on the host; `ibc_differing` compares them with what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PACKAGE = "ibgateway_alerting"
KINDS = (".py", ".toml")


def alerting_package(files: str, home: str) -> list[dict[str, str]]:
    """Return the program's modules and tables, as they shall be.

    Args:
        files: the role's folder `files`, which holds the package.
        home: where the package lies on the host.

    Returns:
        For each file dest, mode, owner and content.
    """
    found = sorted(file for file in Path(files, PACKAGE).rglob("*") if file.suffix in KINDS)
    return [
        {
            "dest": f"{home}/{file.relative_to(files)}",
            "mode": "0644",
            "owner": "root:root",
            "content": file.read_text(encoding="utf-8"),
        }
        for file in found
    ]


class FilterModule:
    """Register the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by the name used in templates."""
        return {"alerting_package": alerting_package}
