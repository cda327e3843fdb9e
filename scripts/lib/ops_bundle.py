"""Fetch of each host what somebody needs who helps you: playbooks/support_bundle.yml.

Secrets are blacked out on the host. Read what you send all the same.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from scripts.lib import ops_playbook
from scripts.lib.runner import HostResult

HELP = "what a helper needs of each host, without secrets"
EPILOG = """\
Examples:
  scripts/ops bundle -i inventories/mine                  into bundles/ of the project
  scripts/ops bundle -i inventories/mine --limit vps1 --directory /tmp
"""
# In the playbook: the task whose command writes the bundle, the one that tells of it, and where it is now.
MAKES = "Make the bundle"
TELLS = "Tell what was blacked out, and what is missing"
FACT = "_bundle_named"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG)
    ops_playbook.directory_option(parser, "bundles/")


def run(options: argparse.Namespace) -> int:
    """Fetch the bundles.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code.
    """
    result = ops_playbook.run(
        options,
        "bundle",
        "playbooks/support_bundle.yml",
        extravars=ops_playbook.directory(options, "bundle_directory"),
        said=False,
    )
    return ops_playbook.finish(
        options,
        "bundle",
        result,
        lines=ops_playbook.told(result, ops_playbook.said(result, TELLS)),
        hosts={name: {"bundle": _bundle(host)} for name, host in result.hosts.items()},
    )


def _bundle(host: HostResult) -> dict[str, Any] | None:
    """Return what `ibgatewayctl support-bundle --json` said, with the file's place here; None without one."""
    # The playbook tells of it only once it is here.
    if TELLS not in host.said:
        return None
    return json.loads(host.outputs[MAKES]) | {"file": host.facts[FACT]}
