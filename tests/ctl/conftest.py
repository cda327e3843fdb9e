"""Fixtures of the operator's command: an instance, a systemd and an IBC that are stand-ins."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [
    str(ROOT / "roles" / "ibc" / "files"),
    str(ROOT / "tests" / "launcher"),
    str(Path(__file__).parent),
]

from ctl_stand_ins import FakeApi, FakeIbc, FakeSystemd, configure  # noqa: E402 - needs the paths above
from launcher_box import Box  # noqa: E402 - needs the paths above


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nobody waits for seconds here."""
    from ibgatewaylib import act, appointment, ctl_follow

    monkeypatch.setattr(act, "_PAUSE", 0.01)
    monkeypatch.setattr(ctl_follow, "_PAUSE", 0.01)
    for name in ("SECOND_LOOK", "_LOOK_EVERY", "LINK_WAIT"):
        monkeypatch.setattr(appointment, name, 0.02)
    monkeypatch.setattr(appointment, "REMEDY_WAIT", 0.2)
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.delenv("INVOCATION_ID", raising=False)


@pytest.fixture
def operator(monkeypatch):
    """Whoever runs the tests, the command takes him for a plain user."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)


@pytest.fixture
def now(monkeypatch):
    """Set the present: `now("2026-11-25 12:00")`, in UTC."""
    from ibgatewaylib import ctl_history

    def to(text: str) -> datetime:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        monkeypatch.setattr(ctl_history, "now", lambda: moment)
        # What is written now bears that time, too; waiting goes by another clock.
        monkeypatch.setattr("time.time", moment.timestamp)
        return moment

    to("2026-11-25 15:00")  # Wednesday 10:00 in New York: no window anywhere near
    return to


@pytest.fixture
def box(tmp_path):
    """The instance `live`, whose logins need consent."""
    made = Box(tmp_path)
    (made.etc.parent / "reset-windows.json").unlink(missing_ok=True)  # here the real ones count
    configure(made)
    return made


@pytest.fixture
def systemd(box, monkeypatch):
    return FakeSystemd(box, monkeypatch)


@pytest.fixture
def ibc(box):
    with FakeIbc(box.command_port) as server:
        yield server


@pytest.fixture
def api(box):
    with FakeApi(box.api_port) as server:
        yield server


@pytest.fixture
def run(box, systemd, now, operator, capsys):
    """Run the command: (exit code, output, errors)."""
    from ibgatewaylib import ctl

    def call(*arguments: str) -> tuple[int, str, str]:
        code = ctl.main(list(arguments), box.etc.parent)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
