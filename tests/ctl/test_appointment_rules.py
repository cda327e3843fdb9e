"""What appointments decide, from facts alone."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from ibgatewaylib import appointment_rules as rules
from ibgatewaylib.appointment_rules import ASK, FULL, NOTHING, RECOVER, SOFT, START, STOP, Facts
from ibgatewaylib.ctl_history import token_end

NOW = datetime(2026, 11, 25, 22, 25, tzinfo=UTC)  # Wednesday 17:25 in New York
PLANNED = NOW - timedelta(minutes=10)
THIS_WEEK = datetime(2026, 11, 22, 14, 30, tzinfo=UTC).timestamp()


def login_at(moment: float) -> list:
    return [(moment, "starting", {}), (moment, "login_submitted", {}), (moment + 60, "ready", {})]


def facts(**known: object) -> Facts:
    return Facts(NOW, **{"planned": PLANNED, "events": login_at(THIS_WEEK), **known})


def soft(minutes_ago: float) -> tuple:
    return (NOW - timedelta(minutes=minutes_ago)).timestamp(), "restart_planned", {"kind": "soft"}


def test_restart_that_took_place():
    events = [*login_at(THIS_WEEK), (PLANNED.timestamp() + 40, "starting", {})]
    decision = rules.restart(facts(events=events))
    assert (decision.action, decision.events) == (NOTHING, ())
    assert "took place" in decision.sentence


def test_missed_restart_is_made_up_for_and_told():
    decision = rules.restart(facts())
    assert decision.action == SOFT
    assert decision.events == (
        ("restart_missed", {"planned": "2026-11-25T22:15:00Z", "action": "soft_restart"}),
    )


def test_missed_restart_of_paper_is_a_stop_and_start():
    assert rules.restart(facts(mode="paper", policy="auto", events=[])).action == FULL


@pytest.mark.parametrize("known", [
    {"state": "parked", "active": "failed"},
    {"state": "stopped", "active": "inactive"},
    {"state": "failed", "active": "failed"},
    {"state": "stopping", "active": "deactivating"},
    {"state": "deferred", "active": "activating"},
])  # fmt: skip
@pytest.mark.parametrize("rule", [rules.restart, rules.reset, rules.stop])
def test_what_was_stopped_parked_or_put_off_is_left(rule, known):
    decision = rule(facts(healthy=False, trouble="dead", **known))
    assert (decision.action, decision.events) == (NOTHING, ())


@pytest.mark.parametrize("rule", [rules.restart, rules.reset, rules.stop])
def test_nothing_happens_in_a_window(rule):
    decision = rule(facts(window_end=NOW + timedelta(hours=1), healthy=False))
    assert (decision.action, decision.events) == (NOTHING, ())
    assert "2026-11-25T23:25:00Z" in decision.sentence


@pytest.mark.parametrize(("restarts", "reason"), [
    ([soft(29)], "less than 30 minutes"),
    ([soft(40), soft(400), soft(1400)], "3 soft restarts in 24 hours"),
    ([soft(-600)], "less than 30 minutes"),  # in the future: the clock was set back
])  # fmt: skip
def test_soft_restarts_are_bounded(restarts, reason):
    decision = rules.restart(facts(events=[*login_at(THIS_WEEK), *restarts]))
    assert decision.action == NOTHING
    [(kind, detail)] = decision.events
    assert (kind, detail["action"]) == ("restart_missed", "nothing")
    assert reason in detail["reason"]


def test_two_soft_restarts_leave_room_for_a_third():
    assert rules.restart(facts(events=[*login_at(THIS_WEEK), soft(40), soft(400)])).action == SOFT


@pytest.mark.parametrize("events", [[], login_at(THIS_WEEK - 7 * 86400)])
def test_no_restart_by_a_token_that_may_be_gone(events):
    decision = rules.restart(facts(events=events))
    assert decision.action == NOTHING
    assert "since Sunday 01:00" in decision.events[0][1]["reason"]


def test_no_daily_restart_planned():
    assert rules.restart(facts(planned=None)).action == NOTHING


def test_reset():
    assert rules.reset(facts(healthy=True)).action == NOTHING
    decision = rules.reset(facts(healthy=False, trouble="the API does not answer"))
    assert decision.action == RECOVER
    assert "the API does not answer" in decision.sentence
    assert rules.reset(facts(state="two_factor", active="activating")).action == NOTHING


SUNDAY = datetime(2026, 11, 29, 14, 30, tzinfo=UTC)  # 09:30 in New York


def sunday(**known: object) -> Facts:
    return Facts(SUNDAY, **{"events": login_at(THIS_WEEK), **known})


def test_weekly_login_asks_for_consent_and_leaves_the_session():
    decision = rules.login(sunday())
    assert decision.action == ASK
    assert decision.events == (
        ("consent_needed", {"reason": "weekly_login", "appointment": "2026-11-29T14:30:00Z"}),
    )


def test_weekly_login_asks_also_when_parked_but_not_when_stopped():
    assert rules.login(sunday(state="parked", active="failed")).action == ASK
    assert rules.login(sunday(state="stopped", active="inactive")).action == NOTHING
    assert rules.login(sunday(state="two_factor", active="activating")).action == NOTHING


@pytest.mark.parametrize("minutes", [-1, 1])
def test_weekly_login_done_already(minutes):
    end = token_end(SUNDAY)
    assert end == datetime(2026, 11, 29, 6, 0, tzinfo=UTC)
    done = rules.login(sunday(events=login_at(end.timestamp() + minutes * 60 - 60)))
    assert done.action == (ASK if minutes < 0 else NOTHING)


def test_a_restart_by_the_token_is_no_login():
    ends = token_end(SUNDAY).timestamp()
    events = [*login_at(THIS_WEEK), (ends + 100, "starting", {}), (ends + 160, "ready", {})]
    assert rules.login(sunday(events=events)).action == ASK


def test_weekly_login_by_policy():
    assert rules.login(sunday(policy="auto")).action == FULL
    assert rules.login(sunday(policy="auto", state="parked", active="failed")).action == NOTHING
    assert rules.login(sunday(policy="auto", window_end=SUNDAY)).action == NOTHING
    assert rules.login(sunday(mode="paper", policy="auto")).action == NOTHING


def test_daily_cycle():
    assert rules.stop(facts()).action == STOP
    assert rules.stop(facts(state="two_factor", active="activating")).action == NOTHING
    stopped = {"state": "stopped", "active": "inactive"}
    assert rules.start(facts(**stopped)).action == NOTHING, "an operator's stop"
    assert rules.start(facts(**stopped, cycle=NOW.timestamp() - 60)).action == START
    assert rules.start(facts(**stopped, cycle=NOW.timestamp() - 3600)).action == NOTHING
    assert rules.start(facts(cycle=NOW.timestamp() - 60)).action == NOTHING, "it runs"


def test_whatever_is_the_case():
    """No facts let an appointment do what it must not."""
    dice = random.Random(3)  # noqa: S311 - reproducible
    states = [
        "ready",
        "starting",
        "login",
        "two_factor",
        "deferred",
        "parked",
        "stopped",
        "failed",
        "stopping",
    ]
    done = set()
    for _ in range(20000):
        known = Facts(
            NOW + timedelta(minutes=dice.randrange(20000)),
            mode=dice.choice(["live", "paper"]),
            policy=dice.choice(["consent", "auto"]),
            state=dice.choice(states),
            active=dice.choice(["active", "activating", "inactive", "failed", "deactivating"]),
            window_end=dice.choice([None, NOW]),
            planned=dice.choice([None, PLANNED]),
            healthy=dice.choice([True, False]),
            events=dice.choice([[], login_at(THIS_WEEK), [*login_at(THIS_WEEK), soft(5)]]),
            cycle=dice.choice([None, NOW.timestamp()]),
        )
        what = dice.choice(list(rules.RULES))
        decision = rules.RULES[what](known)
        done.add((what, decision.action))
        assert decision.sentence
        if decision.action not in (NOTHING, ASK, START):
            assert known.window_end is None
            assert known.active == "active"
            assert known.state not in ("parked", "stopped", "failed", "deferred")
        if decision.action in (SOFT, FULL, RECOVER):
            assert known.state == "ready"
        if decision.action == FULL:
            assert known.policy == "auto" or known.mode == "paper"
        if decision.action == START:
            assert known.cycle is not None
        if decision.action == ASK:
            assert known.policy == "consent"
    assert {action for _, action in done} == {NOTHING, SOFT, FULL, RECOVER, STOP, START, ASK}
