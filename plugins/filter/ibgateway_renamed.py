"""Variables of this project that have a new name. The old one, which nothing reads any more, is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Old name -> new name, or a sentence that says what to do instead. Kept while one may upgrade from there.
RENAMED: dict[str, str] = {}


def ibgateway_renamed_problems(names: Iterable[str], renamed: Mapping[str, str] = RENAMED) -> list[str]:
    """Return what to do about variables that are no longer read, one sentence each.

    Args:
        names: the variables that a host has.
        renamed: old name to new name, or to a sentence.
    """
    return [
        f"{old} is no longer read: {new if ' ' in new else f'rename it to {new}'}."
        for old, new in renamed.items()
        if old in set(names)
    ]


class FilterModule:
    """Register the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by the name used in templates."""
        return {"ibgateway_renamed_problems": ibgateway_renamed_problems}
