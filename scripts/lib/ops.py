"""What an operator does from the controller: `scripts/ops VERB`."""

from __future__ import annotations

import argparse
import os
import sys

from scripts.lib import ops_lock, ops_schedule
from scripts.lib.inventory import InventoryError

EPILOG = """\
Examples:
  scripts/ops schedule -i inventories/mine                    the coming two weeks of every instance
  scripts/ops schedule -i inventories/mine --limit vps1       of one host's
  scripts/ops schedule -i inventories/mine --json             for programs
  scripts/ops lock -i inventories/mine                        record and fetch what may be installed

What changes a host is a playbook: see playbooks/, and docs/operations.md.
Exit codes: 0 done · 1 refused, and why · 2 usage · 3 differences · 130 interrupted.
"""

# Each verb is a module with HELP, arguments(parser) and run(options) -> exit code.
VERBS = {"schedule": ops_schedule, "lock": ops_lock}


def main(argv: list[str]) -> int:
    """Run one verb.

    Args:
        argv: the arguments without the program's name.

    Returns:
        the exit code.
    """
    parser = argparse.ArgumentParser(
        prog="scripts/ops",
        description="What an operator does from the controller, without touching a host.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        verb.arguments(
            commands.add_parser(
                name,
                help=verb.HELP,
                description=verb.__doc__,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    options = parser.parse_args(argv)
    try:
        return VERBS[options.verb].run(options)
    except InventoryError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # `scripts/ops … | head`: nothing more can be printed, and that is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
