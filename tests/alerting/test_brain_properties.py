"""Whatever happens, in whatever order: no incident is open twice, none is forgotten; good nights are silent.

Random stories of events, observations, presses, waits and restarts of the watcher. A seed that fails is
in the test's name.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from alerting_tools import START, FakeClock
from ibgateway_alerting.model import SEVERITIES
from ibgateway_alerting.rules import HOLD, load
from ibgateway_alerting.watch import brain
from ibgateway_alerting.watch.conditions import API, LOGIN_KINDS
from ibgateway_alerting.watch.quiet import Quiet
from ibgatewaylib import instance as instances
from ibgatewaylib.events import TYPES
from ibgatewaylib.reasons import REASONS
from story import Story

RULES = load()
HELD = {kind for kind in RULES.kinds if all(rule.window == HOLD for rule in RULES.of(kind))}
HOURS = 3600.0


def random_event(rng: random.Random) -> tuple[str, dict]:
    kind = rng.choice(sorted(TYPES) + ["ready"] * 4 + ["starting"] * 3 + ["from_the_future"])
    detail: dict = {
        "text": rng.choice(["", "words", "Required PassKey", "second factor", "password expired"])
    }
    if kind == "parked":
        detail["reason"] = rng.choice(sorted(REASONS))
    detail |= {
        "starting": {"resumes": rng.random() < 0.5},
        "restart_planned": {"kind": rng.choice(["token", "login", "soft", "cold"])},
        "two_factor_waiting": {"seconds": rng.choice([176, 0, "many", True])},
        "consent_needed": {"reason": rng.choice(["login_due", "weekly_login"])},
        "stuck": {"where": rng.choice(["display", "memory", "api", "login_window", 7])},
        "configuration_invalid": {"continues": rng.random() < 0.5},
        "competing_session": {"outcome": rng.choice(["kept", "given way", "a person must choose"])},
        "crashed": {"signal": 9, "out_of_memory": rng.random() < 0.2},
    }.get(kind, {})
    if kind == "two_factor_waiting" and rng.random() < 0.2:
        detail["kind"] = "code"
    return kind, detail


def random_deed(story: Story, rng: random.Random) -> Callable[[], object]:
    name = rng.choice(["live", "paper"])
    kind, detail = random_event(rng)
    state = rng.choice(["starting", "deferred", "login", "two_factor", "ready", "ready", "stopped", "parked"])
    pressable = [one for one in story.heard if one.channel == "phone" and one.actions]
    deeds = [
        *[lambda: story.event(kind, name, age=rng.choice([0, 0, 0, 30, 4000]), **detail)] * 8,
        lambda: story.see("probe", rng.choice(["ok", "port", "time", "ready", "client_id"]), name),
        lambda: story.see("link", rng.choice(["up", "down"]), name, "1100"),
        lambda: story.see("farm", rng.choice([(), ("usfarm",)]), name),
        lambda: story.see("unit", rng.choice(["active", "activating", "failed", "inactive"]), name, "x"),
        lambda: story.state(state, name, end={"code": 77, "reason": rng.choice(sorted(REASONS))}),
        lambda: story.see("oom", rng.randrange(3), name),
        lambda: story.see("code", 10197, name),
        lambda: story.host("network", rng.choice(["ok", "ok", "no_route", "dns"])),
        lambda: story.host("disk", rng.choice([0.01, 0.06, 0.5])),
        lambda: story.notifier(**({"mail": story.clock()} if rng.random() < 0.3 else {})),
        story.restart,
        *[lambda: story.wait(rng.choice([0.2, 5, 70, 700, 7000]))] * 5,
    ]
    if pressable:
        action = rng.choice(rng.choice(pressable[-5:]).actions)
        deeds += [lambda: story.press(action, rng.choice([123456, 123456, 666]))] * 2
    return rng.choice(deeds)


def check(story: Story, rings: list) -> None:
    """What must be so at any time."""
    open_ones = story.store.open_incidents()
    keys = Counter((one.instance, one.kind) for one in open_ones)
    assert max(keys.values(), default=1) == 1
    assert {(one.instance, one.kind) for one in open_ones} == set(story.brain.incidents)
    assert len({one.instance for one in open_ones if one.kind in LOGIN_KINDS}) == sum(
        one.kind in LOGIN_KINDS for one in open_ones
    )
    for one in open_ones:
        assert one.told is not None
        assert one.opened <= story.clock()
    # One incident does not ring twice in one instant on one channel, whatever happened to it.
    assert max(Counter(rings).values(), default=1) == 1


@pytest.fixture
def make_story(make_settings, tmp_path: Path):
    made: list[Story] = []

    def make(start: float) -> Story:
        (tmp_path / "alerting.sqlite").unlink(missing_ok=True)
        made.append(Story(make_settings(), FakeClock(start)))
        made[-1].store._db.execute("PRAGMA synchronous=OFF")
        return made[-1]

    yield make
    for story in made:
        story.store.close()


@pytest.mark.parametrize("seed", range(6))
def test_any_story(make_story, monkeypatch, seed: int):
    rng = random.Random(seed)  # noqa: S311 - the same stories every time
    story = make_story(START + rng.randrange(14 * 86400))
    for _ in range(120):
        heard = random_deed(story, rng)() or []
        rings = [(one.at, one.channel, one.incident, one.title) for one in heard if one.mode == "send"]
        check(story, [ring for ring in rings if ring[2] is not None])
    # When something is due, the brain says itself. That it looks each minute besides makes ten thousand looks
    # of the days that follow; one story has them all.
    if seed:
        monkeypatch.setattr(brain, "AT_MOST", 600.0)
    settle(story)


def settle(story: Story) -> None:
    """Everything becomes good; then nothing may stay open for ever, and nothing may be said any more."""
    for name in ("live", "paper"):
        story.event("starting", name, resumes=False)
        story.event("login_submitted", name, attempt=1)
        story.ready(name)
        story.see("farm", (), name)
        story.state("ready", name, readback={"A": {"wanted": "1", "found": "1", "ok": True}})
    story.host("network", "ok")
    story.host("disk", 0.5)
    story.notifier()
    story.wait(20)
    assert {one.kind for one in story.store.open_incidents()} & {
        *API,
        *LOGIN_KINDS,
        "stopped",
        "parked",
    } == set()
    story.wait(8 * 24 * HOURS)
    assert story.store.open_incidents() == []
    assert story.wait(24 * HOURS) == []
    told = {one.incident for one in story.heard if one.incident is not None}
    known = {one.id: one for one in story.store.incidents_since(0.0)}
    assert told <= set(known)
    assert all(one.resolved is not None and one.resolved >= one.opened for one in known.values())


@pytest.mark.parametrize("seed", range(6))
def test_what_stays_bad_is_told_again(make_story, monkeypatch, seed: int):
    """An open incident that needs somebody rings at least every `reminder_hours`, until it is taken on."""
    rng = random.Random(1000 + seed)  # noqa: S311
    story = make_story(START)
    for _ in range(30):
        random_deed(story, rng)()
    story.wait(120)
    before = {
        one.id
        for one in story.store.open_incidents()
        if SEVERITIES.index(one.severity) >= 2 and one.acknowledged is None and one.snoozed_until is None
    }
    if seed:
        monkeypatch.setattr(brain, "AT_MOST", 600.0)
    heard = story.wait(2 * 24 * HOURS)
    still = {one.id: one for one in story.store.open_incidents() if one.id in before}
    talks = {one.instance for one in still.values() if one.kind in LOGIN_KINDS}
    for number, one in still.items():
        repeat = next((rule.repeat_hours for rule in RULES.of(one.kind) if rule.repeat_hours is not None), 4)
        spoken_for = one.instance in talks and one.kind not in LOGIN_KINDS
        if not repeat or spoken_for or "pressed" in one.detail:
            continue
        rings = [h.at for h in heard if h.incident == number and h.channel == "phone" and h.mode == "send"]
        gaps = [after - before for before, after in itertools.pairwise(rings)]
        assert rings, one
        assert max(gaps, default=0) <= repeat * HOURS + 61, one


# --- good nights ------------------------------------------------------------------------------------------


def good_night(story: Story, rng: random.Random, quiet: Quiet) -> None:
    """A day of an instance: blips in quiet times, one planned restart, short blips otherwise."""
    end = story.clock() + 24 * HOURS
    restarted = False
    while story.clock() < end:
        story.wait(rng.uniform(60, 1500))
        left = (quiet.end(story.clock()) or story.clock()) - story.clock()
        if left > 60:
            story.see("link", "down", text="1100")
            if rng.random() < 0.5:
                story.see("farm", ("usfarm", "hfarm"))
            if rng.random() < 0.3:
                story.see("probe", rng.choice(["port", "time", "handshake"]))
            story.wait(rng.uniform(1, left + 500))
        elif rng.random() < 0.3:
            story.see("link", "down", text="1100")
            story.wait(rng.uniform(1, 110))
        elif rng.random() < 0.3:
            story.see("farm", ("hfarm",))
            story.wait(rng.uniform(1, 590))
        elif not restarted and not quiet.last(story.clock() - 100, story.clock() + 600):
            restarted = True
            story.see("probe", "port")
            story.wait(rng.uniform(0, 15))
            story.event("restart_planned", kind="token")
            story.see("unit", "activating")
            story.state("starting")
            story.event("starting", resumes=True)
            story.event("token_restart")
            if rng.random() < 0.3:
                story.restart()
            story.wait(rng.uniform(20, 280))
            story.ready()
        story.see("probe", "ok")
        story.see("link", "up", text="1102")
        story.see("farm", ())


@pytest.mark.parametrize("seed", range(8))
def test_good_nights_are_silent(make_story, seed: int):
    rng = random.Random(2000 + seed)  # noqa: S311
    story = make_story(START + rng.randrange(7) * 86400)
    story.ready()
    quiet = Quiet(instances.load(story.settings.etc_root / "live"))
    good_night(story, rng, quiet)
    assert [one.title for one in story.heard] == []


@pytest.mark.parametrize("seed", range(8))
def test_held_conditions_are_silent_in_a_window_and_told_once_after_it(make_story, seed: int):
    rng = random.Random(3000 + seed)  # noqa: S311
    story = make_story(START)
    quiet = Quiet(instances.load(story.settings.etc_root / "live"))
    story.ready()
    # The next quiet time, and a moment in it.
    while (end := quiet.end(story.clock())) is None:
        story.clock.advance(300)
    begin = story.clock()
    story.clock.now = begin + rng.uniform(0, end - begin - 30)
    what, value = rng.choice([("link", "down"), ("farm", ("usfarm",)), ("probe", "time"), ("probe", "port")])
    story.see(what, value, text="x")
    if rng.random() < 0.3:
        story.restart()
    assert story.wait(end - story.clock() + RULES.grace - 1) == []
    heard = [one for one in story.wait(62) if one.channel == "phone"]
    assert len(heard) == 1
    assert story.store.open_incidents()[0].kind in HELD
    story.see(what, {"link": "up", "farm": (), "probe": "ok"}[what])
    assert story.store.open_incidents() == []
