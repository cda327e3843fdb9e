#!/usr/bin/env python3
"""Drives the simulated IB Gateway of one instance.

Runs on the test host (standard library only), as root or as the Gateway's own user. What happens at the next
login is written to the scenario file, which works while the Gateway is stopped too; what happens now goes to
the running Gateway's control port. docs/simulator.md describes both.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
import tomllib
from pathlib import Path

ETC = Path("/etc/ibgateway")

# Keys whose value is a list, used one entry per occasion; the simulator's Scenario.java holds the same table.
SEQUENCES: dict[str, tuple[str, ...]] = {
    "startup": ("ok", "no_window", "odd_window", "crash"),
    "login": (
        "ok", "wrong_password", "login_failed", "login_error", "too_many_attempts", "maintenance",
        "connection_failed", "existing_session", "handoff", "unknown_dialog", "password_notice", "silent",
    ),
    "second_factor": ("push", "device_list", "code", "none"),
    "push": ("approve", "deny", "ignore", "wait"),
    "restart": ("ok", "expired", "wrong_password", "connection_failed", "silent"),
    "settings": ("ok", "no_window"),
}  # fmt: skip
SECONDS = ("startup.delay", "login.delay", "push.delay", "push.timeout", "loading.delay", "shutdown.delay")
TEXTS = (
    "login.text",
    "login.wait",
    "unknown.title",
    "unknown.text",
    "devices",
    "code",
    "code.title",
    "password.days",
    "peer",
    "position",
    "orders",
)

STATES = (
    "stopped", "starting", "login", "authenticating", "device_list", "two_factor", "code", "loading", "ready",
    "wrong_password", "login_failed", "login_error", "too_many_attempts", "maintenance", "connection_failed",
    "existing_session", "handoff", "unknown_dialog", "paper_warning", "relogin", "shutting_down", "hung",
)  # fmt: skip


class SimulatorError(Exception):
    """Something the caller can put right; its text says how."""


class NotRunningError(SimulatorError):
    """The simulated Gateway is not running."""


def settings_folder(instance: str, etc: Path = ETC) -> Path:
    """The settings folder of an instance.

    Args:
        instance: its name, as in ibgateway_instances.
        etc: the folder with one folder per instance.

    Returns:
        The value of settings_dir in the instance's instance.toml.

    Raises:
        SimulatorError: there is no such instance on this host.
    """
    file = etc / instance / "instance.toml"
    if not file.is_file():
        known = sorted(p.parent.name for p in etc.glob("*/instance.toml"))
        raise SimulatorError(
            f"no instance {instance!r} on this host; "
            + (f"there is {', '.join(known)}" if known else f"{etc} holds none: run the playbook first")
        )
    return Path(tomllib.loads(file.read_text())["settings_dir"])


def parse_assignments(pairs: list[str]) -> dict[str, str]:
    """Checks KEY=VALUE words for the scenario file.

    Args:
        pairs: the words, for example ["login=wrong_password,ok"].

    Returns:
        The values by key.

    Raises:
        SimulatorError: an unknown key, or a value that the key cannot have.
    """
    result: dict[str, str] = {}
    for pair in pairs:
        whole, equals, value = pair.partition("=")
        # KEY@VERSION: for one version of the program, as if that release were broken.
        key = whole.partition("@")[0]
        value = value.strip()
        if not equals:
            raise SimulatorError(f"{pair!r} is not KEY=VALUE, for example login=wrong_password,ok")
        if key in SEQUENCES:
            for entry in (e.strip() for e in value.split(",")):
                if entry not in SEQUENCES[key]:
                    raise SimulatorError(f"{key}={entry}: possible are {', '.join(SEQUENCES[key])}")
        elif key in SECONDS:
            try:
                fits = 0 <= float(value) < 1e6
            except ValueError:
                fits = False
            if not fits:
                raise SimulatorError(f"{key}={value}: it wants a number of seconds, for example {key}=2.5")
        elif key not in TEXTS:
            known = ", ".join((*SEQUENCES, *SECONDS, *TEXTS))
            raise SimulatorError(f"unknown key {key!r}; known are {known}")
        result[whole] = value
    return result


def read_properties(file: Path) -> dict[str, str]:
    """Reads the simple properties files of the simulator: KEY=VALUE lines in UTF-8, comments after # or !."""
    result: dict[str, str] = {}
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip() and line.strip()[0] not in "#!" and "=" in line:
                key, _, value = line.partition("=")
                result[key.strip()] = value.strip().replace("\\n", "\n").replace("\\\\", "\\")
    return result


