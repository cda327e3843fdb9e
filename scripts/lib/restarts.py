"""What role ibc found out about restarts, as it came back from a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scripts.lib.runner import HostResult

FACT = "_ibc_restarts"  # roles/ibc/tasks/start.yml; its keys: plugins/filter/ibc_restarts.py


def of(host: HostResult) -> list[dict[str, Any]]:
    """Return the restarts of a host that are pending, or would be."""
    return list(host.facts.get(FACT) or [])


def lines(restarts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each."""
    return [f"{restart['instance']}: {restart['text']}" for restart in restarts]
