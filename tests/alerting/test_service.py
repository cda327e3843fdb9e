"""The watcher as a process, with a stand-in for Apprise that writes to a file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import ROLE, EventsFile

FAKE_APPRISE = """
import enum, json, os, time
NotifyType = enum.Enum("NotifyType", "INFO WARNING FAILURE")
NotifyFormat = enum.Enum("NotifyFormat", "TEXT")
class Apprise:
    def add(self, url):
        self.url = url
        return not url.startswith("nonsense")
    def notify(self, title, body, **_):
        if self.url.startswith("hang"):
            time.sleep(600)
        with open(os.environ["TOLD"], "a") as file:
            file.write(json.dumps([self.url, title, time.time()]) + "\\n")
        return not self.url.startswith("refuse")
"""


class Service:
    """Starts the watcher as systemd would, on its own files."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path
        self.told = tmp_path / "told"
        self.log = tmp_path / "log"
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "apprise.py").write_text(FAKE_APPRISE)
        (tmp_path / "config.toml").write_text(
            f'host = "vps1"\nstate_root = "{tmp_path}/instances"\ninstances = ["live", "paper"]\n'
        )
        self.credentials = tmp_path / "credentials"
        self.credentials.mkdir()
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notifications.settimeout(20)
        self.notifications.bind(str(tmp_path / "notify"))
        self.running: list[subprocess.Popen] = []

    def channels(self, **urls: str) -> None:
        entries = [{"name": name, "url": url} for name, url in urls.items()]
        (self.credentials / "channels").write_text(json.dumps(entries))

    def start(self, *arguments: str) -> subprocess.Popen:
        program = (
            "import sys; from pathlib import Path; from ibgateway_watch.main import main; "
            f"sys.exit(main(Path({str(self.root / 'config.toml')!r})))"
        )
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{self.root / 'site'}:{ROLE / 'files'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "CREDENTIALS_DIRECTORY": str(self.credentials),
            "STATE_DIRECTORY": str(self.root / "state"),
            "NOTIFY_SOCKET": str(self.root / "notify"),
            "TOLD": str(self.told),
            **({} if arguments else {"JOURNAL_STREAM": "1:2"}),
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", program, *arguments], env=environment, stderr=log
            )
        self.running.append(process)
        return process

    def start_ready(self) -> subprocess.Popen:
        process = self.start()
        self.expect("READY=1")
        return process

    def expect(self, text: str) -> str:
        while text not in (seen := self.notifications.recv(4096).decode()):
            pass
        return seen

    def messages(self, count: int, url: str) -> list[list]:
        """Wait until the channel was told so many messages."""
        deadline = time.monotonic() + 10
        found: list[list] = []
        while len(found) < count and time.monotonic() < deadline:
            time.sleep(0.02)
            lines = self.told.read_text().splitlines() if self.told.exists() else []
            found = [entry for entry in map(json.loads, lines) if entry[0] == url]
        return found

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
        self.notifications.close()


@pytest.fixture
def service(tmp_path: Path):
    running = Service(tmp_path)
    yield running
    running.close()


@pytest.fixture
def live(tmp_path: Path) -> EventsFile:
    return EventsFile(tmp_path / "instances" / "live" / "events.jsonl", lambda: datetime.now(UTC))


def test_it_is_ready_tells_within_a_second_and_ends_when_asked(service, live):
    service.channels(phone="ok://a", mail="ok://b")
    process = service.start_ready()
    written = time.time()
    live.add("two_factor_waiting")
    for url in ("ok://a", "ok://b"):
        ((_, title, told),) = service.messages(1, url)
        assert title == "[action] live on vps1: Approve IB Key now"
        assert told - written < 1
    status = service.expect("WATCHDOG=1")
    assert "STATUS=watching live, paper; telling phone, mail" in status
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "Approve IB Key now" in service.log.read_text(), "the journal is told too"


def test_killed_it_goes_on_where_it_was(service, live):
    service.channels(phone="ok://a")
    process = service.start_ready()
    live.add("crashed")
    service.messages(1, "ok://a")
    time.sleep(0.2)
    process.kill()
    process.wait()
    live.add("parked")
    service.start_ready()
    assert [title.partition(": ")[2] for _, title, _ in service.messages(2, "ok://a")] == [
        "Gateway died",
        "Waiting for you",
    ]


def test_a_hanging_channel_delays_neither_the_other_nor_the_end(service, live):
    service.channels(stuck="hang://a", phone="ok://b")
    process = service.start_ready()
    live.add("crashed")
    assert len(service.messages(1, "ok://b")) == 1
    live.add("parked")
    assert len(service.messages(2, "ok://b")) == 2
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 5


def test_without_channels_it_runs_and_says_so(service, live):
    service.channels()
    service.start()
    assert "telling nobody: no channel is configured" in service.expect("READY=1")
    live.add("crashed")
    deadline = time.monotonic() + 5
    while "Gateway died" not in service.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "<3>[critical] live on vps1: Gateway died" in service.log.read_text()


def test_an_unusable_channel_is_in_the_status(service):
    service.channels(phone="ok://a", odd="nonsense://canary-token")
    service.start()
    assert "unusable: channel 'odd'" in service.expect("READY=1")
    assert "canary-token" not in service.log.read_text()


@pytest.mark.parametrize(
    ("urls", "code", "lines"),
    [
        ({"phone": "ok://a", "mail": "ok://b"}, 0, ["phone: ok", "mail: ok"]),
        (
            {"phone": "ok://a", "mail": "refuse://b"},
            1,
            ["phone: ok", "mail: FAILED (no connection, or refused)"],
        ),
        ({"phone": "ok://a", "odd": "nonsense://b"}, 1, ["phone: ok", "channel 'odd'"]),
        ({}, 1, ["no channel is configured"]),
    ],
)
def test_the_test_reports_each_channel(service, urls, code, lines):
    service.channels(**urls)
    assert service.start("--test").wait(20) == code
    log = service.log.read_text()
    assert all(line in log for line in lines)
    assert "<" not in log, "priorities are for journald"


def test_a_missing_credential_is_a_configuration_error(service):
    assert service.start().wait(20) == 78
    assert "run the playbook again" in service.log.read_text()


@pytest.mark.parametrize("content", ["", "host = 3", 'host = "x"\nstate_root = "/x"\ninstances = []', "[["])
def test_a_broken_configuration_is_one_sentence(service, content):
    service.channels()
    (service.root / "config.toml").write_text(content)
    assert service.start().wait(20) == 78
    assert len(service.log.read_text().splitlines()) == 1
    assert "run the playbook with --tags alerting" in service.log.read_text()


def test_a_missing_apprise_is_one_sentence(service):
    service.channels()
    (service.root / "site" / "apprise.py").write_text("raise ImportError('no module')")
    assert service.start().wait(20) == 78
    assert "--tags alerting_install" in service.log.read_text()
