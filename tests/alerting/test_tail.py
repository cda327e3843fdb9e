"""The events of all instances: given until they are committed, from where the database says."""

from __future__ import annotations

import logging
import os

import pytest
from alerting_tools import EventsFile
from ibgateway_alerting.follow import LONGEST_LINE
from ibgateway_alerting.store import Store, StoreError
from ibgateway_alerting.watch.tail import LOOK_BACK, MOST, Tail


@pytest.fixture
def tail(settings, store):
    return Tail(settings, store)


def polled(tail: Tail, clock) -> list[str]:
    """The types that a poll gives, of whichever instance."""
    return [event.type for event, _ in tail.poll(clock())]


def handle(tail: Tail, store: Store, clock) -> list[str]:
    """What the watcher does: commit each event in a transaction of its own."""
    handled = []
    for event, place in tail.poll(clock()):
        with store.transaction():
            handled.append(event.type)
            tail.commit(event.instance, place)
    return handled


@pytest.mark.parametrize("restart", [False, True])
def test_an_event_comes_until_it_is_committed(settings, store, clock, events, tail, restart):
    events.add("crashed")
    events.add("parked")
    assert polled(tail, clock) == polled(tail, clock) == ["crashed", "parked"]
    _, place = tail.poll(clock())[0]
    with store.transaction():
        tail.commit("live", place)
    if restart:
        tail = Tail(settings, store)
    assert polled(tail, clock) == ["parked"]
    assert handle(tail, store, clock) == ["parked"]
    assert polled(tail, clock) == []
    assert polled(Tail(settings, store), clock) == []


def test_a_transaction_that_fails_commits_nothing(store, clock, events, tail):
    events.add("crashed")
    event, place = tail.poll(clock())[0]

    def handled_in_vain() -> None:
        with store.transaction():
            tail.commit(event.instance, place)
            raise RuntimeError("a fault elsewhere")

    with pytest.raises(RuntimeError):
        handled_in_vain()
    assert polled(tail, clock) == ["crashed"]


def test_instances_do_not_mix(tmp_path, store, clock, events, tail):
    paper = EventsFile(tmp_path / "var" / "paper" / "events.jsonl", clock)
    events.add("crashed")
    paper.add("parked")
    found = [(event.instance, event.type) for event, _ in tail.poll(clock())]
    assert found == [("live", "crashed"), ("paper", "parked")]
    handle(tail, store, clock)
    paper.add("stuck")
    assert [(event.instance, event.type) for event, _ in tail.poll(clock())] == [("paper", "stuck")]


def test_the_first_look_goes_a_quarter_of_an_hour_back(store, clock, events, tail):
    events.add("crashed", age=LOOK_BACK + 1)
    events.add("parked", age=LOOK_BACK - 1)
    assert polled(tail, clock) == ["parked"]


def test_what_the_first_look_passed_over_is_remembered(settings, store, clock, events, tail):
    """Else an event written while the watcher is down for long would count as history, too."""
    events.add("crashed", age=LOOK_BACK + 1)
    assert polled(tail, clock) == []
    events.add("parked")
    clock.advance(10 * LOOK_BACK)
    assert polled(Tail(settings, store), clock) == ["parked"]


def test_a_long_stop_of_the_watcher_loses_nothing(settings, store, clock, events, tail):
    events.add("crashed")
    handle(tail, store, clock)
    for number, kind in enumerate(("parked", "two_factor_waiting", "stuck"), 1):
        clock.advance(3600 * number)
        events.add(kind)
        events.rotate()
    clock.advance(86400)
    assert polled(Tail(settings, store), clock) == ["parked", "two_factor_waiting", "stuck"]


def test_a_replaced_file_tells_what_is_new_and_the_last_one_again(settings, store, clock, events, tail):
    events.add("crashed")
    clock.advance(1)
    events.add("parked")
    handle(tail, store, clock)
    content = events.path.read_bytes()
    clock.advance(1)
    events.path.rename(events.path.with_name("aside"))
    events.path.write_bytes(b"\n" + content + events.line("stuck"))
    assert polled(Tail(settings, store), clock) == ["parked", "stuck"], "twice rather than never"


def test_emptied_in_place_the_rotated_file_does_not_count_again(store, clock, events, tail):
    events.add("crashed")
    events.rotate()
    clock.advance(1)
    events.add("parked")
    assert handle(tail, store, clock) == ["crashed", "parked"]
    os.truncate(events.path, 0)
    clock.advance(1)
    events.add("stuck")
    assert handle(tail, store, clock) == ["stuck"]


