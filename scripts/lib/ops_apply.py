"""Install and configure everything, and start what is not running: site.yml. A second run changes nothing.

Nothing that runs is restarted, unless ibgateway_restart says so: at the end stands what waits for a restart,
and when it takes place by itself. Look first with `scripts/ops plan`.
"""

from __future__ import annotations

import argparse

from scripts.lib import ops_playbook, restarts

HELP = "make the hosts as the inventory says (site.yml)"
EPILOG = """\
Examples:
  scripts/ops apply -i inventories/mine
  scripts/ops apply -i inventories/mine --limit vps1 --tags alerting_configure
  scripts/ops apply -i inventories/mine -e ibgateway_restart=now      a live instance then costs a tap
"""
TELLS = "Tell the state of the instances"  # the role's last word, with what waits for a restart


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG)
    ops_playbook.tags(parser)


def run(options: argparse.Namespace) -> int:
    """Run site.yml.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code.
    """
    result = ops_playbook.run(options, "apply", "site.yml", said=False)
    return ops_playbook.finish(
        options,
        "apply",
        result,
        lines=ops_playbook.told(result, ops_playbook.said(result, TELLS)),
        hosts={name: {"restarts": restarts.of(host)} for name, host in result.hosts.items()},
    )
