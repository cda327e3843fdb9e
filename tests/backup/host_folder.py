"""A host's files below a folder, for the tests of backup, restore and decommission."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TOML = """name = "{name}"
mode = "live"
gateway_version = "10.45.1"
ibc_version = "3.25.0"
"""


class HostFolder:
    """A host's files below a folder, as the roles and Gateway leave them."""

    def __init__(self, root: Path, tools: Path) -> None:
        self.root, self.tools = root, tools
        for name in ("live", "paper"):
            self.write(f"etc/ibgateway/{name}/instance.toml", TOML.format(name=name))
            self.write(f"etc/ibgateway/{name}/ibc.ini", "ReadOnlyApi=yes\n")
            self.write(f"etc/ibgateway/{name}/credentials/password.cred", "canary-credential")
            settings = f"var/lib/ibgateway/{name}/settings"
            self.write(f"{settings}/jts.ini", f"[Logon]\nPeer={name}.example\n")
            self.write(f"{settings}/darykq/ibg.xml", "<settings/>")
            self.write(f"{settings}/darykq/autorestart", "canary-token")
            self.write(f"{settings}/darykq/autorestart.unused", "canary-token")
            self.write(f"{settings}/launcher.log", "canary-log")
            self.event(name, "ready", 3600)
            self.write(f"var/lib/ibgateway/{name}/login-budget.json", '{"submissions": []}')
        self.write("etc/ibgateway-alerting/config.toml", 'host = "vps1"\n')
        self.write("etc/ibgateway-alerting/channels.cred", "canary-channels")
        self.write("opt/ibgateway/releases/10.45.1/.installed", json.dumps({"sha256": "a" * 64}))
        self.write("opt/ibc/releases/3.25.0/.installed", "b" * 64)
        (root / "var/lib/ibgateway-alerting").mkdir()
        self.incident(time.time() - 3600)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def event(self, name: str, kind: str, ago: float) -> None:
        """Add an event that happened so many seconds ago; fewer than 0: it is to come."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - ago))
        file = self.root / f"var/lib/ibgateway/{name}/events.jsonl"
        with file.open("a") as stream:
            stream.write(json.dumps({"time": stamp, "instance": name, "type": kind, "detail": {}}) + "\n")

    @property
    def database(self) -> Path:
        return self.root / "var/lib/ibgateway-alerting/alerting.sqlite"

    def incident(self, opened: float) -> None:
        """Add an incident that began then, seconds since the epoch."""
        database = sqlite3.connect(self.database)
        with database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE IF NOT EXISTS incidents(id INTEGER PRIMARY KEY, opened REAL)")
            database.execute("INSERT INTO incidents(opened) VALUES(?)", (opened,))
        database.close()

    def incidents(self) -> int:
        database = sqlite3.connect(self.database)
        (count,) = database.execute("SELECT count(*) FROM incidents").fetchone()
        database.close()
        return count

    def runs(self, unit: str) -> None:
        """Have systemd say that a unit runs."""
        (self.tools / f"active-{unit}").write_text("active\n")

    def calls(self) -> list[str]:
        file = self.tools / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def snapshot(self, below: str = "var/lib") -> dict[str, bytes]:
        """Path to content of every file below a folder, without what SQLite keeps beside its database."""
        top = self.root / below
        return {
            str(file.relative_to(top)): file.read_bytes()
            for file in top.rglob("*")
            if file.is_file() and not file.name.endswith(("-wal", "-shm"))
        }