def test_a_backlog_comes_in_parts_and_in_order(store, clock, events, tail):
    for number in range(2 * MOST + 50):
        events.add("stuck", number=number)
    numbers = []
    sizes = []
    while found := tail.poll(clock()):
        sizes.append(len(found))
        numbers += [event.detail["number"] for event, _ in found]
        with store.transaction():
            tail.commit("live", found[-1][1])
    assert numbers == list(range(2 * MOST + 50))
    assert max(sizes) <= MOST


def test_events_that_come_while_a_backlog_is_read_come_after_it(store, clock, events, tail):
    for _ in range(MOST + 1):
        events.add("stuck")
    assert len(handle(tail, store, clock)) == MOST
    events.add("crashed")
    assert handle(tail, store, clock) == ["stuck", "crashed"]
    events.add("parked")
    assert handle(tail, store, clock) == ["parked"]


def test_an_unchanged_file_is_not_read(clock, events, tail, monkeypatch):
    events.add("crashed", age=LOOK_BACK + 1)
    tail.poll(clock())
    monkeypatch.setattr(type(tail._files[0]._follower), "lines", lambda _self: pytest.fail("it was read"))
    assert polled(tail, clock) == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"no json\n",
        b"\x00\xff\xfe\n",
        b"[]\n",
        b"null\n",
        b'{"time": "2026-11-24T21:15:03Z"}\n',
        b'{"time": "yesterday", "type": "crashed"}\n',
        b'{"time": 5, "type": "crashed"}\n',
        b'{"time": "2026-11-24T21:15:03Z", "type": "Not/A type"}\n',
        b"[" * 60000 + b"\n",
        b"x" * (3 * LONGEST_LINE + 7) + b"\n",
    ],
    ids=lambda garbage: repr(garbage[:24]),
)
def test_garbage_is_skipped_and_logged(store, clock, events, tail, garbage, caplog):
    events.add("crashed")
    events.raw(garbage)
    events.add("parked")
    assert handle(tail, store, clock) == ["crashed", "parked"]
    assert "live: skipping a line" in caplog.text


def test_an_event_behind_a_torn_line_is_not_lost(clock, events, tail):
    events.raw(events.line("crashed")[:25])
    events.add("parked")
    assert polled(tail, clock) == ["parked"]


def test_a_detail_that_is_no_object_does_not_hide_the_event(clock, events, tail):
    events.raw(b'{"time":"2026-11-24T21:15:03.000Z","instance":"live","type":"crashed","detail":"what"}\n')
    assert polled(tail, clock) == ["crashed"]


@pytest.mark.parametrize("value", [None, 5, {}, {"inode": 1, "offset": 2, "head": "x"}, {"seen": "soon"}])
def test_a_position_of_an_unknown_form_is_a_first_look(settings, store, clock, events, value):
    store.remember("position:live", value)
    events.add("crashed", age=LOOK_BACK + 1)
    events.add("parked")
    assert polled(Tail(settings, store), clock) == ["parked"]


def test_a_file_that_cannot_be_read_is_said_once_and_tried_on(store, clock, events, tail, caplog):
    events.path.mkdir()
    caplog.set_level(logging.ERROR)
    for _ in range(5):
        assert polled(tail, clock) == []
    assert len(caplog.records) == 1
    assert "cannot read" in caplog.text
    events.path.rmdir()
    events.add("crashed")
    assert handle(tail, store, clock) == ["crashed"]


def test_a_full_disk_at_the_first_look_is_no_crash(settings, store, clock, events, monkeypatch, caplog):
    def full() -> None:
        raise StoreError("the disk is full")

    tail = Tail(settings, store)
    events.add("crashed", age=LOOK_BACK + 1)
    monkeypatch.setattr(store, "transaction", full)
    assert polled(tail, clock) == []
    assert "the disk is full" in caplog.text
    monkeypatch.undo()
    events.add("parked")
    assert handle(tail, store, clock) == ["parked"]


def test_a_file_rotated_away_this_moment_is_looked_at_again(store, clock, events, tail, monkeypatch):
    events.add("crashed")
    follower = tail._files[0]._follower

    def gone():
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(follower, "lines", gone)
    assert polled(tail, clock) == []
    monkeypatch.undo()
    assert handle(tail, store, clock) == ["crashed"]
