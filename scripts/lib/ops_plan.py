"""Show what `scripts/ops apply` would change, and change nothing: site.yml in check mode.

For each host and instance: what would change, by task and file; which instance would need a restart, what
that costs, and when it takes place by itself.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Iterator
from typing import Any

from scripts.lib import ops_playbook, restarts
from scripts.lib.runner import HostResult, Result, Task

HELP = "what apply would change, whether it needs a restart, and when"
EPILOG = """\
Examples:
  scripts/ops plan -i inventories/mine
  scripts/ops plan -i inventories/mine --diff             with the text that differs
  scripts/ops plan -i inventories/mine --json | jq .hosts.vps1.restarts
"""
CODES = """\
Exit codes: 0 nothing would change · 3 something would · 1 refused, and why · 2 usage ·
4 some hosts failed or did not answer · 130 interrupted.
"""
DIFFERENCES = 3
# Where an instance's name stands: its folders, and its units.
INSTANCE = re.compile(
    r"/(?:etc|run|var/lib)/ibgateway/([a-z0-9-]+)(?:/|$)|\bibgateway(?:-[a-z-]+)?@([^./]+)\.(?:service|timer)"
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG, CODES)
    ops_playbook.tags(parser)
    parser.add_argument("--diff", action="store_true", help="show the text that differs, too")


def run(options: argparse.Namespace) -> int:
    """Preview site.yml.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code.
    """
    result = ops_playbook.run(options, "plan", "site.yml", check=True, diff=True, said=False)
    code = result.code
    if code == 0 and any(host.changed for host in result.hosts.values()):
        code = DIFFERENCES
    return ops_playbook.finish(
        options,
        "plan",
        result,
        lines=list(lines(result, diff=options.diff)),
        hosts={name: document(host) for name, host in result.hosts.items()},
        code=code,
    )


def document(host: HostResult) -> dict[str, Any]:
    """Return a host's plan for programs.

    Args:
        host: what the check run said of it.

    Returns:
        `changes`, each with task, instance (empty: the host's own), item, paths and diff; `restarts`, as
        plugins/filter/ibc_restarts.py gives them.
    """
    return {
        "changes": [
            {
                "task": task.name,
                "instance": instance,
                "item": task.item,
                "paths": list(task.paths),
                "diff": task.diff,
            }
            for instance, tasks in _groups(host).items()
            for changes in tasks.values()
            for task in changes
        ],
        "restarts": restarts.of(host),
    }


def lines(result: Result, *, diff: bool = False) -> Iterator[str]:
    """Yield the plan for a person.

    Args:
        result: of the check run.
        diff: with the text that differs.
    """
    for name, host in result.hosts.items():
        yield f"{name}: {verdict(host)}"
        yield from changes(host, diff=diff)
        yield from (f"  {line}" for line in host.warnings)
        pending = restarts.of(host)
        if pending:
            yield "  restarts"
            yield from (f"    {line}" for line in restarts.lines(pending))
        elif host.changed and host.well:
            yield "  no instance needs a restart"


def changes(host: HostResult, *, diff: bool = False) -> Iterator[str]:
    """Yield what would change on a host, for a person: for each instance its tasks, and their files.

    Args:
        host: what the check run said of it.
        diff: with the text that differs.
    """
    groups = _groups(host)
    for instance in sorted(groups):
        yield f"  {instance or 'the host'}"
        for task, found in groups[instance].items():
            yield from _change(task, found, diff)


def verdict(host: HostResult) -> str:
    """Return how many changes there would be, or why that is not known."""
    if host.unreachable:
        return f"UNREACHABLE: {host.reason.partition(': ')[2]}"
    count = f"{host.changed} change{'s' if host.changed != 1 else ''}"
    if host.failed:
        return f"FAILED after {count}: {host.reason}"
    return count if host.changed else "no changes"


def instance_of(task: Task, names: Collection[str] = ()) -> str:
    """Return the instance that a change belongs to, empty for the host itself.

    Args:
        task: the change.
        names: instances of the host; a loop over them is labelled so.
    """
    for text in (*task.paths, task.item):
        if found := INSTANCE.search(text):
            return found[1] or found[2]
    return task.item if task.item in names else ""


def _groups(host: HostResult) -> dict[str, dict[str, list[Task]]]:
    """Instance to task to its changes."""
    changes = _changes(host)
    names = {instance_of(task) for task in changes}
    groups: dict[str, dict[str, list[Task]]] = {}
    for task in changes:
        groups.setdefault(instance_of(task, names), {}).setdefault(task.name, []).append(task)
    return groups


def _changes(host: HostResult) -> list[Task]:
    return [task for task in host.tasks if task.status == "changed"]


def _change(name: str, changes: list[Task], diff: bool) -> Iterator[str]:
    about = [", ".join(task.paths) or task.item for task in changes]
    if len(changes) == 1:
        yield f"    {name}" + (f": {about[0]}" if about[0] else "")
    else:
        yield f"    {name}:"
    for task, what in zip(changes, about, strict=True):
        if len(changes) > 1 and what:
            yield f"      {what}"
        yield from (f"      {line}" for line in task.said)
        if diff:
            yield from (f"        {line}" for line in task.diff.splitlines())
