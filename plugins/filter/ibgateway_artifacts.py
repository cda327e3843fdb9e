"""One way to each locked file: from its publisher, or from the controller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

WAYS = {"push": "path", "download": "url"}


def ibgateway_delivered(artifacts: Mapping[str, Any], delivery: str, inventory_dir: str) -> dict[str, Any]:
    """Return the lock with one of `url` and `path` an entry, and each path from the root.

    Args:
        artifacts: version to its lock. What is no lock is returned as it is; the preflight refuses it.
        delivery: push or download, for what can be had both ways.
        inventory_dir: the inventory's folder, from which paths are; empty when there is none.
    """
    return {version: _delivered(lock, WAYS[delivery], inventory_dir) for version, lock in artifacts.items()}


def _delivered(lock: Any, way: str, inventory_dir: str) -> Any:
    if not isinstance(lock, Mapping):
        return lock
    ways = [key for key in WAYS.values() if key in lock]
    kept = way if way in ways else next(iter(ways), way)
    found = {key: value for key, value in lock.items() if key not in ways or key == kept}
    if kept == "path" and "path" in found:
        found["path"] = _place(str(found["path"]), inventory_dir)
    return found


def _place(path: str, inventory_dir: str) -> str:
    """Return where a file of the controller is; locks written by hand name it from where Ansible runs."""
    places = [Path(inventory_dir, path), Path(path)] if inventory_dir else [Path(path)]
    return str(next((place for place in places if place.is_file()), places[0]).resolve())


class FilterModule:
    """Register the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by the name used in templates."""
        return {"ibgateway_delivered": ibgateway_delivered}
