"""Go back to the release that an instance came from, which the host knows: playbooks/rollback.yml.

It takes effect at the daily restart, or with --now in this run, which costs what `upgrade --now` costs: no
tap for an instance that is ready. Then name the old version in the inventory: until you do, `apply` refuses
to go forward again. A second rollback does go forward again.
"""

from __future__ import annotations

import argparse

from scripts.lib import ops_playbook, renewed
from scripts.lib.refused import Refused

HELP = "back to the release that an instance came from"
EPILOG = """\
Examples:
  scripts/ops rollback -i inventories/mine live                   at the daily restart
  scripts/ops rollback -i inventories/mine live --now --limit vps1
"""
CODES = """\
Exit codes: 0 done, or waits for its restart · 1 refused or failed before a host was touched, and why ·
2 usage · 4 some hosts failed or did not answer · 130 interrupted (look first with `scripts/ops status`:
what has gone back already goes forward again with another rollback).
"""
SAYS = "Say what to do with the inventory"  # the task in the playbook; its last line holds for all of them


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG, CODES)
    parser.add_argument("instance", nargs="*", metavar="INSTANCE", help="these; at least one")
    ops_playbook.now(parser)


def run(options: argparse.Namespace) -> int:
    """Roll back.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code; 4 when one has nothing to go back to, or is not ready again.

    Raises:
        Refused: no instance is named.
    """
    if not options.instance:
        raise Refused("nothing was done: say which instance goes back, as in: scripts/ops rollback live")
    result = ops_playbook.run(
        options,
        "rollback",
        "playbooks/rollback.yml",
        extravars=ops_playbook.restarting(options),
        said=False,
    )
    lines = {name: renewed.lines(host) + host.said.get(SAYS, [])[-1:] for name, host in result.hosts.items()}
    return ops_playbook.finish(
        options,
        "rollback",
        result,
        lines=ops_playbook.told(result, lines),
        hosts=renewed.documents(result),
        again="Look with scripts/ops status what has gone back: another rollback takes it forward again.",
    )
