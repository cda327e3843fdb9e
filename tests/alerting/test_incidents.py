"""An incident's life: opened when due, made worse, turned into another, damped, ended."""

from __future__ import annotations

import pytest
from alerting_tools import FakeClock
from ibgateway_alerting import rules
from ibgateway_alerting.model import Incident
from ibgateway_alerting.store import Store
from ibgateway_alerting.watch.conditions import Condition
from ibgateway_alerting.watch.incidents import NEVER, Incidents, Subject, explaining
from ibgateway_alerting.watch.view import InstanceView


class Teller:
    def __init__(self) -> None:
        self.told: list[tuple] = []

    def opened(self, incident: Incident, _rule: rules.Rule, now: float) -> None:
        self.told.append(("opened", incident.kind, incident.severity, now))

    def changed(self, incident: Incident, _now: float, *, loud: bool) -> None:
        self.told.append(("changed", incident.kind, incident.severity, loud))

    def ended(self, incident: Incident, *, quiet: bool) -> None:
        self.told.append(("ended", incident.kind, incident.resolved, quiet))


class Quiet:
    """Quiet from 1000 to 2000."""

    def last(self, since: float, now: float) -> tuple[float, float] | None:
        return (1000.0, 2000.0) if now >= 1000 and since < 2000 else None


TABLE = {
    "grace": 600,
    "remedy_apart": 1800,
    "rule": [
        {"condition": "net", "kind": "net", "severity": "critical"},
        {"condition": "slow", "kind": "slow", "severity": "warning", "delay": 60},
        {"condition": "slow", "kind": "slow", "severity": "critical", "delay": 300},
        {"condition": "link", "kind": "link", "severity": "warning", "delay": 100, "window": "hold",
         "inhibited_by": ["net"]},
        {"condition": "port", "kind": "api", "severity": "critical", "delay": 20},
        {"condition": "shake", "kind": "api", "severity": "critical", "delay": 5},
        {"condition": "flappy", "kind": "flappy", "severity": "warning", "flap": {"times": 3, "within": 900}},
        {"condition": "note", "kind": "note", "severity": "info", "quiet_end": True},
        {"condition": "dead", "kind": "dead", "severity": "warning"},
        {"condition": "oom", "kind": "oom", "severity": "critical"},
    ],
}  # fmt: skip


class World:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.table = rules.parse(TABLE)
        self.teller = Teller()
        self.view = InstanceView("live")
        self.incidents = Incidents(self.table, store, self.teller)
        self.conditions: dict[str, Condition] = {}

    def review(self, now: float, moment: float | None = None, **subject) -> float:
        found = explaining(self.table, self.conditions)
        made = Subject("live", self.view, dict(self.conditions), found, **subject)
        with self.store.transaction():
            return self.incidents.review(made, now if moment is None else moment, now)

    def begin(self, name: str, since: float, **more) -> None:
        self.conditions[name] = Condition(name, since, **more)

    def told(self) -> list[tuple]:
        told, self.teller.told = self.teller.told, []
        return told


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def test_delay_counts_from_the_first_sign(world: World):
    world.begin("slow", 10.0)
    assert world.review(20.0) == 70.0
    assert world.told() == []
    assert world.review(70.0) == 310.0
    assert world.told() == [("opened", "slow", "warning", 70.0)]
    (incident,) = world.store.open_incidents()
    assert (incident.opened, incident.told) == (10.0, 70.0)
    assert world.review(310.0) == NEVER
    assert world.told() == [("changed", "slow", "critical", True)]
    assert world.review(400.0) == NEVER
    assert world.told() == []


def test_moments_of_the_past_are_judged_as_of_then(world: World):
    world.begin("slow", 10.0)
    world.review(5000.0, moment=40.0)
    world.conditions.clear()
    world.review(5000.0, moment=45.0)
    assert world.told() == []


def test_several_conditions_make_one_incident(world: World):
    world.begin("port", 10.0)
    world.begin("shake", 12.0)
    world.review(17.0)
    assert world.told() == [("opened", "api", "critical", 17.0)]
    del world.conditions["shake"]
    world.review(18.0)
    world.review(40.0)
    assert world.told() == []
    world.conditions.clear()
    world.review(50.0)
    assert world.told() == [("ended", "api", 50.0, False)]


