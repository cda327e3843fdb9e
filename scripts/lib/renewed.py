"""What became of each instance in an upgrade or a rollback, as it came back from a run."""

from __future__ import annotations

from typing import Any

from scripts.lib.runner import HostResult, Result

# roles/ibc/tasks/renewed.yml and would_renew.yml; its keys: plugins/filter/ibc_renewed.py
FACT = "_ibc_renewed"


def of(host: HostResult) -> list[dict[str, Any]]:
    """Return a host's instances; none where it did not come as far as that."""
    return list(host.facts.get(FACT) or [])


def changes(host: HostResult) -> bool:
    """Return whether an instance runs, or will run, with other versions than before."""
    return any(instance["outcome"] != "unchanged" for instance in of(host))


def lines(host: HostResult) -> list[str]:
    """Return a sentence for each instance, but for those that are the reason why the host failed."""
    return [found["text"] for found in of(host) if found["text"] not in host.reason]


def documents(result: Result) -> dict[str, dict[str, Any]]:
    """Return for each host, for programs, its `instances`."""
    return {name: {"instances": of(host)} for name, host in result.hosts.items()}