class Simulator:
    """The simulated Gateway that uses one settings folder.

    Args:
        settings: the settings folder; its subfolder "simulator" holds everything of the simulator's.
    """

    def __init__(self, settings: Path) -> None:
        self.settings = settings
        self.folder = settings / "simulator"

    def scenario(self) -> dict[str, str]:
        """What the scenario file says now."""
        return read_properties(self.folder / "scenario.properties")

    def change_scenario(self, values: dict[str, str], *, fresh: bool = False) -> None:
        """Writes the scenario file; the lists in it begin anew.

        Args:
            values: the keys to set.
            fresh: forget what the file said before.
        """
        keep = {} if fresh else self.scenario()
        self._write("scenario.properties", keep | values | {"revision": str(time.time_ns())})

    def logins(self) -> list[dict[str, str]]:
        """Every time credentials were submitted, oldest first."""
        file = self.folder / "logins.jsonl"
        if not file.is_file():
            return []
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]

    def expire_token(self) -> None:
        """Makes the saved token worthless, as IBKR does every Sunday; works while stopped too."""
        try:
            self.send("expire-token")
        except NotRunningError:
            values = read_properties(self.folder / "server.properties")
            values.pop("token.id", None)
            self._write("server.properties", values)

    def state(self) -> dict[str, object]:
        """The running Gateway's description, or its state "stopped" with the counters that were kept."""
        try:
            return self.send("state")
        except NotRunningError:
            values = read_properties(self.folder / "server.properties")
            counters = {k.removeprefix("count."): int(v) for k, v in values.items() if k.startswith("count.")}
            return {"ok": True, "state": "stopped", "settings": str(self.settings), "counters": counters}

    def wait(self, states: list[str], timeout: float) -> dict[str, object]:
        """Waits until the Gateway is in one of these states.

        Args:
            states: names from STATES.
            timeout: how long, in seconds.

        Returns:
            The description with the state that came.

        Raises:
            SimulatorError: none of them came in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = self.state()
            if found["state"] in states:
                return found
            if time.monotonic() > deadline:
                raise SimulatorError(
                    f"after {timeout:g} s the state is {found['state']}, not {' or '.join(states)}; "
                    f"see {self.settings / 'launcher.log'}"
                )
            time.sleep(0.2)

    def send(self, line: str, patience: float = 10) -> dict[str, object]:
        """Sends one command to the control port.

        Args:
            line: the command and its arguments.
            patience: how long to wait for the answer, in seconds.

        Returns:
            The answer, which describes the Gateway.

        Raises:
            NotRunningError: nobody of this settings folder listens.
            SimulatorError: the command was refused.
        """
        try:
            port = int((self.folder / "control-port").read_text())
            with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
                connection.sendall(f"{line}\n".encode())
                with connection.makefile(encoding="utf-8") as answer:
                    reply = json.loads(answer.readline() or "{}")
        except (FileNotFoundError, ConnectionError):
            reply = {}
        except (TimeoutError, ValueError) as error:
            raise SimulatorError(f"no sensible answer from the control port: {error}") from error
        # After a crash the port may belong to another instance's simulator by now.
        if reply.get("settings") not in (str(self.settings), str(self.settings.resolve())):
            raise NotRunningError(f"the simulated Gateway of {self.settings} is not running")
        if not reply["ok"]:
            raise SimulatorError(str(reply["error"]))
        return reply

    def _write(self, name: str, values: dict[str, str]) -> None:
        """Replaces a file in one step, owned like the settings folder, whose user runs the simulator."""
        owner = self.settings.stat()
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700)
            os.chown(self.folder, owner.st_uid, owner.st_gid)
        lines = (f"{k}={v}".replace("\\", "\\\\").replace("\n", "\\n") for k, v in sorted(values.items()))
        fresh = self.folder / f"{name}.fresh"
        fresh.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        fresh.chmod(0o600)
        os.chown(fresh, owner.st_uid, owner.st_gid)
        fresh.replace(self.folder / name)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="gateway-sim",
        description="Drives the simulated IB Gateway of one instance.",
        epilog="Examples:\n"
        "  gateway-sim live state\n"
        "  gateway-sim live set push=wait              the next push waits for approve or deny\n"
        "  gateway-sim live set login=wrong_password,ok\n"
        "  gateway-sim live wait two_factor && gateway-sim live approve\n"
        "  gateway-sim live link lost && sleep 5 && gateway-sim live link restored\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--settings", type=Path, metavar="DIR", help="the settings folder, if INSTANCE is not installed"
    )
    parser.add_argument("--json", action="store_true", help="answer with JSON")
    parser.add_argument("instance", metavar="INSTANCE", help="name of the instance, for example live")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="answer with JSON")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[shared])

    command("state", "show what it is doing, its windows, clients and counters")
    command("logins", "show every time credentials were submitted")
    wait = command("wait", "wait until it is in one of the given states")
    wait.add_argument("states", nargs="+", choices=STATES, metavar="STATE", help=", ".join(STATES))
    wait.add_argument(
        "--timeout", type=float, default=60, metavar="SECONDS", help="give up after this time (60)"
    )
    change = command(
        "set", "say what happens next; of a list one entry per occasion, the last for ever after"
    )
    change.add_argument(
        "assignments", nargs="+", metavar="KEY=VALUE",
        help="; ".join(f"{k}: {', '.join(v)}" for k, v in SEQUENCES.items())
        + f"; in seconds: {', '.join(SECONDS)}; text: {', '.join(TEXTS)}",
    )  # fmt: skip
    command("reset", "forget the scenario: every login works again")
    command("scenario", "show what was set")
    command("approve", "approve the pending push")
    command("deny", "deny the pending push")
    command("choose-device", "choose an entry of the device list").add_argument("device", metavar="DEVICE")
    command("enter-code", "type the code that is asked for").add_argument("code", metavar="CODE")
    command("dismiss", "press the first button of the dialog that blocks the login")
    code = command("code", "send a system code to every API client, for example 2103 or 10197")
    code.add_argument("number", type=int, metavar="CODE")
    code.add_argument("text", nargs="?", default="", metavar="TEXT", help="instead of the usual text")
    link = command("link", "lose the link to IBKR (1100, 2110) or get it back (1102, or 1101 with data-lost)")
    link.add_argument("what", choices=("lost", "restored", "data-lost"))
    take = command("take-session", "another program logs in with the same user")
    take.add_argument("--dialog", action="store_true", help='show "Existing session detected" at once')
    command("expire-token", "make the daily restart's token worthless, as every Sunday; also while stopped")
    command("restart-now", "do the daily token restart now")
    command("logoff-now", "do the daily logoff now")
    wedge = command("wedge", "accept API connections and never answer")
    wedge.add_argument("switch", choices=("on", "off"), nargs="?", default="on")
    command("hang", "stop reacting to anything but this command")
    command("exhaust-memory", "meet an OutOfMemoryError of Java; the process lives on")
    crash = command("crash", "an uncaught exception, or a sudden end of the process")
    crash.add_argument("how", choices=("exception", "halt"))
    command("exit", "end with an exit code").add_argument("number", type=int, metavar="N")
    return parser


def run(args: argparse.Namespace) -> dict[str, object] | list[dict[str, str]]:
    """Performs one command.

    Args:
        args: the parsed command line.

    Returns:
        What to show.

    Raises:
        SimulatorError: it cannot be done; the text says why.
    """
    folder = args.settings or settings_folder(args.instance)
    if not folder.is_dir():
        raise SimulatorError(f"no folder {folder}, or not readable: run the playbook first, and this as root")
    simulator = Simulator(folder)
    match args.command:
        case "state":
            return simulator.state()
        case "logins":
            return simulator.logins()
        case "wait":
            return simulator.wait(args.states, args.timeout)
        case "set":
            simulator.change_scenario(parse_assignments(args.assignments))
            return simulator.scenario()
        case "reset":
            simulator.change_scenario({}, fresh=True)
            return simulator.scenario()
        case "scenario":
            return simulator.scenario()
        case "expire-token":
            simulator.expire_token()
            return simulator.state()
        case _:
            return simulator.send(control_line(args))


def control_line(args: argparse.Namespace) -> str:
    """The control port's line for a command line."""
    if args.command == "take-session":
        return "take-session dialog" if args.dialog else "take-session"
    names = ("device", "code", "number", "text", "what", "switch", "how")
    words = [str(getattr(args, name)) for name in names if getattr(args, name, "") != ""]
    return " ".join([args.command, *words])


def show(result: dict[str, object] | list[dict[str, str]], *, as_json: bool) -> None:
    """Prints a result, for people as one line per key or entry."""
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    elif isinstance(result, list):
        for entry in result:
            print("  ".join(str(value) for value in entry.values()))
    else:
        for key, value in result.items():
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
            if key != "ok":
                print(f"{key}: {text}")


def main(words: list[str] | None = None) -> int:
    """Entry point.

    Args:
        words: the command line without the program's name; sys.argv by default.

    Returns:
        0 done, 1 refused or not in time, 3 not running (2 is argparse's usage error).
    """
    args = build_parser().parse_args(words)
    try:
        show(run(args), as_json=args.json)
    except NotRunningError as error:
        print(f"gateway-sim: {error}", file=sys.stderr)
        return 3
    except (SimulatorError, OSError) as error:
        print(f"gateway-sim: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
