"""Make the package importable; give tests a fake clock, a configuration, a database and an events file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / "roles" / "alerting" / "files"),
    str(ROOT / "roles" / "ibc" / "files"),
    str(Path(__file__).parent),
    str(ROOT / "tests" / "ibc"),
]

from alerting_tools import USUAL, EventsFile, FakeClock, channel, write_instance  # noqa: E402
from ibgateway_alerting.settings import Settings  # noqa: E402
from ibgateway_alerting.store import Store  # noqa: E402
from notify_tools import FakePhone, Webhook  # noqa: E402


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Make a configuration with the instances `live` and `paper` on disk; change what a test needs to."""

    def make(**changes: Any) -> Settings:
        names = changes.get("instances", ("live", "paper"))
        for number, name in enumerate(names):
            write_instance(tmp_path, name, mode="paper" if "paper" in name else "live", port=4001 + number)
        usual = {
            **USUAL,
            "etc_root": tmp_path / "etc",
            "state_root": tmp_path / "var",
            "run_root": tmp_path / "run",
            "database": tmp_path / "alerting.sqlite",
            "runbook": tmp_path / "runbook.md",
            "instances": ("live", "paper"),
            "deadman_minutes": 5,
            "channels": (channel(), channel("mail", kind="apprise", users=(), after_minutes=15, who="Ben")),
        }
        return Settings(**{**usual, **changes})

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = Store(settings.database)
    yield opened
    opened.close()


@pytest.fixture
def events(tmp_path: Path, clock: FakeClock) -> EventsFile:
    return EventsFile(tmp_path / "var" / "live" / "events.jsonl", clock)


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[FakePhone]:
    """The stand-in for Telegram."""
    running = FakePhone(tmp_path)
    yield running
    running.close()


@pytest.fixture
def webhook(tmp_path: Path) -> Iterator[Webhook]:
    """The stand-in for a service that takes webhooks."""
    running = Webhook(tmp_path)
    yield running
    running.close()


@pytest.fixture
def story(settings: Settings, clock: FakeClock):
    """A brain to tell stories to."""
    from story import Story

    made = Story(settings, clock)
    yield made
    made.store.close()
