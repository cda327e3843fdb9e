"""Stand-ins: systemd as a dictionary, IBC's command port and Gateway's API as small servers."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNIT = "ibgateway@live.service"
ACTS = {
    "ibgateway-consent@": "consent",
    "ibgateway-restart-soft@": "soft-restart",
    "ibgateway-pause@": "pause",
    "ibgateway-budget-reset@": "budget-reset",
    "ibgateway-guard@": "guard",
}


def configure(box, **changes: object) -> None:
    """Write the instance's configuration."""
    wanted = {
        "mode": "live",
        "login": "consent",
        "region": "america",
        "daily_restart": "17:15",
        "weekly_login": "Sun 09:30",
        "budget_logins": 3,
        "budget_hours": 6,
        "budget_minutes_apart": 5,
    }
    box.write_toml(**{**wanted, **changes})


class FakeSystemd:
    """Units and their states; `on(verb, unit)` says what a verb does. Units of `act` run `act` at once."""

    def __init__(self, box, monkeypatch) -> None:
        from ibgatewaylib import ctl_host

        self.box = box
        self.acts = dict(ACTS)
        self.units: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self.denied: set[str] = set()
        self.fails: set[str] = set()
        self.deeds: dict[tuple[str, str], object] = {}
        monkeypatch.setattr(ctl_host, "systemctl", self.systemctl)

    def set(
        self, active: str, sub: str = "", unit: str = UNIT, pid: int = 77, result: str = "success"
    ) -> None:
        self.units[unit] = {
            "ActiveState": active,
            "SubState": sub or active,
            "Result": result,
            "ExecMainStatus": "0",
            "MainPID": str(pid if active in ("active", "activating", "deactivating") else 0),
        }

    def on(self, verb: str, deed, unit: str = UNIT) -> None:
        self.deeds[verb, unit] = deed

    def state(self, state: str, status: str = "", **more: object) -> None:
        """What the launcher last wrote."""
        from ibgatewaylib import statefile

        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        content = {"instance": "live", "state": state, "status": status or state, "since": stamp, "pid": 77}
        statefile.write(self.box.run / "state.json", {**content, "started": stamp, **more})

    def ready(self, pid: int = 77) -> None:
        self.set("active", "running", pid=pid)
        self.state("ready", pid=pid)

    def systemctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        words = [word for word in arguments if not word.startswith("-")]
        if words[0] == "show":
            unit = self.units.get(words[1], {"ActiveState": "inactive", "SubState": "dead", "MainPID": "0"})
            text = "".join(f"{key}={value}\n" for key, value in unit.items())
            return subprocess.CompletedProcess(arguments, 0, text, "")
        self.calls.append(" ".join(words))
        if words[1] in self.denied or words[1].partition("@")[0] + "@" in self.denied:
            return subprocess.CompletedProcess(
                arguments, 4, "", f"Failed to {words[0]} {words[1]}: Access denied\n"
            )
        if deed := self.deeds.get((words[0], words[1])):
            deed()
        if words[1] in self.fails:
            return subprocess.CompletedProcess(arguments, 1, "", f"Job for {words[1]} failed.\n")
        prefix = words[1].partition("@")[0] + "@"
        if words[0] == "start" and prefix in self.acts:
            from ibgatewaylib import act

            name = words[1].partition("@")[2].removesuffix(".service")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                failed = act.main([self.acts[prefix], name], self.box.etc.parent)
            if failed:
                return subprocess.CompletedProcess(arguments, 1, "", f"Job for {words[1]} failed.\n")
        return subprocess.CompletedProcess(arguments, 0, "", "")


class Server:
    """One loopback port, each connection served in turn."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(3)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    self.serve(connection)
                except OSError:
                    continue


class FakeIbc(Server):
    """Records commands; `on[VERB]` is called after the answer."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.received: list[str] = []
        self.on: dict[str, object] = {}
        self.answer = "OK"

    def serve(self, connection: socket.socket) -> None:
        verb = connection.recv(100).decode().strip()
        self.received.append(verb)
        if deed := self.on.get(verb):
            deed()
        connection.sendall(f"{self.answer} {verb}\n".encode())


class FakeApi(Server):
    """A Gateway that answers the handshake and then tells how its link is."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.link = "2104"
        self.mute = False

    def serve(self, connection: socket.socket) -> None:
        connection.recv(100)
        if self.mute:
            return
        self._frame(connection, "187", "20261125 10:00:00 EST")
        connection.recv(100)
        self._frame(connection, "15", "1", "DU1")
        self._frame(connection, "4", "2", "-1", self.link, "about the link")
        self._frame(connection, "9", "1", "1")

    @staticmethod
    def _frame(connection: socket.socket, *fields: str) -> None:
        data = "".join(f"{field}\0" for field in fields).encode()
        connection.sendall(len(data).to_bytes(4, "big") + data)


def write_events(box, *events: tuple[str, str, dict]) -> None:
    """Write events: (time in UTC as `2026-11-25 12:00`, type, detail)."""
    with (box.state / "events.jsonl").open("a") as stream:
        for time, kind, detail in events:
            stamp = time.replace(" ", "T") + ":00.000Z"
            stream.write(
                json.dumps({"time": stamp, "instance": "live", "type": kind, "detail": detail}) + "\n"
            )


def full_login(box, time: str) -> None:
    """A login with credentials that became ready."""
    write_events(box, (time, "starting", {}), (time, "login_submitted", {"attempt": 1}), (time, "ready", {}))
