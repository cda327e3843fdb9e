"""Change the release of IB Gateway or of IBC: playbooks/upgrade.yml. It must be locked: `scripts/ops lock`.

The new release is installed beside the old one, and tried at the instance's next start: at the daily
restart, or with --now in this run. One that does not get ready is left again, by the host itself. One host
first; if it fails, the others stay as they are.

What --now costs: a restart, some minutes without the API. A live instance that is ready comes back by its
saved session, without a tap, and so it does, as a rule, where the new release is left again; paper logs in
anew, which needs none. A live one that is not ready (or whose session IBKR has ended meanwhile) parks instead
and waits for your consent to a login: that costs a tap. Refused while API clients are connected, orders or
positions are open, in a reset window and in market_hours, unless --force. An instance with a `restart` of its
own in the inventory keeps to that.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from scripts.lib import ops_plan, ops_playbook, renewed
from scripts.lib.runner import Result

HELP = "another release of IB Gateway or IBC, tried at its first start"
EPILOG = """\
Examples:
  scripts/ops upgrade -i inventories/mine --preview             what would change, and when; changes nothing
  scripts/ops upgrade -i inventories/mine                       to the inventory's, at the daily restart
  scripts/ops upgrade -i inventories/mine paper --version 10.45.1 --now     try it on paper first
  scripts/ops upgrade -i inventories/mine live --now --limit vps1
  scripts/ops upgrade -i inventories/mine -e fleet_serial=1     one host after the other
"""
CODES = """\
Exit codes: 0 done, or waits for its restart · 1 refused or failed before a host was touched, and why ·
2 usage · 3 something would change (--preview) · 4 some hosts failed or did not answer, or an instance left
the release again · 130 interrupted (run it again: it goes on from there).
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    ops_playbook.arguments(parser, EPILOG, CODES)
    parser.add_argument("instance", nargs="*", metavar="INSTANCE", help="only these")
    parser.add_argument("--version", default="", help="this IB Gateway instead of the inventory's")
    parser.add_argument("--ibc-version", default="", metavar="VERSION", help="this IBC")
    parser.add_argument(
        "--preview", action="store_true", help="change nothing; tell what would change, and when"
    )
    ops_playbook.now(parser)
    parser.add_argument(
        "--wait",
        type=_seconds,
        metavar="SECONDS",
        help="how long it may take to get ready once it has started (default: 300); a tap does not count",
    )


def run(options: argparse.Namespace) -> int:
    """Upgrade.

    Args:
        options: as `arguments` made them.

    Returns:
        the exit code.
    """
    extravars = {
        "version": options.version,
        "ibc_version": options.ibc_version,
        "wait_seconds": options.wait,
        **ops_playbook.restarting(options),
    }
    result = ops_playbook.run(
        options,
        "upgrade",
        "playbooks/upgrade.yml",
        extravars={name: value for name, value in extravars.items() if value},
        check=options.preview,
        diff=options.preview,  # which files, Ansible tells with the difference alone
        said=False,
    )
    code = result.code
    # What the run would install, and what only the next start would make of it.
    if options.preview and not code and any(h.changed or renewed.changes(h) for h in result.hosts.values()):
        code = ops_plan.DIFFERENCES
    told = {name: renewed.lines(host) for name, host in result.hosts.items()}
    return ops_playbook.finish(
        options,
        "upgrade",
        result,
        lines=list(_preview(result)) if options.preview else ops_playbook.told(result, told),
        hosts=renewed.documents(result),
        code=code,
    )


def _preview(result: Result) -> Iterator[str]:
    for name, host in result.hosts.items():
        # What only the next start changes is no change of the run's.
        nothing = host.well and not host.changed
        yield f"{name}: {'nothing to install' if nothing else ops_plan.verdict(host)}"
        yield from ops_plan.changes(host)
        yield from (f"  {line}" for line in host.warnings)
        yield from (f"  {instance['text']}" for instance in renewed.of(host))


def _seconds(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return int(text)
