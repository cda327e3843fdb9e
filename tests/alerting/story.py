"""Tell the brain a story, second by second, and hear what people would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alerting_tools import FakeClock
from ibgateway_alerting import rules
from ibgateway_alerting.events import Event
from ibgateway_alerting.model import Press, Queued
from ibgateway_alerting.observation import Observation
from ibgateway_alerting.settings import Settings
from ibgateway_alerting.store import Store
from ibgateway_alerting.watch.actions import ALLOWED, Result
from ibgateway_alerting.watch.brain import Brain
from ibgatewaylib import instance as instances


class FakeActions:
    """Notes which units were to be started."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, unit: str) -> bool:
        assert ALLOWED.fullmatch(unit)
        self.started.append(unit)
        return True

    def pending(self, _unit: str) -> bool:
        return False


@dataclass(frozen=True)
class Heard:
    """One message, as one channel got it."""

    at: float
    channel: str
    mode: str
    incident: int | None
    severity: str
    title: str
    body: str
    actions: tuple[str, ...]
    nonces: tuple[str, ...]

    @property
    def words(self) -> str:
        """The title without severity and instance."""
        return self.title.partition(": ")[2]


class Story:
    """A host with a brain, and a clock that the test moves."""

    def __init__(self, settings: Settings, clock: FakeClock) -> None:
        self.settings = settings
        self.clock = clock
        self.store = Store(settings.database)
        self.actions = FakeActions()
        self.heard: list[Heard] = []
        self._written = -1
        self._last = {channel.name: 0 for channel in settings.channels}
        self.brain = self._make()
        self._press = 0

    def _make(self) -> Brain:
        known = {
            name: instances.load(Path(self.settings.etc_root) / name) for name in self.settings.instances
        }
        return Brain(self.settings, self.store, known, self.clock, self.actions, rules.load())

    def restart(self) -> None:
        """The watcher dies, and starts again with what is on disk."""
        self.store.close()
        self.store = Store(self.settings.database)
        self._written = -1
        self.brain = self._make()

    # --- what happens ---

    def event(self, kind: str, name: str = "live", /, *, age: float = 0.0, **detail: Any) -> list[Heard]:
        moment = datetime.fromtimestamp(self.clock() - age, UTC)
        return self._do(lambda: self.brain.event(Event(name, kind, moment, detail)))

    def see(self, what: str, value: Any, name: str = "live", text: str = "") -> list[Heard]:
        seen = Observation(name, what, value, self.clock(), text)
        return self._do(lambda: self.brain.observe(seen))

    def host(self, what: str, value: Any, text: str = "") -> list[Heard]:
        return self.see(what, value, "", text)

    def press(self, action: str, user: int = 123456) -> list[Heard]:
        """Press the newest button of this kind."""
        heard = next(one for one in reversed(self.heard) if action in one.actions and one.channel == "phone")
        nonce = heard.nonces[heard.actions.index(action)]
        self._press += 1
        number = self.store.add_press("phone", str(self._press), user, nonce, self.clock())
        return self._do(lambda: self.brain.press(Press(number, "phone", user, nonce, self.clock())))

    def acted(self, unit: str, name: str = "live", *, ok: bool, text: str = "") -> list[Heard]:
        return self._do(lambda: self.brain.acted(Result(unit, name, ok, text, self.clock())))

    def notifier(self, **failing: float) -> list[Heard]:
        with self.store.transaction():
            self.store.remember("notifier", {"time": self.clock(), "failing": failing})
        return self._do(self.brain.notified)

    def wait(self, seconds: float) -> list[Heard]:
        """Let time pass, ticking whenever the brain asks for it, as the loop does several times a second."""
        end = self.clock() + seconds
        heard = []
        while self.clock() < end:
            self.clock.now = min(end, max(self.clock() + 0.2, self.brain.next_look))
            if self.brain.due(self.clock()):
                heard += self._do(lambda: self.brain.tick(self.clock()))
        return heard

    def until(self, text: str) -> list[Heard]:
        """Let time pass until an instant, RFC 3339."""
        return self.wait(datetime.fromisoformat(text).timestamp() - self.clock())

    def _do(self, deed: Callable[[], None]) -> list[Heard]:
        with self.store.transaction():
            deed()
        return self._listen()

    def _listen(self) -> list[Heard]:
        found: list[Queued] = []
        if (written := self.store._db.total_changes) == self._written:
            return []  # as after most looks of a long wait
        for name, last in self._last.items():
            new = [queued for queued in self.store.waiting(name, 999) if queued.id > last]
            found += new
            for queued in new:
                self._last[name] = queued.id
                self.store.finish(queued.id, "delivered", self.clock())
        self._written = self.store._db.total_changes if found else written
        heard = [_heard(queued) for queued in sorted(found, key=lambda queued: queued.id)]
        self.heard += heard
        return heard

    # --- what became of it ---

    def open_kinds(self, name: str = "live") -> list[str]:
        return [one.kind for one in self.store.open_incidents() if one.instance == name]

    def ready(self, name: str = "live") -> None:
        """A session that works."""
        self.event("ready", name, seconds=40)
        self.see("unit", "active", name)
        self.state("ready", name)
        self.see("probe", "ok", name)
        self.see("link", "up", name)

    def state(self, state: str, name: str = "live", **changes: Any) -> list[Heard]:
        """What state.json says."""
        stamp = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds")
        value = {"state": state, "since": stamp.replace("+00:00", "Z"), "status": state, "login": "consent"}
        return self.see("state", {**value, **changes}, name)


def _heard(queued: Queued) -> Heard:
    message = queued.message
    return Heard(
        queued.created,
        queued.channel,
        queued.mode,
        queued.incident,
        message.severity,
        message.title,
        message.body,
        tuple(button.action for button in message.buttons),
        tuple(button.nonce for button in message.buttons),
    )


def loud(heard: list[Heard], channel: str = "phone") -> list[str]:
    """Title words of the messages that ring."""
    return [one.words for one in heard if one.channel == channel and one.mode != "edit"]
