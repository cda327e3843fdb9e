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
from .ctl_show import event_line, status_lines, status_table
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
    from . import ctl_incidents

    found = [host.status(name) for name in host.names(options.names)]
    incidents = ctl_incidents.open_by_instance()
    for status in found:
        status["incidents"] = None if incidents is None else incidents.get(status["instance"], [])
    if options.json:
        _print_json({"instances": found})
    elif options.names or options.long:
        print("\n\n".join("\n".join(status_lines(status, colour=_colour())) for status in found))
    else:
        print("\n".join(status_table(found, (incidents or {}).get("", []), colour=_colour())))
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


def _incidents(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_incidents

    names = host.names(options.names) if options.names else []
    text, results = ctl_incidents.show(names, every=options.all, colour=_colour())
    if options.json:
        _print_json({"incidents": results})
    else:
        print(text)
    return 0


def _explain(_host: Host, options: argparse.Namespace) -> int:
    from . import ctl_explain

    if not options.what:
        known = ctl_explain.sections()
        if options.json:
            _print_json({"sections": [{"id": one.id, "title": one.title} for one in known.values()]})
        else:
            print(ctl_explain.listed())
        return 0
    section, instance = ctl_explain.find(options.what)
    if options.json:
        _print_json({"id": section.id, "title": section.title, "text": section.text})
    else:
        print(ctl_explain.plain(section, instance))
    return 0


def _timeline(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_timeline

    names = host.names(options.names)
    text, results = ctl_timeline.show(host, names, days=options.days, colour=_colour())
    if options.json:
        _print_json({"instances": results})
    else:
        print(text)
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


def _support_bundle(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_bundle

    result = ctl_bundle.make(host, host.names(options.names), options.output, offline=options.offline)
    if options.json:
        _print_json(result)
    else:
        print(ctl_bundle.lines(result))
    return 0


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

    return _follow(
        host,
        options,
        ctl_acts.restart,
        kind=options.kind,
        yes=options.yes or options.json,
        force=options.force,
        follow=not options.no_follow,
    )


def _guard(host: Host, options: argparse.Namespace) -> int:
    from . import ctl_acts, guard

    host.names([options.name])
    if options.settle:
        ctl_follow.settled(host, options.name, Teller(quiet=options.json))
    found = ctl_acts.look_out(host, options.name)
    clear = all(finding["level"] != guard.BLOCKS for finding in found)
    if options.json:
        _print_json({"instance": options.name, "clear": clear, "findings": found})
    else:
        print(
            "\n".join(f"{options.name}: {finding['text']}" for finding in found) or f"{options.name}: nothing"
        )
    return ctl_codes.DONE if clear else ctl_codes.NOT_NOW


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


def _test_alert(_host: Host, options: argparse.Namespace) -> int:
    from . import ctl_test_alert

    results = ctl_test_alert.send()
    if options.json:
        _print_json({"channels": results})
    else:
        print(ctl_test_alert.lines(results))
    return 0 if all(result["ok"] for result in results) else ctl_codes.FAILED


def _appointment(host: Host, options: argparse.Namespace) -> int:
    from . import appointment

    host.names([options.name])
    code, result = appointment.keep(host, options.what, options.name)
    print(appointment.report(result, as_json=options.json))
    return code


def _upgrade(host: Host, options: argparse.Namespace) -> int:
    from . import releases, upgrade

    if options.name:
        host.names([options.name])
    to = {"gateway_version": options.gateway_version, "ibc_version": options.ibc_version}
    code, text, changed = ctl_codes.DONE, "", False
    switched = options.verb in ("begin", "rollback")
    before = releases.of(host.instance(options.name)) if switched else {}
    if options.verb in ("note", "begin"):
        changed = getattr(upgrade, options.verb)(host, options.name, to, again=options.again)
    elif options.verb == "judge":
        verdict, text = upgrade.judge(host, options.name)
        changed = verdict in (upgrade.GOOD, upgrade.BAD)
    elif options.verb == "wait":
        code = upgrade.wait(host, options.name, options.seconds, Teller(quiet=False))
    elif options.verb == "rollback":
        text, changed = upgrade.roll_back(host, options.name), True
    else:
        removed = releases.prune(host, options.keep)
        text, changed = ", ".join(removed), bool(removed)
    if options.json:
        # What the next start would have used, and what it uses now.
        versions = {"from": before, "to": releases.of(host.instance(options.name))} if switched else {}
        _print_json({"code": code, "changed": changed, "text": text, **versions})
    elif text:
        print(text)
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
    "guard": _guard,
    "pause": _pause,
    "budget": _budget,
    "schedule": _schedule,
    "incidents": _incidents,
    "explain": _explain,
    "timeline": _timeline,
    "test-alert": _test_alert,
    "doctor": _doctor,
    "support-bundle": _support_bundle,
    "vnc": _vnc,
    "log": _log,
    "events": _events,
    "appointment": _appointment,
    "upgrade": _upgrade,
}


def _print_json(content: dict) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=2))


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
