"""The dead-man's ping, the look-up of names, and the row that tells the watcher how the notifier is."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import pytest
from alerting_tools import START
from ibgateway_alerting.model import Message
from ibgateway_alerting.notify import health, outward
from ibgateway_alerting.notify.deadman import Deadman
from ibgateway_alerting.notify.outward import Outward


@pytest.fixture
def deadman(webhook) -> Deadman:
    return Deadman(f"{webhook.url}/ping/canary-uuid", 5)


def look(store, now: float) -> None:
    """What the watcher writes after a full cycle."""
    store.remember("watcher", {"time": now, "cycle": 1})


def run(deadman: Deadman, store, clock, **changes) -> Outward:
    name, reached = changes.pop("name", ""), changes.pop("reached", 0.0)
    made = Outward(deadman, name, lambda: reached, clock=clock, **changes)
    made.use(store)
    asyncio.run(made.step())
    return made


def test_it_pings_every_five_minutes_while_all_is_well(deadman, store, clock, webhook):
    for _ in range(61):
        look(store, clock())
        run(deadman, store, clock)
        clock.advance(10)
    assert [entry["path"] for entry in webhook.record()] == ["/ping/canary-uuid"] * 3


@pytest.mark.parametrize(
    ("age", "words"), [(None, "has not looked yet"), (61, "does not look"), (-120, "does not look")]
)
def test_without_the_watcher_there_is_no_ping(deadman, store, clock, webhook, caplog, age, words):
    if age is not None:
        look(store, clock() - age)
    for _ in range(3):
        run(deadman, store, clock)
    assert webhook.record() == []
    assert caplog.text.count("no sign of life is sent") == 1
    assert words in caplog.text


def test_while_messages_are_stuck_there_is_no_ping(deadman, store, clock, webhook, caplog):
    store.queue("phone", Message("info", "stuck", ""), now=clock() - 601)
    look(store, clock())
    run(deadman, store, clock)
    assert webhook.record() == []
    assert "messages for phone do not leave" in caplog.text
    store.finish(1, "delivered", clock())
    run(deadman, store, clock)
    assert len(webhook.record()) == 1


def test_a_ping_that_does_not_arrive_is_sent_again_soon_and_the_url_is_not_logged(
    deadman, store, clock, webhook, caplog
):
    caplog.set_level(logging.INFO)
    webhook.script({"status": 500}, {"status": 500}, {"reset": True})
    for _ in range(8):
        look(store, clock())
        run(deadman, store, clock)
        clock.advance(15)
    assert len(webhook.record()) == 1
    assert caplog.text.count("the sign of life did not arrive: HTTP status 500") == 1
    assert "the sign of life arrives again" in caplog.text
    assert "canary-uuid" not in caplog.text


def test_a_ping_that_hangs_ends(deadman, store, clock, webhook, monkeypatch, caplog):
    monkeypatch.setattr(outward, "PING_SECONDS", 0.3)
    webhook.script({"hang": 30})
    look(store, clock())
    run(deadman, store, clock)
    assert "did not arrive: " in caplog.text


@pytest.mark.parametrize("minutes", [0, 5])
def test_without_url_or_interval_there_is_none(store, clock, webhook, minutes):
    look(store, clock())
    run(Deadman("" if minutes else f"{webhook.url}/x", minutes), store, clock)
    assert webhook.record() == []


def test_names_are_looked_up_when_nothing_else_proves_that_they_can_be(store, clock):
    asked = []

    def resolver(name: str) -> None:
        asked.append(name)
        raise OSError

    none = Deadman("", 0)
    assert run(none, store, clock).dns == "ok"
    assert run(none, store, clock, name="api.telegram.org", look_up=asked.append).dns == "ok"
    assert (
        run(none, store, clock, name="api.telegram.org", look_up=resolver).dns
        == "api.telegram.org cannot be looked up"
    )
    assert asked == ["api.telegram.org"] * 2
    assert run(none, store, clock, name="api.telegram.org", look_up=resolver, reached=START - 30).dns == "ok"
    assert len(asked) == 2


@dataclass
class Sign:
    name: str
    failing_since: float | None = None
    trouble: str = ""


def test_the_row_names_each_failing_channel_with_its_first_trouble():
    signs = [Sign("phone", 20.0, "sends"), Sign("mail"), Sign("phone", 10.0, "polls")]
    row = health.row(30.0, health.failing(signs), None, "ok")
    assert row == {
        "time": 30.0,
        "delivered": None,
        "failing": {"phone": 10.0},
        "trouble": {"phone": "polls"},
        "dns": "ok",
    }
