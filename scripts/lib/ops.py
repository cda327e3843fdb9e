"""What an operator does from the controller: `scripts/ops VERB`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from scripts.lib.refused import Refused

EPILOG = """\
Examples:
  scripts/ops plan -i inventories/mine                        what would change, and whether it costs a tap
  scripts/ops apply -i inventories/mine                       make it so
  scripts/ops status -i inventories/mine                      how are they?
  scripts/ops upgrade -i inventories/mine --preview           another release: when, and at what cost?
  scripts/ops schedule -i inventories/mine --limit vps1       the coming two weeks of one host

Each verb tells more: scripts/ops VERB --help. What changes a host is a playbook, and stays one: the verbs
add the view, these exit codes, and a log under .cache/runs (of the last 20 runs, without secrets).
Exit codes: 0 done · 1 refused or failed, and why · 2 usage · 3 differences (plan, upgrade --preview) ·
4 some hosts failed or did not answer · 130 interrupted.
"""

# Each verb is a module ops_VERB with HELP, arguments(parser) and run(options) -> exit code.
VERBS = (
    "plan",
    "apply",
    "status",
    "verify",
    "restart",
    "login",
    "upgrade",
    "rollback",
    "backup",
    "restore",
    "bundle",
    "schedule",
    "lock",
)


def main(argv: list[str]) -> int:
    """Run one verb.

    Args:
        argv: the arguments without the program's name.

    Returns:
        the exit code.
    """
    parser = argparse.ArgumentParser(
        prog="scripts/ops",
        description="What an operator does from the controller.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    # The one that is meant; all of them for --help and for a word that is none.
    meant = [name for name in VERBS if name in argv[:1]] or VERBS
    verbs = {name: importlib.import_module(f"scripts.lib.ops_{name}") for name in meant}
    for name, verb in verbs.items():
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
        return verbs[options.verb].run(options)
    except Refused as refused:
        print(f"ERROR: {refused}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `scripts/ops … | head`: nothing more can be printed, and that is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
