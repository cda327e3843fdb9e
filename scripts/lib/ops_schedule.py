"""Show the coming days of each instance: restarts, reset windows and the weekly login.

Read from the inventory alone; no host is asked. Where region is auto, America is assumed here; on a host,
`ibgatewayctl schedule` knows the region from the first login on. A schedule that cannot be kept is refused
with the reasons, as site.yml would.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime

from ibgatewaylib.schedule.agenda import agenda, described
from ibgatewaylib.schedule.compiler import ScheduleRefusedError, compile_schedule
from ibgatewaylib.schedule.table import table
from ibgatewaylib.schedule.windows import BadWindowsError, parse, shipped
from ibgatewaylib.schedule.zones import UnknownZoneError

from scripts.lib import inventory

HELP = "the coming two weeks of each instance, as a table"
DAYS = 14
MOST_DAYS = 366


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("-i", "--inventory", default="", help="the inventory (default: inventories/demo)")
    parser.add_argument("--limit", default="", metavar="PATTERN", help="only these hosts")
    parser.add_argument("--days", type=_days, default=DAYS, metavar="N", help=f"how many (default {DAYS})")
    parser.add_argument(
        "--zone", default="", help="show times in this zone beside New York's (default: the instance's)"
    )
    parser.add_argument("--json", action="store_true", help="for programs; instants in UTC")
    parser.add_argument("--vault-password-file", metavar="FILE", help="as ansible-playbook has it")
    parser.add_argument("--ask-vault-pass", action="store_true", help="as ansible-playbook has it")


def run(options: argparse.Namespace, now: datetime | None = None) -> int:
    """Print the schedules.

    Args:
        options: as `arguments` made them.
        now: where the days begin (default: now).

    Returns:
        0, or 1 when a schedule was refused.
    """
    vault = ["--ask-vault-pass"] if options.ask_vault_pass else []
    vault += ["--vault-password-file", options.vault_password_file] if options.vault_password_file else []
    shown, refused = [], []
    for host, found in inventory.read(options.inventory, options.limit, vault).items():
        for instance in found["instances"]:
            try:
                shown.append(_show(host, instance, found["reset_windows"], options, now or datetime.now(UTC)))
            except (ScheduleRefusedError, BadWindowsError, UnknownZoneError) as error:
                refused += [f"ERROR: {host}/{instance['name']}: {line}" for line in str(error).splitlines()]
    if options.json:
        print(json.dumps({"instances": [entry for entry, _ in shown]}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(text for _, text in shown), end="")
    print("\n".join(refused), file=sys.stderr, end="\n" if refused else "")
    return 1 if refused else 0


def _show(
    host: str, instance: dict, reset_windows: dict, options: argparse.Namespace, now: datetime
) -> tuple[dict, str]:
    windows = parse(reset_windows) if reset_windows else shipped()
    schedule = compile_schedule(
        instance["mode"],
        instance["region"],
        instance["timezone"],
        instance["daily_restart"],
        instance["weekly_login"],
        windows,
        settings=instance["settings"],
        login_policy=instance["login"],
        today=now.date(),
    )
    entries = agenda(schedule, windows.region(schedule.region), now, options.days)
    result = {
        "host": host,
        "instance": instance["name"],
        "mode": schedule.mode,
        **described(schedule, entries),
    }
    return result, f"{host}/{instance['name']}: {table(schedule, entries, options.zone)}"


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to {MOST_DAYS}")
    return int(text)
