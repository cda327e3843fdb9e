"""The command line of `ibgatewayctl`, and its help: examples first, since that is what one looks for."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import ctl_codes

_CODES = "\n".join(f"  {code:3}  {text}" for code, text in ctl_codes.MEANINGS.items())

EPILOG = f"""\
Every day:
  ibgatewayctl status                 every instance in one line; with a name: all about it
  ibgatewayctl login live             "send me the push now": log in and follow; approve IB Key on the phone
  ibgatewayctl schedule live          the coming two weeks: restarts, reset windows, the weekly login
  ibgatewayctl timeline               the past week: ready, down, logins
  ibgatewayctl events live -n 20      what happened, one line each

When something is wrong:
  ibgatewayctl incidents              what the watcher knows to be wrong, and who is on it
  ibgatewayctl explain push_missed    what to do about it, step by step
  ibgatewayctl doctor                 looks for the cause, and names the remedy
  ibgatewayctl log live -f            Gateway's and IBC's own words
  ibgatewayctl restart live --soft    by its token, no tap; when the API does not answer
  ibgatewayctl vnc live               see Gateway's windows, to type a code or choose a device
  ibgatewayctl budget live            how many logins may still be tried
  ibgatewayctl support-bundle         all of it in one archive for whoever helps, secrets blacked out

Before the host reboots:
  ibgatewayctl pause --all            keeps the tokens: after the reboot no tap is needed

`ibgatewayctl COMMAND --help` tells more. All commands take --json.

After a change of alerting_channels:
  ibgatewayctl test-alert             a message on every channel, and what became of it

