"""Show all instances of all hosts in one table: playbooks/status.yml. Changes nothing."""

from __future__ import annotations

import argparse
import json
from typing import Any

from scripts.lib import ops_playbook
from scripts.lib.runner import HostResult

HELP = "one table of all instances of all hosts"
EPILOG = """\
Examples:
  scripts/ops status -i inventories/mine
  scripts/ops status -i inventories/mine --json           with all that `ibgatewayctl status --json` says
"""
CODES = """\
Exit codes: 0 all are ready · 1 something is not ready, and what · 2 usage · 4 a host did not answer ·
130 interrupted.
"""
ASKS = "Ask the instances for their state"  # the task in the playbook


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG, CODES)


def run(options: argparse.Namespace) -> int:
    """Ask the hosts.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code.
    """
    result = ops_playbook.run(options, "status", "playbooks/status.yml")
    code = result.code
    if code == 4 and not any(host.unreachable for host in result.hosts.values()):
        code = 1
    # The one sentence about all of them is the first host's in the playbook's eyes.
    lines = [host.reason.partition(": ")[2] for host in result.hosts.values() if host.failed]
    return ops_playbook.finish(
        options,
        "status",
        result,
        lines=lines,
        hosts={name: {"instances": _instances(host)} for name, host in result.hosts.items()},
        code=code,
    )


def _instances(host: HostResult) -> list[dict[str, Any]]:
    try:
        return json.loads(host.outputs[ASKS])["instances"]
    except (KeyError, ValueError):
        return []