def test_uncertain_neither_opens_nor_ends(world: World):
    world.begin("net", 1.0, certain=False)
    world.review(100.0)
    assert world.told() == []
    world.begin("net", 1.0)
    world.review(101.0)
    world.begin("net", 102.0, certain=False)
    world.review(5000.0)
    assert world.told() == [("opened", "net", "critical", 101.0)]


@pytest.mark.parametrize(
    ("since", "now", "due"),
    [
        (100.0, 150.0, 200.0),  # long before the window
        (950.0, 990.0, 1050.0),  # the window has not begun yet, as far as anybody asks
        (950.0, 1060.0, 2600.0),  # it began meanwhile
        (1500.0, 1700.0, 2600.0),
        (1990.0, 2550.0, 2600.0),  # over, but not by the grace
        (2100.0, 2150.0, 2200.0),  # after it, the usual delay
    ],
)
def test_held_conditions_must_outlive_the_window(world: World, since: float, now: float, due: float):
    world.begin("link", since)
    assert world.review(now, quiet=Quiet()) == due
    assert world.told() == []
    world.review(due, quiet=Quiet())
    world.review(due + 1, quiet=Quiet())
    expected = [] if due < 1100 and due > 1000 else [("opened", "link", "warning", due)]
    assert world.told() == expected


def test_inhibited_until_the_cause_is_gone_and_then_from_the_beginning(world: World):
    world.begin("net", 0.0)
    world.begin("link", 5.0)
    assert world.review(50.0) == NEVER
    world.review(500.0)
    assert [told[1] for told in world.told()] == ["net"]
    del world.conditions["net"]
    assert world.review(600.0) == 700.0
    world.review(700.0)
    assert [told[:2] for told in world.told()] == [("ended", "net"), ("opened", "link")]


def test_inhibition_outlives_the_watcher(world: World):
    world.begin("net", 0.0)
    world.begin("link", 5.0)
    world.review(50.0)
    world.view = InstanceView.of(world.view.as_dict())
    del world.conditions["net"]
    assert world.review(600.0) == 700.0


def test_what_is_open_already_stays_open_when_inhibited(world: World):
    world.begin("link", 5.0)
    world.review(200.0)
    world.begin("net", 210.0)
    world.review(211.0)
    assert [told[:2] for told in world.told()] == [("opened", "link"), ("opened", "net")]


def test_flapping_is_told_three_times_and_then_once(world: World):
    at = 0.0
    for _ in range(10):
        world.begin("flappy", at)
        world.review(at)
        world.conditions.clear()
        world.review(at + 30)
        at += 60
    told = world.told()
    assert [one[0] for one in told] == ["opened", "ended", "opened", "ended", "opened"]
    (incident,) = world.store.open_incidents()
    assert incident.detail["flapping"] == 3
    assert world.review(at) == pytest.approx(540 + 30 + 900)
    world.review(1469.0)
    assert world.told() == []
    world.review(1470.0)
    assert world.told() == [("ended", "flappy", 1470.0, False)]


def test_seldom_is_not_flapping(world: World):
    for at in (0.0, 500.0, 1000.0, 1500.0, 2000.0):
        world.begin("flappy", at)
        world.review(at)
        world.conditions.clear()
        world.review(at + 10)
    assert len(world.told()) == 10


def test_an_incident_turns_into_another(world: World):
    world.begin("dead", 1.0)
    world.review(2.0)
    world.conditions = {"oom": Condition("oom", 3.0, {"killed": 1}, instead_of=("dead",))}
    world.review(3.0)
    assert world.told() == [("opened", "dead", "warning", 2.0), ("changed", "oom", "critical", True)]
    (incident,) = world.store.open_incidents()
    assert (incident.kind, incident.opened, incident.detail["killed"]) == ("oom", 1.0, 1)


def test_nothing_turns_while_the_first_still_holds(world: World):
    world.begin("dead", 1.0)
    world.review(2.0)
    world.begin("oom", 3.0, instead_of=("dead",))
    world.review(3.0)
    assert [told[:2] for told in world.told()] == [("opened", "dead"), ("opened", "oom")]


def test_quiet_end(world: World):
    world.begin("note", 1.0)
    world.review(1.0)
    world.conditions.clear()
    world.review(2.0)
    assert world.told()[-1] == ("ended", "note", 2.0, True)


def test_memory_is_what_the_database_says(world: World, clock: FakeClock):
    world.begin("net", 1.0)
    world.review(2.0)
    again = Incidents(world.table, world.store, Teller())
    assert list(again.open) == [("live", "net")]
    assert again.find(1).kind == "net"
    assert again.find(99) is None
