"""Give consent to a login, and follow it until it is ready: playbooks/login.yml. Have your phone at hand.

Without a name: every live instance, one push after the other. What is logged in for this week is left alone.
"""

from __future__ import annotations

import argparse

from scripts.lib import ops_playbook

HELP = "send me the push now, and wait until it is ready"
EPILOG = """\
Examples:
  scripts/ops login -i inventories/mine                   every live instance
  scripts/ops login -i inventories/mine live --limit vps1
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG)
    parser.add_argument("instance", nargs="*", metavar="INSTANCE", help="only these")


def run(options: argparse.Namespace) -> int:
    """Log in.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code; 4 when one is not logged in.
    """
    extravars = {"instance": ",".join(options.instance)} if options.instance else None
    result = ops_playbook.run(options, "login", "playbooks/login.yml", extravars=extravars)
    return ops_playbook.finish(options, "login", result)
