"""Make the watcher importable; give tests a fake clock, fake channels and an events file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ROLE = Path(__file__).resolve().parents[2] / "roles" / "alerting"
sys.path.insert(0, str(ROLE / "files"))

from ibgateway_watch.courier import Courier, DeliveryError  # noqa: E402
from ibgateway_watch.messages import Message  # noqa: E402
from ibgateway_watch.positions import Bookmarks  # noqa: E402

START = datetime(2026, 11, 24, 21, 15, 3, tzinfo=UTC)


class FakeClock:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = START
        self.waits: list[float] = []
        self.stopped_after: int | None = None

    def __call__(self) -> datetime:
        return self.now

    def pause(self, seconds: float) -> bool:
        """Let the time pass; say "stop" after so many real pauses."""
        if seconds:
            self.waits.append(seconds)
            self.now += timedelta(seconds=seconds)
        return self.stopped_after is not None and len(self.waits) >= self.stopped_after


@dataclass
class FakeChannel:
    """Takes messages, or does with the nth attempt what `script` says: an exception to raise, or None."""

    name: str = "phone"
    script: list[BaseException | None] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)
    attempts: int = 0

    def send(self, message: Message) -> None:
        outcome = self.script[self.attempts] if self.attempts < len(self.script) else None
        self.attempts += 1
        if outcome is not None:
            raise outcome
        self.taken.append(message)

    def titles(self) -> list[str]:
        return [message.title.partition(": ")[2] for message in self.taken]


class EventsFile:
    """An instance's events file, written as the launcher writes it."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        self.path = path
        self.clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, kind: str, *, age: timedelta = timedelta(), **detail: Any) -> None:
        self.raw(self.line(kind, age=age, **detail))

    def line(self, kind: str, *, age: timedelta = timedelta(), **detail: Any) -> bytes:
        time = (self.clock() - age).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = {"time": time, "instance": self.path.parent.name, "type": kind, "detail": detail}
        return json.dumps(record).encode() + b"\n"

    def raw(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)

    def rotate(self, keep: int = 3) -> None:
        """Rename as the launcher does: the youngest predecessor is .1."""
        for number in range(keep, 0, -1):
            source = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
            if source.exists():
                source.rename(self.path.with_name(f"{self.path.name}.{number}"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
def refusal() -> DeliveryError:
    return DeliveryError("HTTP status 500")


@pytest.fixture
def events(tmp_path: Path, clock: FakeClock) -> EventsFile:
    return EventsFile(tmp_path / "instances" / "live" / "events.jsonl", clock)


@pytest.fixture
def new_courier(tmp_path: Path, clock: FakeClock, events: EventsFile) -> Callable[..., Courier]:
    """Make a courier as a fresh start of the watcher does: only what is on disk is remembered."""

    def make(channel: FakeChannel, **changes: Any) -> Courier:
        return Courier(
            channel,
            changes.pop("files", {"live": events.path}),
            Bookmarks(tmp_path / "positions" / f"{channel.name}.json"),
            "vps1",
            clock=clock,
            pause=changes.pop("pause", clock.pause),
            **changes,
        )

    return make
