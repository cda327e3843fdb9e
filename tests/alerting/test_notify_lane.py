"""A channel's lane, with a scripted channel, a clock that tests move, and a real database."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from alerting_tools import START, FakeClock
from ibgateway_alerting.model import EDIT, EDIT_OR_SEND, Button, Message
from ibgateway_alerting.notify import pauses
from ibgateway_alerting.notify.errors import BrokenError, DeliveryError, NotEditableError, RefusedError
from ibgateway_alerting.notify.lane import LOOK_AGAIN, Lane
from ibgateway_alerting.store import Store, StoreError

BUTTON = Button("push", "Send me the push", "ABCDEFGHABCDEFGH")
DOWN = DeliveryError("no connection")


@dataclass
class Channel:
    """Takes messages, or raises what the script says about the next attempt."""

    name: str = "phone"
    script: list[BaseException | None] = field(default_factory=list)
    down_until: float = 0.0
    clock: FakeClock | None = None
    shown: dict[int, str] = field(default_factory=dict)
    taken: list[Message] = field(default_factory=list)
    attempts: int = 0
    last: int = 0

    async def send(self, message: Message) -> Any:
        self._fail()
        self.taken.append(message)
        self.last += 1
        self.shown[self.last] = message.title
        return self.last

    async def edit(self, reference: Any, message: Message) -> Any:
        self._fail()
        if reference not in self.shown:
            raise NotEditableError
        self.taken.append(message)
        self.shown[reference] = message.title
        return reference

    def _fail(self) -> None:
        self.attempts += 1
        if self.clock and self.clock() < self.down_until:
            raise DOWN
        if self.script and (outcome := self.script.pop(0)):
            raise outcome

    def titles(self) -> list[str]:
        return [message.title for message in self.taken]


class Box:
    """A lane on a real database; `again` is a new process on the same one."""

    def __init__(self, store: Store, clock: FakeClock, zone: Any) -> None:
        self.store = store
        self.clock = clock
        self.channel = Channel(clock=clock)
        self.waits: list[float] = []
        self._zone = zone
        self.again()

    def again(self) -> None:
        self.lane = Lane(
            self.channel,
            self._zone,
            clock=self.clock,
            pause=lambda n: pauses.after(n, lambda _low, _high: 1.0),
        )
        self.lane.use(self.store)

    def queue(self, title: str, *, since: float | None = None, **changes: Any) -> int:
        message = Message(
            "warning", title, f"body of {title}", changes.pop("buttons", ()), changes.pop("attachment", "")
        )
        return self.store.queue("phone", message, now=self.clock(), since=since, **changes)

    def step(self) -> float:
        return asyncio.run(self.lane.step())

    def run(self) -> None:
        """Deliver everything, letting the time pass where the lane waits."""

        async def until_empty() -> None:
            for _ in range(100_000):
                wait = await self.lane.step()
                if not self.store.waiting("phone", 1):
                    return
                if wait:
                    self.waits.append(wait)
                    self.clock.advance(wait)
            raise AssertionError("the lane does not come to an end")

        asyncio.run(until_empty())

    def result(self, number: int) -> str | None:
        with sqlite3.connect(self.store.path) as db:
            (result,) = db.execute("SELECT result FROM outbox WHERE id=?", (number,)).fetchone()
        db.close()
        return result


@pytest.fixture
def box(store: Store, clock: FakeClock, settings) -> Box:
    return Box(store, clock, settings.zone)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    caplog.set_level(logging.INFO)
    return lambda: caplog.text


def test_messages_leave_in_their_order_and_are_done_with(box, log):
    numbers = [box.queue(f"number {n}") for n in range(5)]
    box.run()
    assert box.channel.titles() == [f"number {n}" for n in range(5)]
    assert {box.result(number) for number in numbers} == {"delivered"}
    assert "phone: delivered: number 4" in log()
    assert box.step() == LOOK_AGAIN


def test_ten_thousand_leave_in_their_order_each_once(box):
    box.store._db.execute("PRAGMA synchronous=OFF")  # what is on disk after a power cut is not the point here
    with box.store.transaction():
        for n in range(10_000):
            box.queue(f"{n}")
    box.run()
    assert box.channel.titles() == [f"{n}" for n in range(10_000)]


def test_pauses_grow_to_five_minutes_and_the_message_is_kept(box, log):
    box.channel.down_until = START + 3000
    box.queue("a")
    box.run()
    assert box.waits[:8] == [1, 2, 5, 15, 60, 120, 300, 300]
    assert box.channel.titles() == ["a"]
    assert "phone: not delivered (no connection), again in 300 s: a" in log()
    assert "phone: takes messages again" in log()


def test_pauses_are_spread():
    found = {pauses.after(3) for _ in range(50)}
    assert len(found) > 10
    assert all(4 <= pause <= 6 for pause in found)


def test_an_hour_without_the_channel_loses_and_disorders_nothing(box):
    box.channel.down_until = START + 3600
    numbers = []
    for n in range(60):
        numbers.append(box.queue(f"number {n}", since=box.clock()))
        end = box.clock() + 60
        while box.clock() < end:
            box.clock.advance(min(box.step() or 1.0, end - box.clock()))
    assert box.channel.taken == []
    box.run()
    assert box.channel.titles() == [f"number {n}" for n in range(60)]
    assert box.channel.taken[0].body.startswith("Late: this is from Tue 24 Nov, 22:15 CET, 63 min ago")
    assert {box.result(number) for number in numbers} == {"delivered"}
    assert box.clock() < START + 3600 + 2 * 300


def test_a_message_that_is_on_time_says_nothing_of_the_time(box):
    box.queue("a", since=START - 59)
    box.run()
    assert box.channel.taken[0].body == "body of a"


def test_the_pause_that_the_service_asks_for_is_kept(box):
    box.channel.script = [DeliveryError("429: too many requests", 42)]
    box.queue("a")
    box.run()
    assert box.waits == [42]


def test_a_pause_of_a_day_is_not_kept(box):
    box.channel.script = [DeliveryError("429: too many requests", 86400)]
    box.queue("a")
    box.run()
    assert box.waits == [pauses.MOST]


def test_a_broken_channel_keeps_its_queue_and_is_tried_now_and_then(box):
    box.channel.script = [BrokenError("403: bot was blocked")] * 3
    box.queue("a")
    box.queue("b")
    box.step()
    assert (box.lane.failing_since, box.lane.trouble) == (START, "403: bot was blocked")
    box.run()
    assert box.waits == [300, 300, 300]
    assert box.channel.titles() == ["a", "b"]
    assert (box.lane.failing_since, box.lane.trouble) == (None, "")


def test_a_refused_message_goes_without_buttons(box):
    box.channel.script = [RefusedError("400")]
    number = box.queue("a", buttons=(BUTTON,))
    box.run()
    assert [(message.title, message.buttons) for message in box.channel.taken] == [("a", ())]
    assert box.result(number) == "delivered"


def test_a_message_refused_in_every_form_is_told_of_and_the_next_one_follows(box, log):
    box.channel.script = [RefusedError("400"), RefusedError("400")]
    number = box.queue("a ü", buttons=(BUTTON,))
    box.queue("b")
    box.step()
    assert box.result(number) == "refused"
    assert box.lane.trouble == "refused the full text of a message", "the watcher tells it elsewhere"
    box.run()
    assert box.channel.titles() == ["a ?", "b"]
    assert "sudo ibgatewayctl incidents" in box.channel.taken[0].body
    assert box.lane.failing_since is None
    assert "phone: refused in full, told in short: a ü" in log()


def test_a_channel_that_refuses_everything_is_broken_and_loses_nothing(box):
    box.channel.script = [RefusedError("400")] * 4
    box.queue("a")
    box.step()
    assert box.lane.trouble == "it refuses even a short plain line"
    box.run()
    assert box.waits == [300, 300]
    assert box.channel.titles() == ["a"]


def test_when_the_service_answers_again_nobody_waits_for_the_end_of_the_pause(box):
    box.channel.down_until = START + 400
    box.queue("a")
    while box.lane._attempts < 7:
        box.clock.advance(box.step())
    box.clock.set("2026-11-24T21:22:00Z")
    assert box.step() > 60
    box.lane.hurry()
    assert box.step() == 0
    assert box.channel.titles() == ["a"]


@pytest.mark.parametrize("error", [BrokenError("403"), DeliveryError("429", 100)])
def test_a_pause_that_the_service_wants_is_not_cut_short(box, error):
    box.channel.script = [error]
    box.queue("a")
    box.step()
    box.lane.hurry()
    assert box.step() >= 100
    assert box.channel.attempts == 1


def test_a_crash_keeps_the_pause(box):
    box.channel.script = [DOWN, DOWN, DOWN]
    box.queue("a")
    box.step()
    box.clock.advance(1)
    box.step()
    box.again()
    assert box.step() == 2
    assert box.channel.attempts == 2
    box.run()
    assert box.waits == [2, 5]


def test_a_clock_set_back_by_a_day_does_not_silence_the_channel(box):
    box.channel.script = [DOWN]
    box.queue("a")
    box.step()
    box.clock.advance(-86400)
    box.run()
    assert (box.waits, box.channel.titles()) == ([], ["a"])


def test_an_edit_changes_the_message_of_its_incident(box):
    box.queue("asked", incident=1)
    box.queue("other", incident=2)
    box.queue("2:45", incident=1, mode=EDIT)
    box.queue("ready", incident=1, mode=EDIT_OR_SEND)
    box.run()
    assert box.channel.shown == {1: "ready", 2: "other"}


def test_an_edit_is_not_late(box):
    box.queue("asked", incident=1)
    box.run()
    box.queue("2:45", incident=1, mode=EDIT, since=START - 300)
    box.run()
    assert box.channel.taken[-1].body == "body of 2:45"


def test_an_edit_that_a_newer_one_replaces_is_skipped(box):
    box.queue("asked", incident=1)
    box.run()
    old = box.queue("2:45", incident=1, mode=EDIT)
    box.queue("2:30", incident=2, mode=EDIT)
    box.queue("2:30", incident=1, mode=EDIT)
    box.run()
    assert box.channel.titles() == ["asked", "2:30"]
    assert box.result(old) == "superseded"


def test_an_hour_of_countdowns_becomes_one_edit(box):
    box.queue("asked", incident=1)
    box.run()
    box.channel.down_until = START + 3600
    for n in range(240):
        box.queue(f"edit {n}", incident=1, mode=EDIT)
        box.step()
        box.clock.advance(15)
    box.run()
    assert box.channel.titles() == ["asked", "edit 239"]


def test_without_a_message_to_change_the_mode_decides(box):
    box.queue("asked", incident=1)
    box.run()
    box.channel.shown.clear()
    countdown = box.queue("2:45", incident=1, mode=EDIT)
    box.run()
    box.queue("ready", incident=1, mode=EDIT_OR_SEND)
    box.queue("later", incident=1, mode=EDIT_OR_SEND)
    box.run()
    assert box.channel.titles() == ["asked", "ready", "later"]
    assert box.channel.shown == {2: "later"}, "the new message is the one to change"
    assert box.result(countdown) == "superseded"


def test_a_database_that_cannot_be_written_stops_no_message_and_repeats_none(box, log):
    numbers = [box.queue(f"{n}", incident=n) for n in range(120)]
    box.queue("edited", incident=119, mode=EDIT_OR_SEND)
    box.store._db.execute("PRAGMA query_only=ON")
    for _ in range(130):
        box.step()
    assert box.channel.titles() == [f"{n}" for n in range(120)] + ["edited"]
    assert box.channel.shown[120] == "edited", "even what it refers to is not on disk yet"
    assert log().count("cannot be noted: messages may come twice") == 1
    assert box.result(numbers[0]) is None
    box.store._db.execute("PRAGMA query_only=OFF")
    box.step()
    assert {box.result(number) for number in numbers} == {"delivered"}
    assert box.store.sent_reference("phone", 119) == 120
    assert box.channel.attempts == 121
    assert "is noted again" in log()


def test_a_failure_that_cannot_be_written_is_kept_in_mind(box):
    box.channel.script = [DOWN, DOWN]
    box.queue("a")
    box.store._db.execute("PRAGMA query_only=ON")
    box.step()
    assert box.step() == 1
    assert box.channel.attempts == 1


def test_a_database_that_cannot_be_read_is_read_again(box, log, monkeypatch):
    box.queue("a")
    with monkeypatch.context() as broken:
        broken.setattr(box.store, "waiting", lambda *_: (_ for _ in ()).throw(StoreError("disk I/O error")))
        assert [box.step(), box.step()] == [1.0, 1.0]
    assert log().count("phone: disk I/O error; trying again") == 1
    box.run()
    assert box.channel.titles() == ["a"]


def test_another_channel_is_none_of_its_business(box):
    box.store.queue("mail", Message("info", "not mine", ""), now=START)
    assert box.step() == LOOK_AGAIN
    assert box.channel.attempts == 0


def test_a_damaged_database_is_a_matter_for_whoever_can_open_it_anew(box, monkeypatch):
    damage = StoreError("malformed", damaged=True)
    monkeypatch.setattr(box.store, "waiting", lambda *_: (_ for _ in ()).throw(damage))
    with pytest.raises(StoreError, match="malformed"):
        box.step()


def test_a_receipt_is_not_written_into_another_database(box, tmp_path):
    """The numbers of a database that took the place of a damaged one mean other messages."""
    box.queue("of the old one")
    box.store._db.execute("PRAGMA query_only=ON")
    box.step()
    box.store.path.rename(tmp_path / "aside")
    box.store.changes()  # goes to the new file
    assert box.queue("of the new one") == 1
    box.run()
    assert box.channel.titles() == ["of the old one", "of the new one"]
    assert box.result(1) == "delivered"
