"""Check running hosts and change nothing: playbooks/verify.yml.

Every check is made before the first failure counts.
"""

from __future__ import annotations

import argparse

from scripts.lib import ops_playbook

HELP = "read-only checks of running hosts"
EPILOG = """\
Examples:
  scripts/ops verify -i inventories/mine
  scripts/ops verify -i inventories/mine --limit vps1 --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG)


def run(options: argparse.Namespace) -> int:
    """Run the checks.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code; 4 when a check failed.
    """
    return ops_playbook.finish(options, "verify", ops_playbook.run(options, "verify", "playbooks/verify.yml"))