Exit codes:
{_CODES}
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="ibgatewayctl",
        description="See and steer the IB Gateway instances of this host.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    status = _add(
        commands, "status", "how the instances are, and what to do next",
        "Every instance in one line: state, since when, next appointment, open incidents. With a name or "
        "--long: all about it. Exit code 0 when all are ready. --json prints {\"instances\": [...]}: the "
        "fields of state.json, `unit` as systemd sees it, `pending` (what the next start will use), "
        "`budget`, `next_appointment`, `incidents` (null where nobody can tell).",
        "ibgatewayctl status\n  ibgatewayctl status live\n"
        "  ibgatewayctl status live --json | jq -r '.instances[0].state'",
    )  # fmt: skip
    status.add_argument("names", nargs="*", metavar="NAME", help="instances; default: all")
    status.add_argument("-l", "--long", action="store_true", help="all about each instance")

    login = _add(
        commands, "login", "give consent to a login and follow it: approve IB Key on the phone",
        "Your consent holds for ten minutes and for one login. Inside a reset window, and when the login "
        "budget is used up, nothing is sent and the exit code is 5. An instance that is logged in for this "
        "week stays as it is.",
        "ibgatewayctl login live",
    )  # fmt: skip
    login.add_argument("name", metavar="NAME")

    start = _add(
        commands, "start", "start an instance and follow until it is ready",
        "With a saved session it comes back by itself. Without one, an instance whose logins need consent "
        "parks: use `login`.",
        "ibgatewayctl start paper",
    )  # fmt: skip
    start.add_argument("name", metavar="NAME")
    stop = _add(
        commands, "stop", "log out, stop an instance and follow until it has stopped",
        "It stays stopped until you start it, whatever is on the schedule, but for a reboot. A stopped live "
        "instance needs a tap to come back; `pause` avoids that.",
        "ibgatewayctl stop live",
    )  # fmt: skip
    stop.add_argument("name", metavar="NAME")

    restart = _add(
        commands, "restart", "restart by the token (--soft), or with a new login (--full)",
        "--soft (the default) takes one to two minutes and no tap. It is refused while the instance is not "
        "ready, and inside a reset window; a start that is under way is let end first. --full logs out and "
        "in again: on a live account a tap, and always "
        "a place in the login budget. --cheapest is --soft where that can be, else a stop and start. All are "
        "refused while `guard` finds something that speaks against it, unless --force says otherwise.",
        "ibgatewayctl restart live\n  ibgatewayctl restart live --full --yes",
    )  # fmt: skip
    restart.add_argument("name", metavar="NAME")
    kind = restart.add_mutually_exclusive_group()
    for word, meaning in (
        ("soft", "by the token, without a tap (default)"),
        ("full", "log out and in again: a tap on a live account"),
        ("cheapest", "by the token where that can be, else stop and start"),
    ):
        kind.add_argument(f"--{word}", dest="kind", action="store_const", const=word, help=meaning)
    restart.set_defaults(kind="soft")
    restart.add_argument("-y", "--yes", action="store_true", help="with --full: do not ask")
    restart.add_argument("--force", action="store_true", help="whatever `guard` finds")
    restart.add_argument(
        "--no-follow", action="store_true", help="return once it is asked for (not with --full)"
    )

    guard = _add(
        commands, "guard", "what speaks against a restart now",
        "Connected API clients, open orders and positions, a reset window, the instance's market hours, a "
        "login that is under way. Exit code 5 when there is something. Changes nothing.",
        "ibgatewayctl guard live",
    )  # fmt: skip
    guard.add_argument("name", metavar="NAME")
    guard.add_argument(
        "--settle", action="store_true", help="let a start under way end first, a minute at most"
    )

    pause = _add(
        commands, "pause", "stop an instance and keep its token, before the host reboots",
        "The next start comes back without a tap, until IBKR ends the week's tokens on Sunday at 01:00 New "
        "York. --all pauses what is ready of the live instances; paper accounts need no token.",
        "ibgatewayctl pause --all && sudo reboot",
    )  # fmt: skip
    pause.add_argument("names", nargs="*", metavar="NAME")
    pause.add_argument("--all", action="store_true", help="every live instance that is ready")

    budget = _add(
        commands, "budget", "how many logins may still be tried, and when",
        "Each submission of the credentials counts, also those of runs before a reboot. --reset begins anew: "
        "do that once the cause of the failures is known, for ten failed logins a day lock the user.",
        "ibgatewayctl budget live\n  ibgatewayctl budget live --reset",
    )  # fmt: skip
    budget.add_argument("name", metavar="NAME")
    budget.add_argument("--reset", action="store_true", help="forget the logins so far")

    schedule = _add(
        commands, "schedule", "the coming two weeks: restarts, reset windows, the weekly login",
        "In the instance's zone and in New York's. Logins and restarts are refused inside the reset windows.",
        "ibgatewayctl schedule\n  ibgatewayctl schedule live --zone Europe/Zurich --days 3",
    )  # fmt: skip
    schedule.add_argument("names", nargs="*", metavar="NAME", help="instances; default: all")
    schedule.add_argument(
        "--zone", default="", metavar="ZONE", help="such as Europe/Zurich; default: its own"
    )
    schedule.add_argument("--days", type=_days, default=14, metavar="N", help="how many (default 14)")

    incidents = _add(
        commands, "incidents", "what the watcher knows to be wrong, and who is on it",
        "Open incidents, the oldest first. --all lists those of the past 30 days, too.",
        "ibgatewayctl incidents\n  ibgatewayctl incidents live --all",
    )  # fmt: skip
    incidents.add_argument("names", nargs="*", metavar="NAME", help="instances; default: all, and the host")
    incidents.add_argument("-a", "--all", action="store_true", help="also those that are over")

    explain = _add(
        commands, "explain", "what to do about an incident: a section of the runbook",
        "By the kind that its message names, or by an incident's number. Without either: what there is.",
        "ibgatewayctl explain push_missed\n  ibgatewayctl explain 17",
    )  # fmt: skip
    explain.add_argument("what", nargs="?", default="", metavar="ID", help="a kind, a recipe or a number")

    timeline = _add(
        commands, "timeline", "the past week: when each instance was ready, down or logging in",
        "A line of blocks for each instance, in the zone of the first one. A login, and any time down, shows "
        "in its block, however short; a planned restart does not.",
        "ibgatewayctl timeline\n  ibgatewayctl timeline live --days 2",
    )  # fmt: skip
    timeline.add_argument("names", nargs="*", metavar="NAME", help="instances; default: all")
    timeline.add_argument("--days", type=_days, default=7, metavar="N", help="how many (default 7)")

    _add(
        commands, "test-alert", "send a test message on every channel, and tell what became of each",
        "Really sends, through the notifier's own configuration and secrets. Exit code 1 when a "
        "channel failed.",
        "ibgatewayctl test-alert",
    )  # fmt: skip

    doctor = _add(
        commands, "doctor", "look for what is wrong with the host and the instances, and name the remedy",
        "Changes nothing. The exit code is that of the worst finding: 0 well, 10 a warning, 20 a problem. "
        "What your user may not read is said to be so; `sudo ibgatewayctl doctor` sees all.",
        "ibgatewayctl doctor\n  ibgatewayctl doctor live --offline --json",
    )  # fmt: skip
    doctor.add_argument("names", nargs="*", metavar="NAME", help="instances; default: all")
    doctor.add_argument("--offline", action="store_true", help="do not try to reach IBKR")
    doctor.add_argument("-v", "--verbose", action="store_true", help="also tell what is well")

    bundle = _add(
        commands, "support-bundle", "one archive for whoever helps you, with the secrets blacked out",
        "Status, doctor, versions, units, journal, events, schedule, incidents and configuration. Passwords, "
        "user names, account numbers, tokens, channels' addresses and public IP addresses are blacked out. "
        "As root, they are compared with this host's own; without, found by their looks.",
        "ibgatewayctl support-bundle\n"
        "  ibgatewayctl support-bundle live -o /tmp/bundle.tar.gz --offline",
    )  # fmt: skip
    bundle.add_argument("names", nargs="*", metavar="NAME", help="instances; default: all")
    bundle.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: a new file right here")
    bundle.add_argument("--offline", action="store_true", help="do not try to reach IBKR")

    vnc = _add(
        commands, "vnc", "show Gateway's windows over VNC for a while, through SSH",
        "Starts a server on loopback with a new password, and prints how to get there. It ends by itself.",
        "ibgatewayctl vnc live",
    )  # fmt: skip
    vnc.add_argument("name", metavar="NAME")

    log = _add(
        commands, "log", "the journal of an instance", "Gateway's and IBC's own words, and the launcher's.",
        "ibgatewayctl log live -f",
    )  # fmt: skip
    log.add_argument("name", metavar="NAME")
    events = _add(
        commands, "events", "what happened to an instance",
        "One line each, oldest first; docs/launcher.md lists them.",
        "ibgatewayctl events live -n 5\n  ibgatewayctl events live --json | jq .type",
    )  # fmt: skip
    events.add_argument("name", metavar="NAME")
    for follower in (log, events):
        follower.add_argument(
            "-n", dest="count", type=_count, default=50, metavar="N", help="how many (default 50)"
        )
        follower.add_argument("-f", "--follow", action="store_true", help="go on as new ones come")

    # For the timers' units; an operator has no use for it, so the list of commands does not name it.
    appointment = commands.add_parser(
        "appointment", description="Keep an appointment: for the timers' units."
    )
    appointment.add_argument("what", choices=("restart", "reset", "login", "stop", "start"))
    appointment.add_argument("name", metavar="NAME")
    appointment.add_argument("--json", action="store_true")
    # For the playbooks and for ibgateway-upgrade@NAME.
    upgrade = commands.add_parser("upgrade", description="Change releases: for the playbooks.")
    upgrade.add_argument("verb", choices=("note", "begin", "judge", "wait", "rollback", "prune"))
    upgrade.add_argument("name", metavar="NAME", nargs="?", default="")
    upgrade.add_argument("--gateway-version", default="")
    upgrade.add_argument("--ibc-version", default="")
    upgrade.add_argument("--again", action="store_true")
    upgrade.add_argument("--seconds", type=float, default=600.0)
    upgrade.add_argument("--keep", type=int, default=2)
    upgrade.add_argument("--json", action="store_true")
    return parser


def _add(commands, name: str, line: str, more: str, examples: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=line,
        description=f"{line[0].upper()}{line[1:]}.\n\n{_wrapped(more)}",
        epilog=f"Examples:\n  {examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON, for scripts")
    return parser


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 79)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines")
    return int(text)


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 366:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 1 to 366")
    return int(text)
