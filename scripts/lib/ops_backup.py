"""Fetch one archive of each host: playbooks/backup.yml. Gateway goes on meanwhile.

Settings, events, login budget, incidents, configuration, and which releases are installed; no credential and
no session token. `scripts/ops restore` puts it back.
"""

from __future__ import annotations

import argparse

from scripts.lib import ops_playbook

HELP = "one archive of each host, onto this computer"
EPILOG = """\
Examples:
  scripts/ops backup -i inventories/mine                  into backups/ of the project
  scripts/ops backup -i inventories/mine --limit vps1 --directory /srv/backups
  scripts/ops backup -i inventories/mine --json | jq -r '.hosts[].backup.file'
"""
TELLS = "Tell what was backed up"  # the task in the playbook: path, instances, size, sha256
FACT = "_backup_kept"  # in the playbook; beside `file` what roles/ibc/files/backup.py prints


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG)
    ops_playbook.directory_option(parser, "backups/")


def run(options: argparse.Namespace) -> int:
    """Back up.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code.
    """
    result = ops_playbook.run(
        options,
        "backup",
        "playbooks/backup.yml",
        extravars=ops_playbook.directory(options, "backup_directory"),
        said=False,
    )
    return ops_playbook.finish(
        options,
        "backup",
        result,
        lines=ops_playbook.told(result, ops_playbook.said(result, TELLS)),
        hosts={name: {"backup": host.facts.get(FACT)} for name, host in result.hosts.items()},
    )
