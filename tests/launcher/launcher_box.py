"""An instance in a temporary directory, and a launcher to run it with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from free_ports import free_port

HERE = Path(__file__).parent
FILES = HERE.parents[1] / "roles" / "ibc" / "files"
sys.path.insert(0, str(FILES))

PASSWORD = "p\\w#!=: zü€"

SUCCESS = [
    "version: 3.25.0",
    "Starting session: will exit if login dialog is not displayed within 60 seconds",
    "Starting Gateway",
    "detected frame entitled: IBKR Gateway; event=Opened",
    "Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT",
    "Setting user name",
    "Setting password",
    "Login attempt: 1",
    "Click button: Log In",
    "Found Gateway main window",
    "detected frame entitled: Starting application...; event=Closed",
    "Login has completed",
    "Getting config dialog",
    "detected dialog entitled: IBKR Gateway Configuration; event=Opened",
    "TWS API socket port now set to 4001",
    "Configuration tasks completed",
    "Click button: OK",
    "detected dialog entitled: IBKR Gateway Configuration; event=Closed",
]


def says(*messages: str) -> list[dict]:
    return [{"say": message} for message in messages]


class Box:
    """One instance with a program, an IBC and a Java that are all ours."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs: list[Run] = []
        self.etc = root / "etc" / "live"
        self.program = root / "program"
        self.ibc = root / "ibc"
        self.settings = root / "state" / "live" / "settings"
        self.state = root / "state" / "live"
        self.run = root / "run"
        self.credentials = root / "credentials"
        for place in (
            self.etc,
            self.program / "jars",
            self.ibc / "scripts",
            self.settings,
            self.run,
            self.credentials,
        ):
            place.mkdir(parents=True)
        (self.program / "jre" / "bin").mkdir(parents=True)
        (self.program / "jars" / "jts4launch-1037.jar").touch()
        (self.program / "ibgateway.vmoptions").write_text("# heap\n-Xmx768m\n-XX:+UseG1GC\n-Dvendor=1\n")
        (self.program / ".install4j").mkdir()
        (self.ibc / "IBC.jar").touch()
        java = self.program / "jre" / "bin" / "java"
        java.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{HERE / "fake_java.py"}" "$@"\n')
        java.chmod(0o755)
        (self.credentials / "username").write_text("trader")
        (self.credentials / "password").write_text(PASSWORD)
        self.api_port, self.command_port = free_port(), free_port()
        self.write_toml()
        self.write_ini()
        self.write_windows()
        (self.settings / "jts.ini").write_text(
            "[Logon]\nTimeZone=America/New_York\n[IBGateway]\nApiOnly=true\n"
        )

    def values(self) -> dict:
        return {
            "name": "live",
            "mode": "live",
            "gateway_version": "10.37.1",
            "ibc_version": "3.25.0",
            "program_dir": str(self.program),
            "ibc_dir": str(self.ibc),
            "settings_dir": str(self.settings),
            "state_dir": str(self.state),
            "run_dir": str(self.run),
            "display": 4001,
            "api_port": self.api_port,
            "command_port": self.command_port,
            "vnc_port": 5900,
            "java_source": "installer",
            "heap": 512,
            "timezone": "America/New_York",
            # Most tests log in at once, whatever the hour: tests of the gate say otherwise.
            "login": "auto",
            "region": "auto",
            "daily_restart": "17:15",
            "weekly_login": "Sun 09:30",
            "budget_logins": 3,
            "budget_hours": 6,
            "budget_minutes_apart": 0,
        }

    def write_windows(self, start: float | None = None, end: float | None = None) -> None:
        """Replace the reset windows; without arguments none is near (the margin counts, too)."""
        now = time.time()
        if start is None:
            start, end = now + 10 * 3600, now + 11 * 3600
        hours = [time.strftime("%H:%M", time.gmtime(moment)) for moment in (start, end)]
        daily = [{"zone": "UTC", "from": hours[0], "to": hours[1]}]
        day = time.strftime("%a", time.gmtime(now + 3 * 86400))
        weekly = {"zone": "UTC", "from": f"{day} 12:00", "to": f"{day} 13:00"}
        table = {
            "checked_on": "2026-11-24",
            "daily": {"america": daily, "europe": daily, "asia": daily},
            "weekend": {"closed": weekly, "quiet": weekly},
        }
        # In one step, as the playbook does it: a launcher that waits reads the file at any moment.
        fresh = self.etc.parent / "reset-windows.json.new"
        fresh.write_text(json.dumps(table))
        fresh.replace(self.etc.parent / "reset-windows.json")

    def write_toml(self, **changes: object) -> None:
        values = {key: value for key, value in {**self.values(), **changes}.items() if value is not None}
        (self.etc / "instance.toml").write_text(
            "".join(f"{key} = {json.dumps(v)}\n" for key, v in values.items())
        )

    def write_ini(self, extra: str = "", **changes: object) -> None:
        ports = {"CommandServerPort": self.command_port, "OverrideTwsApiPort": self.api_port, **changes}
        (self.etc / "ibc.ini").write_text("".join(f"{key}={value}\n" for key, value in ports.items()) + extra)

    def instance(self):
        from ibgatewaylib.instance import load

        return load(self.etc)

    def events(self) -> list[dict]:
        file = self.state / "events.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]

    def event(self, kind: str) -> dict:
        return next(event["detail"] for event in self.events() if event["type"] == kind)

    def state_json(self) -> dict:
        return json.loads((self.run / "state.json").read_text())

    def argv(self) -> str:
        """The running Java's arguments."""
        pid = self.state_json()["java_pid"]
        return (Path("/proc") / str(pid) / "cmdline").read_text().replace("\0", " ")

    def start(self, *steps: dict, limits: dict | None = None, **environment: str) -> Run:
        self.runs.append(Run(self, list(steps), limits or {}, environment))
        return self.runs[-1]

    def close(self) -> None:
        """End what a test left: after a failure, it would make another test fail that had no part in it."""
        for run in self.runs:
            run.close()


