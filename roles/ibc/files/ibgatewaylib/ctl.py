"""`ibgatewayctl`: the operator's command on the host."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from . import ctl_codes, ctl_events, ctl_follow
from .ctl_help import build_parser
from .ctl_host import CtlError, Host
from .ctl_say import Teller
from .ctl_show import event_line, status_lines
from .instance import ETC


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
        if options.json:
            _print_json({"error": str(error), "code": error.code})
        print(f"ibgatewayctl: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print(
            f"\nno longer following; see `ibgatewayctl status {getattr(options, 'name', '')}`".rstrip(),
            file=sys.stderr,
        )
        return ctl_codes.INTERRUPTED
    except BrokenPipeError:
        # `ibgatewayctl events … | head`: not an error, and nothing more can be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


# --- looking ----------------------------------------------------------------------------------------------


def _status(host: Host, options: argparse.Namespace) -> int:
    found = [host.status(name) for name in host.names(options.names)]
    if options.json:
        _print_json({"instances": found})
    else:
        print("\n\n".join("\n".join(status_lines(status, colour=_colour())) for status in found))
    return 0 if all(status["state"] == "ready" for status in found) else 1


def _schedule(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_schedule

    names = host.names(options.names)
    text, results = ctl_schedule.show(host, names, zone=options.zone, days=options.days)
    if options.json:
        _print_json({"instances": results})
    else:
        print(text, end="")
    return 0


def _doctor(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_doctor, doctor

    found = ctl_doctor.examine(host, host.names(options.names), offline=options.offline)
    code = doctor.worst(found)
    if options.json:
        _print_json({"code": code, "findings": [finding.as_dict() for finding in found]})
    else:
        print("\n".join(doctor.lines(found, colour=_colour(), verbose=options.verbose)))
    return code


def _log(host: Host, options: argparse.Namespace) -> int:
    host.names([options.name])
    output = "json" if options.json else "short-iso"
    command = ["journalctl", "--no-pager", f"--output={output}", f"--unit=ibgateway@{options.name}.service"]
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


# --- doing ------------------------------------------------------------------------------------------------


def _start(host: Host, options: argparse.Namespace) -> int:
    return _follow(host, options, ctl_follow.start)


def _stop(host: Host, options: argparse.Namespace) -> int:
    return _follow(host, options, ctl_follow.stop)


def _login(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_acts

    return _follow(host, options, ctl_acts.login)


def _restart(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_acts

    return _follow(host, options, ctl_acts.restart, full=options.full, yes=options.yes or options.json)


def _pause(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_acts

    if bool(options.names) == options.all:
        raise CtlError("name the instances to pause, or --all", ctl_codes.USAGE)
    say = Teller(quiet=options.json)
    results, code = ctl_acts.pause(host, host.names(options.names), say, every=options.all)
    if options.json:
        _print_json({"instances": results, "code": code})
    return code


def _budget(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_acts

    host.names([options.name])
    result = ctl_acts.budget(host, options.name, Teller(quiet=options.json), reset=options.reset)
    if options.json:
        _print_json(result)
    return 0


def _vnc(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_vnc

    host.names([options.name])
    result = ctl_vnc.show(host, options.name, Teller(quiet=options.json))
    if options.json:
        _print_json(result)
    return 0


def _appointment(host: Host, options: argparse.Namespace) -> int:
    from . import appointment

    host.names([options.name])
    code, result = appointment.keep(host, options.what, options.name)
    print(appointment.report(result, as_json=options.json))
    return code


def _follow(host: Host, options: argparse.Namespace, act, **more) -> int:
    host.names([options.name])
    code = act(host, options.name, Teller(quiet=options.json), **more)
    if options.json:
        _print_json({"code": code, "instance": host.status(options.name)})
    return code


_COMMANDS = {
    "status": _status,
    "login": _login,
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "pause": _pause,
    "budget": _budget,
    "schedule": _schedule,
    "doctor": _doctor,
    "vnc": _vnc,
    "log": _log,
    "events": _events,
    "appointment": _appointment,
}


def _print_json(content: dict) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=2))


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
