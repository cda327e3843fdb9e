"""What the tests of alerting share: a fake clock, an events file, instances on disk."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ibgateway_alerting.settings import Channel

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "alerting"
START = datetime(2026, 11, 24, 21, 15, 3, tzinfo=UTC).timestamp()
"""A Tuesday, 16:15 in New York: outside every reset window, an hour before the daily restart."""

USUAL: dict[str, Any] = {
    "host": "vps1",
    "timezone": "Europe/Zurich",
    "metrics_port": 0,
    "remind_before_minutes": 15,
    "remind_friday": False,
    "digest": "Sun 18:00",
    "reminder_hours": 4,
}
"""What a configuration says that no test is about."""


class FakeClock:
    """Seconds since the epoch that move only when a test moves them."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        """Let the time pass; return the new one."""
        self.now += seconds
        return self.now

    def set(self, text: str) -> float:
        """Go to an instant written as RFC 3339."""
        self.now = datetime.fromisoformat(text).timestamp()
        return self.now


class EventsFile:
    """An instance's events file, written as the launcher writes it."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        self.path = path
        self.clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, kind: str, /, *, age: float = 0.0, **detail: Any) -> None:
        """Append an event that happened `age` seconds ago."""
        self.raw(self.line(kind, age=age, **detail))

    def line(self, kind: str, /, *, age: float = 0.0, **detail: Any) -> bytes:
        """One line of the file."""
        moment = datetime.fromtimestamp(self.clock() - age, UTC)
        time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = {"time": time, "instance": self.path.parent.name, "type": kind, "detail": detail}
        return json.dumps(record).encode() + b"\n"

    def raw(self, content: bytes) -> None:
        """Append bytes."""
        with self.path.open("ab") as file:
            file.write(content)

    def rotate(self, keep: int = 3) -> None:
        """Rename as the launcher does: the youngest predecessor is .1."""
        for number in range(keep, 0, -1):
            source = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
            if source.exists():
                source.rename(self.path.with_name(f"{self.path.name}.{number}"))


def channel(name: str = "phone", **changes: Any) -> Channel:
    """A channel that gets everything at once."""
    usual = {"kind": "telegram", "severity": "info", "after_minutes": 0, "who": "Anna", "users": (123456,)}
    return Channel(name=name, **{**usual, **changes})


INSTANCE = """
name = "{name}"
mode = "{mode}"
gateway_version = "10.45.1c"
ibc_version = "3.24.1"
java_source = "installer"
timezone = "America/New_York"
login = "{login}"
region = "america"
daily_restart = "17:15"
weekly_login = "{weekly}"
program_dir = "/opt/ibgateway/releases/10.45.1c"
ibc_dir = "/opt/ibc/releases/3.24.1"
settings_dir = "{root}/var/{name}/settings"
state_dir = "{root}/var/{name}"
run_dir = "{root}/run/{name}"
display = 10
api_port = {port}
command_port = 7462
vnc_port = 5910
heap = 768
budget_logins = 3
budget_hours = 6
budget_minutes_apart = 5
"""


def write_instance(
    root: Path, name: str, *, mode: str = "live", login: str = "consent", port: int = 4001
) -> None:
    """Write what the role ibc puts on a host about one instance."""
    for part in ("etc", "var", "run"):
        (root / part / name).mkdir(parents=True, exist_ok=True)
    weekly = "Sun 09:30" if mode == "live" else ""
    text = INSTANCE.format(name=name, mode=mode, login=login, weekly=weekly, root=root, port=port)
    (root / "etc" / name / "instance.toml").write_text(text)
