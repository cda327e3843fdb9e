"""The events file: rotation, truncation, replacement, garbage, half lines. Nothing is lost or repeated."""

from __future__ import annotations

import json
import logging
import os
from datetime import timedelta

import pytest
from ibgateway_watch.follow import LONGEST_LINE, Follower

DIED, WAITING, TAP = "Gateway died", "Waiting for you", "Approve IB Key now"


def test_no_file_yet_then_one(new_courier, channel, events, caplog):
    caplog.set_level(logging.DEBUG)
    courier = new_courier(channel)
    courier.deliver_new()
    assert caplog.text == ""
    events.add("crashed")
    courier.deliver_new()
    assert channel.titles() == [DIED]


def test_no_directory_yet(new_courier, channel, tmp_path, caplog):
    courier = new_courier(channel, files={"live": tmp_path / "nowhere" / "events.jsonl"})
    courier.deliver_new()
    assert caplog.text == ""


def test_a_rotated_file_is_read_to_its_end_before_the_new_one(new_courier, channel, events):
    courier = new_courier(channel)
    events.add("crashed")
    courier.deliver_new()
    events.add("parked")
    events.rotate()
    events.add("two_factor_waiting")
    courier.deliver_new()
    assert channel.titles() == [DIED, WAITING, TAP]


@pytest.mark.parametrize("restart", [False, True])
def test_several_rotations_between_two_looks(new_courier, channel, events, restart):
    courier = new_courier(channel)
    events.add("crashed")
    courier.deliver_new()
    for kind in ("parked", "two_factor_waiting", "stuck"):
        events.add(kind)
        events.rotate()
    events.add("throttled")
    if restart:
        courier = new_courier(channel)
    courier.deliver_new()
    assert channel.titles() == [DIED, WAITING, TAP, "Gateway is stuck", "Too many login attempts"]


def test_rotation_with_nothing_new_repeats_nothing(new_courier, channel, events):
    courier = new_courier(channel)
    events.add("crashed")
    courier.deliver_new()
    events.rotate()
    courier.deliver_new()
    new_courier(channel).deliver_new()
    assert channel.titles() == [DIED]


def test_a_rotation_amid_reading_loses_nothing(new_courier, channel, events, monkeypatch):
    courier = new_courier(channel)
    events.add("crashed")
    courier.deliver_new()
    events.add("parked")
    original = Follower._read

    def rotated_meanwhile(self, path, inode, offset):
        if path == events.path and not events.path.with_name("events.jsonl.1").exists():
            events.rotate()
            events.add("two_factor_waiting")
        return original(self, path, inode, offset)

    monkeypatch.setattr(Follower, "_read", rotated_meanwhile)
    courier.deliver_new()
    courier.deliver_new()
    assert channel.titles() == [DIED, WAITING, TAP]


def test_a_listing_amid_a_rotation_is_not_believed(events, monkeypatch):
    follower = Follower(events.path, None)
    events.add("crashed")
    assert len(list(follower.lines())) == 1
    events.rotate()
    events.add("parked")
    events.rotate()
    events.add("two_factor_waiting")
    original = Follower._scan
    listings = iter([True])

    def without_the_middle_at_first(self):
        files = original(self)
        return [files[0], files[-1]] if next(listings, False) else files

    monkeypatch.setattr(Follower, "_scan", without_the_middle_at_first)
    assert [json.loads(line.content)["type"] for line in follower.lines()] == ["parked", "two_factor_waiting"]


def test_emptied_in_place_the_rotated_file_is_not_told_again(new_courier, channel, events, clock):
    courier = new_courier(channel)
    events.add("crashed")
    events.rotate()
    clock.now += timedelta(seconds=1)
    events.add("parked")
    courier.deliver_new()
    os.truncate(events.path, 0)
    clock.now += timedelta(seconds=1)
    events.add("stuck")
    courier.deliver_new()
    assert channel.titles() == [DIED, WAITING, "Gateway is stuck"]


def test_truncated_in_place_it_is_read_from_the_beginning(new_courier, channel, events, clock):
    courier = new_courier(channel)
    events.add("crashed")
    events.add("parked")
    courier.deliver_new()
    os.truncate(events.path, 0)
    courier.deliver_new()
    clock.now += timedelta(seconds=1)
    events.add("stuck")
    courier.deliver_new()
    assert channel.titles() == [DIED, WAITING, "Gateway is stuck"]


def test_truncated_and_longer_again_before_the_next_look(new_courier, channel, events, clock):
    courier = new_courier(channel)
    events.add("crashed")
    courier.deliver_new()
    os.truncate(events.path, 0)
    clock.now += timedelta(seconds=1)
    events.add("two_factor_waiting", text="x" * 300)
    courier.deliver_new()
    assert channel.titles() == [DIED, TAP]


def test_replaced_by_an_edited_copy_only_what_is_new_is_told(new_courier, channel, events, clock):
    events.add("crashed")
    clock.now += timedelta(seconds=1)
    events.add("parked")
    new_courier(channel).deliver_new()
    content = events.path.read_bytes()
    clock.now += timedelta(seconds=1)
    events.path.rename(events.path.with_name("aside"))
    events.path.write_bytes(b"\n" + content + events.line("stuck"))
    new_courier(channel).deliver_new()
    assert channel.titles() == [DIED, WAITING, WAITING, "Gateway is stuck"], (
        "the last one twice rather than never"
    )


def test_a_line_counts_when_it_is_complete(new_courier, channel, events):
    courier = new_courier(channel)
    line = events.line("crashed")
    for part in (line[:20], line[20:-1]):
        events.raw(part)
        courier.deliver_new()
        assert channel.taken == []
    events.raw(line[-1:])
    courier.deliver_new()
    assert channel.titles() == [DIED]


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
def test_garbage_is_skipped_and_logged(new_courier, channel, events, garbage, caplog):
    events.add("crashed")
    events.raw(garbage)
    events.add("parked")
    new_courier(channel).deliver_new()
    assert channel.titles() == [DIED, WAITING]
    assert "skipping a line" in caplog.text


def test_an_event_behind_a_torn_line_is_not_lost(new_courier, channel, events):
    events.raw(events.line("crashed")[:25])
    events.add("parked")
    new_courier(channel).deliver_new()
    assert channel.titles() == [WAITING]


def test_a_detail_that_is_no_object_does_not_hide_the_event(new_courier, channel, events):
    events.raw(b'{"time":"2026-11-24T21:15:03.000Z","instance":"live","type":"crashed","detail":"what"}\n')
    new_courier(channel).deliver_new()
    assert channel.titles() == [DIED]
