"""One channel's deliveries: in order, at least once, and never in another channel's way."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from ibgateway_watch.courier import LOOK_BACK, PAUSES, Courier, CourierThread, StoppedError
from ibgateway_watch.positions import Bookmarks, forget_others

SECRET = "https://hooks.example.org/canary-token"


def test_it_tells_what_happens_and_says_it_once(new_courier, channel, events):
    events.add("two_factor_waiting")
    courier = new_courier(channel)
    courier.deliver_new()
    courier.deliver_new()
    assert channel.titles() == ["Approve IB Key now"]
    events.add("ready")
    courier.deliver_new()
    assert channel.titles() == ["Approve IB Key now", "Ready"]


def test_a_fresh_start_continues_where_the_last_one_ended(new_courier, channel, events):
    events.add("crashed")
    new_courier(channel).deliver_new()
    events.add("parked", reason="consent")
    new_courier(channel).deliver_new()
    assert channel.titles() == ["Gateway died", "Waiting for you"]


def test_an_event_written_while_the_watcher_was_down_is_told_however_old(new_courier, channel, events, clock):
    events.add("crashed")
    new_courier(channel).deliver_new()
    events.add("parked")
    clock.now += timedelta(hours=30)
    new_courier(channel).deliver_new()
    assert channel.titles() == ["Gateway died", "Waiting for you"]
    assert "late by 30 h" in channel.taken[-1].body


def test_killed_between_sending_and_saving_it_tells_twice_rather_than_never(
    new_courier, channel, events, monkeypatch
):
    events.add("crashed")

    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bookmarks, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            new_courier(channel).deliver_new()
    new_courier(channel).deliver_new()
    assert channel.titles() == ["Gateway died", "Gateway died"]


def test_stopped_amid_the_attempts_it_goes_on_after_the_next_start(
    new_courier, channel, events, clock, refusal
):
    channel.script = [refusal] * 3
    clock.stopped_after = 2
    events.add("crashed")
    events.add("parked")
    with pytest.raises(StoppedError):
        new_courier(channel).deliver_new()
    clock.stopped_after = None
    new_courier(channel).deliver_new()
    assert channel.titles() == ["Gateway died", "Waiting for you"]


def test_what_was_delivered_before_the_stop_is_not_repeated(new_courier, channel, events, clock, refusal):
    channel.script = [None, refusal]
    clock.stopped_after = 1
    events.add("crashed")
    events.add("parked")
    with pytest.raises(StoppedError):
        new_courier(channel).deliver_new()
    clock.stopped_after = None
    new_courier(channel).deliver_new()
    assert channel.titles() == ["Gateway died", "Waiting for you"]


def test_a_short_outage_of_the_channel_loses_nothing_and_keeps_the_order(
    new_courier, channel, events, clock, refusal
):
    channel.script = [refusal] * 4
    events.add("crashed")
    events.add("parked")
    new_courier(channel).deliver_new()
    assert channel.titles() == ["Gateway died", "Waiting for you"]
    assert clock.waits == list(PAUSES[:4])
    assert sum(PAUSES) > 60, "a router's restart is survived"


def test_a_long_outage_is_logged_as_an_error_and_the_next_message_gets_its_chance(
    new_courier, channel, events, refusal, caplog
):
    channel.script = [refusal] * (len(PAUSES) + 1)
    events.add("crashed")
    events.add("parked")
    courier = new_courier(channel)
    courier.deliver_new()
    assert channel.titles() == ["Waiting for you"]
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert errors == ["phone: giving up after 6 attempts: live: crashed is NOT told there (HTTP status 500)"]
    assert courier.failing_since is None


def test_the_status_can_say_since_when_a_channel_fails(new_courier, channel, events, refusal, clock):
    channel.script = [refusal] * 100
    events.add("crashed")
    courier = new_courier(channel)
    began = clock()
    courier.deliver_new()
    assert courier.failing_since == began


def test_a_plug_in_that_breaks_never_shows_its_url(new_courier, channel, events, caplog):
    caplog.set_level(logging.DEBUG)
    channel.script = [ValueError(f"cannot reach {SECRET}")] * (len(PAUSES) + 1)
    events.add("crashed")
    new_courier(channel).deliver_new()
    assert "ValueError" in caplog.text
    assert "canary-token" not in caplog.text


def test_a_hanging_channel_is_left_after_its_deadline(new_courier, channel, events, clock):
    release = threading.Event()

    class Hanging:
        name = "phone"
        calls = 0

        def send(self, _message):
            self.calls += 1
            if self.calls == 1:
                release.wait(10)

    hanging = Hanging()
    events.add("crashed")
    began = time.monotonic()
    new_courier(hanging, attempt_seconds=0.05).deliver_new()
    release.set()
    assert time.monotonic() - began < 5
    assert hanging.calls == 2
    assert clock.waits == [PAUSES[0]]


def test_attempts_that_never_end_do_not_pile_up(new_courier, events):
    release = threading.Event()

    class Hanging:
        name = "phone"
        calls = 0

        def send(self, _message):
            self.calls += 1
            release.wait(10)

    hanging = Hanging()
    events.add("crashed")
    events.add("parked")
    new_courier(hanging, attempt_seconds=0.02).deliver_new()
    release.set()
    assert hanging.calls == 3


def test_a_hanging_channel_delays_no_other(tmp_path: Path, events, channel, clock):
    release = threading.Event()

    class Hanging:
        name = "stuck"

        def send(self, _message):
            release.wait(10)

    def start(target) -> CourierThread:
        store = Bookmarks(tmp_path / "positions" / f"{target.name}.json")
        files = {"live": events.path}
        thread = CourierThread(lambda wait: Courier(target, files, store, "vps1", clock=clock, pause=wait))
        thread.start()
        return thread

    threads = [start(Hanging()), start(channel)]
    for kind in ("crashed", "parked", "two_factor_waiting"):
        events.add(kind)
        for thread in threads:
            thread.wake.set()
    deadline = time.monotonic() + 5
    while len(channel.taken) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert channel.titles() == ["Gateway died", "Waiting for you", "Approve IB Key now"]
    assert all(thread.moves() for thread in threads)
    release.set()
    for thread in threads:
        thread.stop.set()
        thread.wake.set()
        thread.join(5)
        assert not thread.is_alive()
        assert not thread.moves()


def test_a_first_look_tells_what_just_happened_but_not_history(new_courier, channel, events):
    events.add("crashed", age=LOOK_BACK + timedelta(seconds=1))
    events.add("two_factor_waiting", age=timedelta(minutes=1))
    new_courier(channel).deliver_new()
    assert channel.titles() == ["Approve IB Key now"]


def test_each_instance_is_followed_on_its_own(new_courier, channel, events, clock, tmp_path):
    paper = type(events)(tmp_path / "instances" / "paper" / "events.jsonl", clock)
    events.add("crashed")
    paper.add("parked")
    courier = new_courier(channel, files={"live": events.path, "paper": paper.path})
    courier.deliver_new()
    assert [m.title.split(":")[0] for m in channel.taken] == [
        "[critical] live on vps1",
        "[action] paper on vps1",
    ]


def test_a_removed_instance_is_forgotten(new_courier, channel, events, tmp_path):
    events.add("crashed")
    new_courier(channel).deliver_new()
    other = tmp_path / "instances" / "paper" / "events.jsonl"
    courier = new_courier(channel, files={"paper": other})
    other.parent.mkdir()
    other.write_bytes(events.line("crashed"))
    courier.deliver_new()
    assert set(Bookmarks(tmp_path / "positions" / "phone.json").load()) == {"paper"}


def test_a_removed_channel_does_not_replay_the_past_when_it_comes_back(tmp_path):
    for name in ("phone", "old"):
        (tmp_path / f"{name}.json").write_text("{}")
    forget_others(tmp_path, {"phone", "journal"})
    assert [path.name for path in tmp_path.iterdir()] == ["phone.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"live": 3}', b'{"live": {"position": {}}}', b"\xff\xfe"]
)
def test_broken_bookmarks_are_no_reason_to_stay_silent(
    new_courier, channel, events, tmp_path, content, caplog
):
    path = tmp_path / "positions" / "phone.json"
    path.parent.mkdir()
    path.write_bytes(content)
    events.add("crashed")
    new_courier(channel).deliver_new()
    assert channel.titles() == ["Gateway died"]
    assert "is unreadable" in caplog.text


def test_a_full_disk_is_no_reason_to_stay_silent(new_courier, channel, events, monkeypatch, caplog):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    courier = new_courier(channel)
    events.add("crashed")
    with monkeypatch.context() as patch:
        patch.setattr(Bookmarks, "save", full)
        courier.deliver_new()
    assert "cannot save its position (No space left on device)" in caplog.text
    courier.deliver_new()
    assert channel.titles() == ["Gateway died"]
    new_courier(channel).deliver_new()
    assert channel.titles() == ["Gateway died"], "saved as soon as there was room again"


def test_a_file_that_may_not_be_read_is_reported_once_and_read_later(
    new_courier, channel, events, monkeypatch, caplog
):
    events.add("crashed")
    courier = new_courier(channel)

    def denied(*_arguments):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("ibgateway_watch.follow.Follower._files", denied)
        courier.deliver_new()
        courier.deliver_new()
    assert caplog.text.count("cannot read") == 1
    courier.deliver_new()
    assert channel.titles() == ["Gateway died"]
