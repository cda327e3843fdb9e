"""Restart instances by their saved token, without a tap: playbooks/restart.yml.

Each is followed until it is ready. With --full they log out and in again, which costs a tap on live.
"""

from __future__ import annotations

import argparse
import sys

from scripts.lib import ops_playbook
from scripts.lib.refused import Refused

HELP = "restart by the saved token, without a tap"
EPILOG = """\
Examples:
  scripts/ops restart -i inventories/mine                 all, one after the other
  scripts/ops restart -i inventories/mine live --limit vps1
  scripts/ops restart -i inventories/mine live --full     out and in again: a tap; asks, unless --yes
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG)
    parser.add_argument("instance", nargs="*", metavar="INSTANCE", help="only these")
    parser.add_argument("--full", action="store_true", help="log out and in again, which costs a tap on live")
    parser.add_argument("--yes", action="store_true", help="a full restart is meant; do not ask")


def run(options: argparse.Namespace) -> int:
    """Restart.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code; 4 when one did not come back.

    Raises:
        Refused: a full restart, and nobody said that it is meant.
    """
    extravars: dict[str, object] = {"instance": ",".join(options.instance)} if options.instance else {}
    if options.full:
        _ask(options)
        extravars |= {"ibgateway_restart_full": True, "ibgateway_restart_confirm": "yes"}
    result = ops_playbook.run(options, "restart", "playbooks/restart.yml", extravars=extravars)
    return ops_playbook.finish(options, "restart", result)


def _ask(options: argparse.Namespace) -> None:
    """Ask here what the playbook would ask: its own question would not come through the live lines."""
    if options.yes:
        return
    if options.json or not sys.stdin.isatty():
        raise Refused("nothing was done: a full restart costs a tap on live; add --yes if it is meant")
    who = ", ".join(options.instance) or "All instances"
    print(f"{who} will log out and in again, which costs a tap for each live one. Have your phone at hand.")
    if input("Write yes to go on: ").strip().lower() != "yes":
        raise Refused("nothing was done")
