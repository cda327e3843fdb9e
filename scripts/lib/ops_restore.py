"""Put a backup back onto one host: playbooks/restore.yml.

Before the host's first start, or while its instances are stopped. Over events or incidents that are newer
than the backup it is refused, unless --force says that it is meant; what was there stays beside it in any
case. No session token is in a backup: a live instance needs a tap afterwards.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from scripts.lib import ops_playbook
from scripts.lib.refused import Refused
from scripts.lib.runner import HostResult

HELP = "put a backup back onto one host"
EPILOG = """\
Examples:
  scripts/ops restore -i inventories/mine --limit vps1 backups/vps1-20261124T093855Z.tar.gz
  scripts/ops restore -i inventories/mine --limit vps1 backups/vps1-20261124T093855Z.tar.gz live    one alone
"""
# Tasks in the playbook.
CHECKS = "Check what shall be restored, and where"
RESTORES = "Verify it, and put it in place"
TELLS = "Tell what was restored"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG)
    parser.add_argument("file", metavar="FILE", help="the archive")
    parser.add_argument("instance", nargs="*", metavar="INSTANCE", help="only these; without the incidents")
    parser.add_argument("--force", action="store_true", help="also over newer data, which stays beside it")


def run(options: argparse.Namespace) -> int:
    """Restore.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code.

    Raises:
        Refused: there is no such file.
    """
    file = Path(options.file).expanduser().absolute()
    if not file.is_file():
        raise Refused(f"the backup {options.file} is not there")
    extravars: dict[str, object] = {"backup": str(file)}
    if options.instance:
        extravars["instance"] = ",".join(options.instance)
    if options.force:
        extravars["restore_force"] = True
    result = ops_playbook.run(options, "restore", "playbooks/restore.yml", extravars=extravars, said=False)
    code = result.code
    lines = ops_playbook.told(result, ops_playbook.said(result, TELLS))
    if len(result.hosts) > 1 and all(host.reason.startswith(CHECKS) for host in result.hosts.values()):
        # No host was asked for anything yet.
        code, lines = 1, []
        result.refusals.append(
            f"a backup goes to one host, and there are {', '.join(result.hosts)}: add --limit HOST"
        )
    return ops_playbook.finish(
        options,
        "restore",
        result,
        lines=lines,
        hosts={name: {"restore": _restored(host)} for name, host in result.hosts.items()},
        code=code,
    )


def _restored(host: HostResult) -> dict[str, Any] | None:
    """Return what roles/ibc/files/restore.py printed; None where it did nothing."""
    try:
        return json.loads(host.outputs[RESTORES])
    except (KeyError, ValueError):
        return None
