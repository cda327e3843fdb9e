"""The stand-ins of testbed/ on free ports, and the notifier as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATHS = [str(ROOT / "roles" / role / "files") for role in ("alerting", "ibc")]
# Not through conftest: tests of other folders use this, too.
sys.path[:0] = [*PATHS, str(ROOT / "testbed"), str(ROOT / "tests")]

import phone  # noqa: E402
import smtp_receiver  # noqa: E402
import webhook_receiver  # noqa: E402
from forks import Fork, Forks  # noqa: E402
from ibgateway_alerting.store import Store  # noqa: E402

USER = 123456
TOKEN = "7:canary-token_AAE"


def wait_for(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Return the condition's first true value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.005)
    return value


def request(url: str, what: Any = None) -> Any:
    """Ask a stand-in's control, in JSON."""
    body = None if what is None else json.dumps(what).encode()
    with urllib.request.urlopen(url, body, timeout=30) as answer:  # noqa: S310 - a loopback URL
        return json.loads(answer.read())


class StandIn:
    """A server in a thread, with a record."""

    def __init__(self, server: Any, kept: Path) -> None:
        self.server = server
        self.kept = kept
        self.port = server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def record(self) -> list[dict[str, Any]]:
        """What has arrived."""
        return [json.loads(line) for line in self.kept.read_text().splitlines()] if self.kept.exists() else []


class FakePhone(StandIn):
    """testbed/phone.py."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        kept = directory / f"phone-{time.monotonic_ns()}.jsonl"
        super().__init__(phone.serve(port, USER, TOKEN, kept), kept)
        self.channel = f"tgram://{TOKEN}/{USER}?api={self.url}"

    def close(self) -> None:
        if self._thread.is_alive():
            self.script(clear=True)
            super().close()

    def script(self, method: str = "*", *answers: dict[str, Any], clear: bool = False) -> None:
        """What to do in place of honest answers."""
        request(f"{self.url}/script", {"clear": True} if clear else {"method": method, "answers": answers})

    def press(self, **what: Any) -> str:
        """Press a button; return the query's id."""
        return request(f"{self.url}/press", what)["query"]

    def messages(self) -> list[dict[str, Any]]:
        """What it shows."""
        return request(f"{self.url}/messages")["messages"]

    def answer(self, query: str) -> str:
        """What came back for a press, after waiting for it."""
        return wait_for(lambda: request(f"{self.url}/messages")["presses"][query].get("answer"))

    def calls(self, method: str) -> list[dict[str, Any]]:
        """The recorded calls of a method."""
        return [call for call in self.record() if call["method"] == method]


class Webhook(StandIn):
    """testbed/webhook_receiver.py."""

    def __init__(self, directory: Path) -> None:
        kept = directory / f"webhook-{time.monotonic_ns()}.jsonl"
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), webhook_receiver.handler(kept)), kept)
        self.server.daemon_threads = True
        self.channel = f"json://127.0.0.1:{self.port}/canary-path"

    def close(self) -> None:
        self.script(clear=True)
        super().close()

    def script(self, *answers: dict[str, Any], clear: bool = False) -> None:
        """What to do in place of honest answers."""
        request(f"{self.url}/.script", {"clear": True} if clear else {"answers": answers})

    def titles(self) -> list[str]:
        """The titles of the messages that arrived."""
        return [json.loads(entry["body"])["title"] for entry in self.record()]


class Mail(StandIn):
    """testbed/smtp_receiver.py."""

    def __init__(self, directory: Path, answer: int = 250) -> None:
        kept = directory / f"mail-{time.monotonic_ns()}.jsonl"
        super().__init__(smtp_receiver.Server(("127.0.0.1", 0), smtp_receiver.handler(kept, answer)), kept)
        self.channel = (
            f"mailto://127.0.0.1:{self.port}?from=vps1@example.org&to=anna@example.org&mode=insecure"
        )