class Run:
    """A launcher at work, with a systemd that listens."""

    def __init__(self, box: Box, steps: list[dict], limits: dict, environment: dict[str, str]) -> None:
        self.box = box
        self.notified: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = box.root / f"notify{time.monotonic_ns()}"
        self._socket.bind(str(address))
        self._socket.setblocking(False)
        code = textwrap.dedent(f"""
            import sys
            sys.path.insert(0, {str(FILES)!r})
            from ibgatewaylib.launcher import main
            from ibgatewaylib.limits import Limits
            limits = Limits()
            for key, value in {limits!r}.items():
                assert hasattr(Limits, key), key
                setattr(limits, key, value)
            sys.exit(main(["live", "--config", {str(box.etc)!r}], limits))
        """)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(box.state),
            "CREDENTIALS_DIRECTORY": str(box.credentials),
            "NOTIFY_SOCKET": str(address),
            "FAKE_JAVA": json.dumps(steps),
            "JAVA_TOOL_OPTIONS": "-Dintruder=1",
            **environment,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code],
            env={key: value for key, value in env.items() if value},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log = ""

    def wait_for(self, condition, seconds: float = 30.0):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.listen()
            try:
                if result := condition():
                    return result
            except (OSError, ValueError, LookupError, StopIteration):
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.listen()
        if result := condition():
            return result
        self.process.kill()
        pytest.fail(f"did not happen within {seconds} s; log:\n{self.process.communicate()[0]}")

    def listen(self) -> None:
        while True:
            try:
                self.notified.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return

    def wait_ready(self) -> None:
        self.wait_for(lambda: "READY=1" in self.notified)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self, seconds: float = 30.0) -> int:
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.log += self.process.communicate(timeout=0.2)[0]
                break
            except subprocess.TimeoutExpired:
                self.listen()
            if time.monotonic() > deadline:
                self.process.kill()
                pytest.fail(f"launcher did not end; log:\n{self.process.communicate()[0]}")
        self.listen()
        self.close()
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._socket.close()
