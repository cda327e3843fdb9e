"""Reading one growing file through rotation, truncation and half lines: nothing is lost or comes twice."""

from __future__ import annotations

import json
import os

import pytest
from ibgateway_alerting.follow import LONGEST_LINE, Follower


@pytest.fixture
def follower(events):
    """Reads the events file; what it gives is checked by `types`."""
    return Follower(events.path, None)


def types(follower: Follower) -> list[str]:
    """The types of the events that came."""
    return [json.loads(line.content)["type"] for line in follower.lines()]


def again(follower: Follower) -> Follower:
    """A follower that knows no more than the position, as after a restart."""
    return Follower(follower.path, follower.position)


def test_no_file_yet_then_one(follower, events):
    assert types(follower) == []
    events.add("crashed")
    assert types(follower) == ["crashed"]
    assert types(follower) == []


def test_no_directory_yet(tmp_path):
    assert types(Follower(tmp_path / "nowhere" / "events.jsonl", None)) == []


def test_a_rotated_file_is_read_to_its_end_before_the_new_one(follower, events):
    events.add("crashed")
    assert types(follower) == ["crashed"]
    events.add("parked")
    events.rotate()
    events.add("stuck")
    assert types(follower) == ["parked", "stuck"]


@pytest.mark.parametrize("restart", [False, True])
def test_several_rotations_between_two_looks(follower, events, restart):
    events.add("crashed")
    assert types(follower) == ["crashed"]
    for kind in ("parked", "two_factor_waiting", "stuck"):
        events.add(kind)
        events.rotate()
    events.add("throttled")
    if restart:
        follower = again(follower)
    assert types(follower) == ["parked", "two_factor_waiting", "stuck", "throttled"]


def test_rotation_with_nothing_new_repeats_nothing(follower, events):
    events.add("crashed")
    assert types(follower) == ["crashed"]
    events.rotate()
    assert types(follower) == []
    assert types(again(follower)) == []


def test_a_rotation_amid_reading_loses_nothing(follower, events, monkeypatch):
    events.add("crashed")
    assert types(follower) == ["crashed"]
    events.add("parked")
    original = Follower._read

    def rotated_meanwhile(self, path, inode, offset):
        if path == events.path and not events.path.with_name("events.jsonl.1").exists():
            events.rotate()
            events.add("stuck")
        return original(self, path, inode, offset)

    monkeypatch.setattr(Follower, "_read", rotated_meanwhile)
    assert types(follower) + types(follower) == ["parked", "stuck"]


def test_a_listing_amid_a_rotation_is_not_believed(follower, events, monkeypatch):
    events.add("crashed")
    assert types(follower) == ["crashed"]
    events.rotate()
    events.add("parked")
    events.rotate()
    events.add("stuck")
    original = Follower._scan
    listings = iter([True])

    def without_the_middle_at_first(self):
        files = original(self)
        return [files[0], files[-1]] if next(listings, False) else files

    monkeypatch.setattr(Follower, "_scan", without_the_middle_at_first)
    assert types(follower) == ["parked", "stuck"]


def test_truncated_in_place_the_position_is_lost(follower, events):
    events.add("crashed")
    events.add("parked")
    assert len(types(follower)) == 2
    os.truncate(events.path, 0)
    assert follower.lost()
    events.add("stuck")
    assert types(follower) == ["stuck"]


def test_truncated_and_longer_again_it_is_read_from_the_beginning(follower, events):
    events.add("crashed")
    assert types(follower) == ["crashed"]
    os.truncate(events.path, 0)
    events.add("stuck", text="x" * 300)
    assert types(follower) == ["stuck"]


def test_a_line_counts_when_it_is_complete(follower, events):
    line = events.line("crashed")
    for part in (line[:20], line[20:-1]):
        events.raw(part)
        assert types(follower) == []
    events.raw(line[-1:])
    assert types(follower) == ["crashed"]


def test_a_run_without_a_line_end_is_not_kept_in_memory(follower, events):
    events.raw(b"x" * (3 * LONGEST_LINE + 7) + b"\n")
    events.add("crashed")
    lines = list(follower.lines())
    assert [line.broken for line in lines] == [True, True, True, False, False]
    assert max(len(line.content) for line in lines) == LONGEST_LINE
    assert json.loads(lines[-1].content)["type"] == "crashed"


def test_a_file_that_cannot_be_opened_says_so(follower, events):
    events.path.mkdir()
    with pytest.raises(IsADirectoryError):
        list(follower.lines())