CONFIG = """
host = "vps1"
etc_root = "/etc/ibgateway"
state_root = "/var/lib/ibgateway"
run_root = "/run/ibgateway"
database = "{root}/alerting.sqlite"
runbook = "/usr/local/share/doc/ibgateway/runbook.md"
instances = ["live"]
timezone = "Europe/Zurich"
metrics_port = 0
remind_before_minutes = 0
remind_friday = false
digest = ""
reminder_hours = 4
deadman_minutes = {deadman_minutes}
"""
CHANNEL = """
[[channels]]
name = "{name}"
kind = "{kind}"
severity = "info"
after_minutes = 0
who = ""
users = [{users}]
"""


# With these, httpx makes a command of its own: the controller's tools have them, the host has not.
PROGRAM = f"""
import sys
sys.modules |= dict.fromkeys(("pygments", "rich"))
sys.path[:0] = {PATHS!r}
from pathlib import Path
from ibgateway_alerting.notify import main as notifier, notifier as loop
loop.PING_SECONDS = 0.2  # how often it tells how it is, and its patience with a damaged database

def main(config, *arguments):
    return notifier.main(Path(config), arguments)
"""
# What a start of its own takes longest for; of the certificates, no test meets TLS.
IMPORTS = """
import functools
from httpx._transports import default as transports
from ibgateway_alerting.notify import apprise_channel, apprise_plugins, presses, telegram_channel
transports.create_ssl_context = functools.cache(transports.create_ssl_context)
transports.create_ssl_context(verify=True, cert=None, trust_env=True)
"""


class Notifier:
    """Starts the notifier as systemd would, with channels given by their URLs.

    Args:
        root: for its files.
        forks: of PROGRAM with IMPORTS; without, each start is a new process of Python's.
        deadman: the URL of a service that watches over it.
        urls: of its channels, by name.
    """

    def __init__(self, root: Path, forks: Forks | None = None, *, deadman: str = "", **urls: str) -> None:
        self.root = root
        self.log = root / "log"
        self.running: list[subprocess.Popen[bytes] | Fork] = []
        self._forks = forks
        credentials = root / "credentials"
        credentials.mkdir(exist_ok=True)
        entries = [{"name": name, "url": url} for name, url in {**urls, "deadman": deadman}.items() if url]
        (credentials / "channels").write_text(json.dumps(entries))
        config = CONFIG.format(root=root, deadman_minutes=1 if deadman else 0)
        for name, url in urls.items():
            telegram = url.startswith("tgram")
            config += CHANNEL.format(
                name=name, kind="telegram" if telegram else "apprise", users=USER if telegram else ""
            )
        (root / "config.toml").write_text(config)
        self._notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notifications.settimeout(30)
        self._notifications.bind(str(root / "notify"))
        self.store = Store(root / "alerting.sqlite")

    def start(self, *arguments: str) -> subprocess.Popen[bytes] | Fork:
        """Start it; with arguments as a person would, not as systemd does."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "CREDENTIALS_DIRECTORY": str(self.root / "credentials"),
            "NOTIFY_SOCKET": str(self.root / "notify"),
            **({} if arguments else {"JOURNAL_STREAM": "1:2"}),
        }
        words = [str(self.root / "config.toml"), *arguments]
        if self._forks:
            process = self._forks.start(*words, log=self.log, environment=environment)
        else:
            program = f"{PROGRAM}\nsys.exit(main(*sys.argv[1:]))"
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-I", "-c", program, *words], env=environment, stdout=log, stderr=log
                )
        self.running.append(process)
        return process

    def start_ready(self) -> subprocess.Popen[bytes] | Fork:
        """Start it and wait until it says that it is ready."""
        process = self.start()
        self.expect("READY=1")
        return process

    def expect(self, text: str) -> str:
        """Wait for a notification to systemd that has this text."""
        while text not in (seen := self._notifications.recv(4096).decode()):
            pass
        return seen

    def kill(self) -> None:
        """Kill -9 whatever runs."""
        for process in self.running:
            process.kill()
            process.wait(15)
        self.running.clear()

    def end(self) -> int:
        """Ask the last one started to end; return its code."""
        process = self.running.pop()
        process.send_signal(signal.SIGTERM)
        return process.wait(15)

    def delivered(self, channel: str = "phone") -> bool:
        """Whether nothing waits for a channel any more."""
        return not self.store.waiting(channel, 1)

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        self.store.close()
        self._notifications.close()
