"""A host in a folder, for the alerting's benchmarks: instances, Gateways' APIs, systemd, our two programs."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = (ROOT / "roles" / "alerting" / "files", ROOT / "roles" / "ibc" / "files")
sys.path[:0] = [str(ROOT / "tests" / "alerting"), *map(str, FILES)]

from alerting_tools import USUAL, write_instance  # noqa: E402 - needs the paths above
from fake_tws import FakeTws  # noqa: E402 - needs the paths above

TICKS = os.sysconf("SC_CLK_TCK")
PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
if {part!r} == "watch":
    from ibgateway_alerting.watch.units import Units
    Units.__init__.__kwdefaults__["cgroups"] = Path({cgroups!r})  # where this host in a folder has them
from ibgateway_alerting.{part}.main import main
sys.exit(main(Path({config!r}), []))
"""
SYSTEMCTL = """#!/bin/sh
# Every unit is active, whatever is asked.
case " $* " in
*" start "*) exit 0 ;;
esac
for unit; do
  case $unit in
  *.service)
    [ -z "$later" ] || echo
    later=yes
    printf 'Id=%s\\nActiveState=active\\nSubState=running\\nResult=success\\nExecMainCode=0\\n' "$unit"
    printf 'ExecMainStatus=0\\nLoadState=loaded\\n'
    printf 'ControlGroup=/system.slice/system-ibgateway.slice/%s\\n' "$unit"
    ;;
  esac
done
"""
_PLACES = {"etc": "etc", "state": "var", "run": "run"}


class ScratchHost:
    """Everything in one folder; `close` ends what was started."""

    def __init__(self, root: Path, instances: int, python: str, channels: Sequence[dict] = ()) -> None:
        """Write the files and open the APIs; start nothing yet.

        Args:
            root: an empty folder.
            instances: how many.
            python: the interpreter that runs our programs.
            channels: tables of the configuration, each with the `url` of its credential.
        """
        self.root = root
        self.python = python
        self.names = [f"live{number}" for number in range(1, instances + 1)]
        self.database = root / "alerting.sqlite"
        self.gateways = [FakeTws() for _ in self.names]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._processes: list[subprocess.Popen[bytes]] = []
        for name, gateway in zip(self.names, self.gateways, strict=True):
            self._instance(name, gateway.port)
        for program, content in {"systemctl": SYSTEMCTL, "timedatectl": "#!/bin/sh\necho yes\n"}.items():
            (root / "bin").mkdir(exist_ok=True)
            (root / "bin" / program).write_text(content)
            (root / "bin" / program).chmod(0o755)
        self._configure(channels)
        self._thread.start()

    def start(self, part: str) -> subprocess.Popen[bytes]:
        """Start a program.

        Args:
            part: watch or notify.
        """
        script = PROGRAM.format(
            paths=[str(path) for path in FILES],
            part=part,
            cgroups=str(self.root / "cgroup"),
            config=str(self.root / "config.toml"),
        )
        environment = {
            "PATH": f"{self.root / 'bin'}:{os.defpath}",
            "CREDENTIALS_DIRECTORY": str(self.root / "credentials"),
            "LANG": "C.UTF-8",
        }
        log = (self.root / f"{part}.log").open("ab")
        with log:
            process = subprocess.Popen(
                [self.python, "-Ic", script],
                env=environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._processes.append(process)
        return process

    def event(self, name: str, kind: str, **detail: object) -> float:
        """Append an event as the launcher does; return when, by `time.perf_counter`."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": now, "instance": name, "type": kind, "detail": detail}) + "\n"
        began = time.perf_counter()
        descriptor = os.open(
            self.root / "var" / name / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND
        )
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
        os.close(descriptor)
        return began

    def connect(self) -> sqlite3.Connection:
        """A connection of our own to the database."""
        return sqlite3.connect(self.database, timeout=5, isolation_level=None)

    def ready(self, seconds: float = 30.0) -> None:
        """Wait until every Gateway has told the watcher its time.

        Raises:
            SystemExit: that takes too long; the watcher's log says why.
        """
        end = time.monotonic() + seconds
        while not all(any(client.asked for client in gateway.clients) for gateway in self.gateways):
            if time.monotonic() > end or self._processes[0].poll() is not None:
                sys.exit(f"the watcher does not watch:\n{(self.root / 'watch.log').read_text()}")
            time.sleep(0.05)

    def close(self) -> None:
        """End everything."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._over.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._over.wait(0.005):
            for gateway in self.gateways:
                gateway.pump()
        for gateway in self.gateways:
            gateway.stop()

    def _instance(self, name: str, port: int) -> None:
        write_instance(self.root, name, port=port)
        state = {"instance": name, "mode": "live", "state": "ready", "status": "ready", "login": "consent"}
        (self.root / "run" / name / "state.json").write_text(json.dumps(state))
        group = self.root / "cgroup" / f"system.slice/system-ibgateway.slice/ibgateway@{name}.service"
        group.mkdir(parents=True)
        (group / "cgroup.procs").write_text("100\n101\n")
        (group / "memory.events").write_text("low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n")

    def _configure(self, channels: Sequence[dict]) -> None:
        facts = {
            **USUAL,
            **{f"{part}_root": f"{self.root}/{place}" for part, place in _PLACES.items()},
            "database": str(self.database),
            "runbook": f"{self.root}/runbook.md",
            "instances": self.names,
            "deadman_minutes": 0,
        }
        usual = {"severity": "info", "after_minutes": 0, "who": "", "users": []}
        tables = [{**usual, **{k: v for k, v in one.items() if k != "url"}} for one in channels]
        text = _toml(facts) + "".join("[[channels]]\n" + _toml(table) for table in tables)
        (self.root / "config.toml").write_text(text)
        (self.root / "credentials").mkdir()
        urls = [{"name": one["name"], "url": one["url"]} for one in channels]
        (self.root / "credentials" / "channels").write_text(json.dumps(urls))


def usage(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """A process's memory in MiB, and the CPU seconds it and its children have used."""
    folder = Path("/proc", str(process.pid))
    rollup = {
        line.split()[0].rstrip(":"): int(line.split()[1]) / 1024
        for line in (folder / "smaps_rollup").read_text().splitlines()[1:]
    }
    tasks = [task.read_text().split() for task in (folder / "task").glob("*/schedstat")]
    children = sum(map(int, (folder / "stat").read_text().rpartition(") ")[2].split()[13:15])) / TICKS
    own = sum(int(task[0]) for task in tasks) / 1e9
    return {"rss": rollup["Rss"], "pss": rollup["Pss"], "cpu": own, "cpu_children": children}


def share(values: Sequence[float], part: float) -> float:
    """The value that so large a part of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(part * len(ordered)) - 1))]


def _toml(facts: dict) -> str:
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in facts.items())
