"""`ibgatewayctl`: the operator's command on the host."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from . import ctl_events, ctl_follow
from .ctl_host import CtlError, Host
from .ctl_show import event_line, status_lines
from .instance import ETC

EPILOG = """\
Examples:
  ibgatewayctl status                 every instance, and what to do next
  ibgatewayctl status live --json     one instance, for scripts
  ibgatewayctl start live             start it and follow until it is ready (approve IB Key when asked)
  ibgatewayctl stop live              log out and stop; a stopped live instance needs a login to come back
  ibgatewayctl log live -f            Gateway's and IBC's own words
  ibgatewayctl events live -n 20      what happened, one line each

Exit codes: 0 all ready, or done · 1 something is not ready, or it failed · 2 usage · 3 not permitted (run as
root) · 4 unknown instance.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="ibgatewayctl",
        description="See and steer the IB Gateway instances of this host.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    status = commands.add_parser("status", help="how the instances are, and what to do next")
    status.add_argument("names", nargs="*", metavar="NAME", help="instances; default: all")
    status.add_argument("--json", action="store_true", help='for scripts: {"instances": […]}')

    start = commands.add_parser("start", help="start an instance and follow until it is ready")
    start.add_argument("name", metavar="NAME")
    stop = commands.add_parser("stop", help="log out, stop an instance and follow until it has stopped")
    stop.add_argument("name", metavar="NAME")

    log = commands.add_parser("log", help="the journal of an instance")
    log.add_argument("name", metavar="NAME")
    events = commands.add_parser("events", help="what happened to an instance")
    events.add_argument("name", metavar="NAME")
    events.add_argument("--json", action="store_true", help="the events as they are, one JSON object a line")
    for follower in (log, events):
        follower.add_argument(
            "-n", dest="count", type=_count, default=50, metavar="N", help="how many (default 50)"
        )
        follower.add_argument("-f", "--follow", action="store_true", help="go on as new ones come")
    return parser


def main(argv: list[str], etc: Path = ETC) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name.
        etc: where the instances are configured.

    Returns:
        the exit code.
    """
    options = build_parser().parse_args(argv)
    host = Host(etc)
    try:
        return _COMMANDS[options.command](host, options)
    except CtlError as error:
        print(f"ibgatewayctl: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print(
            f"\nno longer following; see `ibgatewayctl status {getattr(options, 'name', '')}`".rstrip(),
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        # `ibgatewayctl events … | head`: not an error, and nothing more can be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _status(host: Host, options: argparse.Namespace) -> int:
    found = [host.status(name) for name in host.names(options.names)]
    if options.json:
        print(json.dumps({"instances": found}, ensure_ascii=False, indent=2))
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print("\n\n".join("\n".join(status_lines(status, colour=colour)) for status in found))
    return 0 if all(status["state"] == "ready" for status in found) else 1


def _start(host: Host, options: argparse.Namespace) -> int:
    host.names([options.name])
    return ctl_follow.start(host, options.name, _say)


def _stop(host: Host, options: argparse.Namespace) -> int:
    host.names([options.name])
    return ctl_follow.stop(host, options.name, _say)


def _log(host: Host, options: argparse.Namespace) -> int:
    host.names([options.name])
    command = ["journalctl", "--no-pager", "--output=short-iso", f"--unit=ibgateway@{options.name}.service"]
    command += [f"--lines={options.count}", *(["--follow"] if options.follow else [])]
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)  # noqa: S606 - journalctl takes over, its own Ctrl-C and paging included
    except OSError as error:
        raise CtlError(f"journalctl cannot be run: {error.strerror}") from None


def _events(host: Host, options: argparse.Namespace) -> int:
    host.names([options.name])
    file = host.instance(options.name).state_dir / "events.jsonl"

    def show(event: dict) -> None:
        print(json.dumps(event, ensure_ascii=False) if options.json else event_line(event), flush=True)

    for event in ctl_events.last(file, options.count):
        show(event)
    if options.follow:
        ctl_events.follow(file, show)
    return 0


_COMMANDS = {"status": _status, "start": _start, "stop": _stop, "log": _log, "events": _events}


def _say(line: str) -> None:
    print(line, flush=True)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines")
    return int(text)
