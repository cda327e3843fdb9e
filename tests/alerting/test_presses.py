"""A press is believed after six checks; one that fails any of them changes nothing."""

from __future__ import annotations

import json
import logging
import random
import re
import time
from dataclasses import replace

import pytest
from alerting_tools import channel
from ibgateway_alerting.catalogue import catalogue
from ibgateway_alerting.model import Incident, Press
from ibgateway_alerting.watch import login
from ibgateway_alerting.watch.actions import CONSENT, GUARD, SOFT_RESTART, Actions, Result
from ibgateway_alerting.watch.compose import Context
from ibgateway_alerting.watch.presses import (
    LABELS,
    PUSH_KINDS,
    SECONDS,
    SOFT_KINDS,
    Outcome,
    Presses,
    events_message,
    make_buttons,
    nonce,
    offers,
)  # fmt: skip
from ibgateway_alerting.watch.view import ASKED, MISSED, PUSH_SENT, READY, STARTED, InstanceView, Login

ANNA, BEN, MALLORY = 123456, 654321, 666


class FakeActions:
    """Notes what is started."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.under_way: set[str] = set()

    def start(self, unit: str) -> bool:
        self.started.append(unit)
        self.under_way.add(unit)
        return True

    def pending(self, unit: str) -> bool:
        return unit in self.under_way


class Desk:
    """Presses, and everything around them."""

    def __init__(self, settings, store, clock) -> None:
        self.settings, self.store, self.clock = settings, store, clock
        self.views = {
            "live": InstanceView("live", state="parked", login=Login(ASKED, clock(), "login_due")),
            "paper": InstanceView("paper", mode="paper", state="ready"),
        }
        self.actions = FakeActions()
        self.presses = Presses(settings, store, self.views, self.actions)
        self.updates = 0

    def incident(self, kind: str = "login", instance: str = "live", severity: str = "action") -> Incident:
        with self.store.transaction():
            return self.store.save_incident(Incident(instance, kind, severity, self.clock()))

    def buttons(self, incident: Incident, *actions: str) -> dict[str, str]:
        """Make a message's buttons; return each action's nonce."""
        with self.store.transaction():
            made = make_buttons(self.store, incident, actions, self.clock())
        return {button.action: button.nonce for button in made}

    def press(
        self, nonce: str, user: int = ANNA, name: str = "phone", update: str | None = None
    ) -> Outcome | None:
        """Press as the notifier stores it; None when it is a replayed update."""
        self.updates += 1
        with self.store.transaction():
            number = self.store.add_press(name, update or str(self.updates), user, nonce, self.clock())
        if number is None:
            return None
        outcome = None
        with self.store.transaction():
            for one in self.store.unhandled_presses():
                outcome = self.presses.handle(one, self.clock())
        assert self.store.press_answer(number) == outcome.answer
        return outcome

    def world(self) -> tuple:
        """Everything that a refused press must leave alone."""
        dump = self.store._db.execute
        tables = ("incidents", "outbox", "buttons", "memory", "sent")
        rows = tuple(tuple(dump(f"SELECT * FROM {table}").fetchall()) for table in tables)  # noqa: S608
        return (*rows, tuple(self.actions.started))


@pytest.fixture
def desk(make_settings, store, clock) -> Desk:
    channels = (
        channel("phone", users=(ANNA,)),
        channel("second", users=(BEN,), who=""),
        channel("mail", kind="apprise", users=()),
    )
    return Desk(make_settings(channels=channels), store, clock)


def stored(desk: Desk, incident: Incident) -> Incident:
    found = desk.store.incident(incident.id)
    assert found is not None
    return found


# --- what good presses do ---


def test_the_push_starts_the_consent_of_that_instance_and_is_noted(desk):
    incident = desk.incident()
    outcome = desk.press(desk.buttons(incident, "push")["push"])
    assert outcome.accepted
    assert outcome.tell
    assert desk.actions.started == [CONSENT.format("live")]
    assert stored(desk, incident).detail["pressed"]["by"] == "Anna"
    assert login.phase(stored(desk, incident), desk.views["live"], desk.clock()) == STARTED


def test_a_push_under_another_incident_goes_to_the_same_conversation(desk):
    talk, missed = desk.incident("push_missed"), desk.incident("session_taken")
    desk.views["live"].login.phase = MISSED
    desk.press(desk.buttons(missed, "push")["push"])
    assert login.phase(stored(desk, talk), desk.views["live"], desk.clock()) == STARTED
    assert stored(desk, missed).acknowledged_by == "Anna"
    # The press is the consent to one login; it takes nothing on for good, so that a miss is escalated.
    assert stored(desk, talk).acknowledged is None


@pytest.mark.parametrize(("action", "seconds"), [("later_30", 1800), ("later_120", 7200)])
def test_later_snoozes(desk, action, seconds):
    incident = desk.incident()
    outcome = desk.press(desk.buttons(incident, action)[action])
    assert stored(desk, incident).snoozed_until == desk.clock() + seconds
    assert "You are asked again at " in outcome.answer
    assert desk.actions.started == []


def test_mine_takes_it_on_under_the_channels_reader_or_name(desk):
    incident, other = desk.incident(), desk.incident("link_lost")
    desk.press(desk.buttons(incident, "mine")["mine"])
    desk.press(desk.buttons(other, "mine")["mine"], BEN, "second")
    assert (stored(desk, incident).acknowledged, stored(desk, incident).acknowledged_by) == (
        desk.clock(),
        "Anna",
    )
    assert stored(desk, other).acknowledged_by == "second"


FOUND = json.dumps([{"kind": "orders", "level": "blocks", "text": "2 open orders"}])


@pytest.mark.parametrize(
    ("ok", "text", "said"),
    [
        (True, FOUND, "Against it: 2 open orders."),
        (True, "[]", "Nothing speaks against it."),
        (True, "hm", "What speaks against it could not be found out."),
        (None, "no result", "What speaks against it could not be found out: no result"),
    ],
)
def test_a_soft_restart_asks_back_first_and_names_what_speaks_against_it(desk, ok, text, said):
    desk.views["live"].state = "ready"
    incident = desk.incident("link_lost")
    made = desk.buttons(incident, "soft_restart", "mine")
    assert desk.press(made["soft_restart"]).accepted
    assert desk.actions.started == [GUARD.format("live")]
    desk.actions.under_way.clear()
    with desk.store.transaction():
        asked = desk.presses.done(result(GUARD, ok, text, desk.clock()), desk.clock())
    assert asked.actions == ("soft_restart_yes", "soft_restart_no")
    assert "?" in asked.note
    assert said in asked.note
    second = desk.press(desk.buttons(incident, *asked.actions)["soft_restart_yes"])
    assert second.accepted
    assert desk.actions.started == [GUARD.format("live"), SOFT_RESTART.format("live")]


def test_a_soft_restart_is_looked_at_once(desk):
    desk.views["live"].state = "ready"
    first, second = desk.incident("link_lost"), desk.incident("api_down")
    desk.press(desk.buttons(first, "soft_restart")["soft_restart"])
    assert not desk.press(desk.buttons(second, "soft_restart")["soft_restart"]).accepted
    assert desk.actions.started == [GUARD.format("live")]


def test_a_soft_restart_can_be_declined(desk):
    desk.views["live"].state = "ready"
    incident = desk.incident("link_lost")
    made = desk.buttons(incident, "soft_restart_yes", "soft_restart_no")
    assert desk.press(made["soft_restart_no"]).accepted
    assert not desk.press(made["soft_restart_yes"]).accepted
    assert desk.actions.started == []


def test_the_events_can_be_shown_again_and_use_no_button_up(desk):
    incident = desk.incident()
    made = desk.buttons(incident, "push", "log")
    assert desk.press(made["log"]).events
    assert desk.press(made["log"]).answer == "They were shown a moment ago."
    assert desk.press(made["push"]).accepted
    desk.clock.advance(60)
    assert desk.press(made["log"]).events


def test_one_use_uses_every_button_of_the_incident(desk):
    incident = desk.incident()
    made = desk.buttons(incident, "push", "later_30", "mine")
    older = desk.buttons(incident, "push")
    desk.press(made["later_30"])
    for nonce_ in (made["push"], made["mine"], made["later_30"], older["push"]):
        assert desk.press(nonce_).answer == "This was answered already."
    assert desk.actions.started == []
    assert desk.press(desk.buttons(incident, "push")["push"]).accepted


# --- the checks, and their order ---


def refused(desk: Desk, nonce_: str, **who) -> str:
    """Press what must be refused; return the answer, having seen that nothing changed."""
    before = desk.world()
    outcome = desk.press(nonce_, **who)
    assert not outcome.accepted
    assert desk.world() == before
    return outcome.answer


@pytest.mark.parametrize("nonce_", ["", "A" * 16, "v1|x", "' OR 1=1 --", "\u0000", "x" * 5000])
def test_a_button_we_never_made(desk, nonce_):
    desk.buttons(desk.incident(), "push")
    assert refused(desk, nonce_) == "This button is not known here."


@pytest.mark.parametrize(
    ("user", "name"),
    [(MALLORY, "phone"), (BEN, "phone"), (ANNA, "second"), (ANNA, "mail"), (ANNA, "gone"), (0, "phone")],
)
def test_a_user_who_may_not(desk, user, name):
    made = desk.buttons(desk.incident(), "push")
    assert refused(desk, made["push"], user=user, name=name) == "You are not allowed to press this."
    assert desk.press(made["push"]).accepted


@pytest.mark.parametrize(("action", "seconds"), [("push", 600), ("later_30", 86400), ("mine", 86400)])
def test_an_old_button_starts_nothing_but_brings_new_ones(desk, action, seconds):
    incident = desk.incident()
    made = desk.buttons(incident, action)
    desk.clock.advance(seconds)
    outcome = desk.press(made[action])
    assert not outcome.accepted
    assert outcome.tell
    assert desk.actions.started == []
    assert stored(desk, incident).acknowledged is None


def test_an_old_button_of_what_is_over_brings_nothing(desk):
    incident = desk.incident()
    made = desk.buttons(incident, "push")
    incident.resolved = desk.clock()
    with desk.store.transaction():
        desk.store.save_incident(incident)
    desk.clock.advance(600)
    assert refused(desk, made["push"]) == "This button is too old."


def test_a_button_of_what_is_over(desk):
    incident = desk.incident()
    made = desk.buttons(incident, "push", "later_30", "mine", "log")
    incident.resolved = desk.clock()
    with desk.store.transaction():
        desk.store.save_incident(incident)
    for nonce_ in made.values():
        assert refused(desk, nonce_) == "This is over already."


def test_the_last_second_of_a_button(desk):
    made = desk.buttons(desk.incident(), "push")
    desk.clock.advance(SECONDS["push"] - 0.001)
    assert desk.press(made["push"]).accepted


def test_a_replayed_update_is_not_even_seen(desk):
    incident = desk.incident()
    made = desk.buttons(incident, "log", "push")
    assert desk.press(made["push"], update="77").accepted
    before = desk.world()
    assert desk.press(made["push"], update="77") is None
    assert desk.world() == before


def test_a_double_press_starts_one_login(desk):
    made = desk.buttons(desk.incident(), "push")
    assert desk.press(made["push"]).accepted
    assert refused(desk, made["push"]) == "This was answered already."
    assert len(desk.actions.started) == 1


def test_two_messages_that_offer_the_push_start_one_login(desk):
    talk, missed = desk.incident("push_missed"), desk.incident("session_taken")
    first, second = desk.buttons(talk, "push"), desk.buttons(missed, "push")
    assert desk.press(first["push"]).accepted
    assert refused(desk, second["push"]) == "A login is under way already."
    # The unit has ended; the launcher has not written its first event yet.
    desk.actions.under_way.clear()
    assert refused(desk, second["push"]) == "A login is under way already."


@pytest.mark.parametrize("phase", [STARTED, PUSH_SENT, "answered"])
def test_no_second_login_while_one_is_under_way(desk, phase):
    made = desk.buttons(desk.incident(), "push")
    desk.views["live"].login.phase = phase
    desk.views["live"].state = "two_factor"
    assert refused(desk, made["push"]) == "A login is under way already."


@pytest.mark.parametrize("state", ["ready", "starting", "stopping", "unknown", "login"])
def test_no_login_where_none_is_needed(desk, state):
    desk.views["live"].state = state
    desk.views["live"].login.phase = READY
    made = desk.buttons(desk.incident(), "push")
    assert refused(desk, made["push"]) == f"No login is needed: live is {state}."


def test_the_weekly_login_is_asked_for_while_gateway_still_runs(desk):
    desk.views["live"].state = "ready"
    desk.views["live"].login = Login(ASKED, desk.clock(), "weekly_login")
    assert desk.press(desk.buttons(desk.incident(), "push")["push"]).accepted
    assert desk.actions.started == [CONSENT.format("live")]


def test_a_login_that_waits_for_a_window_is_not_asked_for_again(desk):
    desk.views["live"].state = "deferred"
    made = desk.buttons(desk.incident(), "push")
    assert refused(desk, made["push"]) == "The login waits for the end of a reset window already."


@pytest.mark.parametrize("state", ["parked", "starting", "failed", "stopped"])
def test_no_soft_restart_of_what_is_not_ready(desk, state):
    desk.views["live"].state = state
    incident = desk.incident("link_lost")
    for action in ("soft_restart", "soft_restart_yes"):
        assert "is " + state in refused(desk, desk.buttons(incident, action)[action])


def test_an_instance_that_is_no_more(desk):
    del desk.views["live"]
    made = desk.buttons(desk.incident(), "push", "log")
    assert refused(desk, made["push"]) == "This instance is not known here."
    assert refused(desk, made["log"]) == "This instance is not known here."


def test_the_order_of_the_checks(desk):
    """Each check speaks before the later ones, when all of them would fail."""
    incident = desk.incident()
    made = desk.buttons(incident, "push")["push"]
    desk.views["live"].state, desk.views["live"].login = "ready", None
    assert refused(desk, made) == "No login is needed: live is ready."
    incident.resolved = desk.clock()
    with desk.store.transaction():
        desk.store.save_incident(incident)
    assert refused(desk, made) == "This is over already."
    with desk.store.transaction():
        desk.store.use_buttons(incident.id, desk.clock())
    assert refused(desk, made) == "This was answered already."
    desk.clock.advance(700)
    assert refused(desk, made) == "This button is too old."
    assert refused(desk, made, user=MALLORY) == "You are not allowed to press this."
    assert refused(desk, "B" * 16, user=MALLORY) == "This button is not known here."


def test_every_press_is_logged_without_its_nonce(desk, caplog):
    caplog.set_level(logging.INFO)
    made = desk.buttons(desk.incident(), "push")["push"]
    desk.press(made, MALLORY)
    desk.press(made)
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert lines == [
        ("WARNING", "press 1 by user 666 on phone refused: You are not allowed to press this."),
        ("INFO", "press 2 by user 123456 on phone accepted: The login starts; the push comes in a moment."),
    ]


def test_answers_fit_a_telegram_toast(desk):
    desk.views["live"].state = "ready"
    incident = desk.incident("link_lost")
    for action in LABELS:
        outcome = desk.press(desk.buttons(incident, action)[action])
        assert 0 < len(outcome.answer) <= 200


def test_nonces_are_short_and_never_the_same():
    made = {nonce() for _ in range(2000)}
    assert len(made) == 2000
    assert all(re.fullmatch(r"[A-Z2-7]{16}", one) for one in made)
    assert len(f"v1|{nonce()}".encode()) <= 64


# --- sequences ---


@pytest.mark.parametrize("seed", range(40))
def test_no_sequence_of_presses_does_more_than_it_may(desk, seed):
    """Random presses, times and states against a model of what is allowed; a refusal leaves no trace."""
    dice = random.Random(seed)  # noqa: S311 - the same every time
    talk, link = desk.incident(), desk.incident("link_lost")
    made: list[tuple[str, str, Incident, float]] = []
    used: set[int] = set()
    logins = restarts = 0
    for step in range(60):
        move = dice.random()
        view = desk.views["live"]
        if move < 0.2 or not made:
            incident = dice.choice([talk, link])
            actions = dice.sample(["push", "later_30", "mine", "soft_restart_yes", "log"], 2)
            fresh = desk.buttons(incident, *actions)
            made += [(nonce_, action, incident, desk.clock()) for action, nonce_ in fresh.items()]
            used.discard(incident.id)
            continue
        if move < 0.35:
            desk.clock.advance(dice.choice([1, 100, 601, 90000]))
            continue
        if move < 0.5:
            view.state = dice.choice(["parked", "ready", "starting", "failed", "deferred"])
            view.login.phase = dice.choice([ASKED, STARTED, PUSH_SENT, MISSED, READY])
            view.login.since = desk.clock.advance(0.001)
            desk.actions.under_way.clear()
            continue
        if move < 0.55:
            dice.choice([talk, link]).resolved = dice.choice([None, desk.clock()])
            with desk.store.transaction():
                for one in (talk, link):
                    kept = stored(desk, one)
                    kept.resolved = one.resolved
                    desk.store.save_incident(kept)
            continue
        nonce_, action, incident, born = dice.choice(made)
        user = dice.choice([ANNA, ANNA, ANNA, MALLORY])
        unused = desk.store.button(nonce_)["used"] is None or action == "log"
        fresh = desk.clock() < born + SECONDS.get(action, 86400)
        open_now = stored(desk, incident).resolved is None
        before = desk.world()
        outcome = desk.press(nonce_, user)
        if outcome.accepted:
            assert user == ANNA
            assert unused
            assert fresh
            assert open_now
            if action == "push":
                logins += 1
                assert view.login.phase not in (STARTED, PUSH_SENT)
                assert view.state != "deferred"
            if action == "soft_restart_yes":
                restarts += 1
                assert view.state == "ready"
        else:
            assert desk.world() == before, step
    assert desk.actions.started.count(CONSENT.format("live")) == logins
    assert desk.actions.started.count(SOFT_RESTART.format("live")) == restarts
    assert len(desk.actions.started) == logins + restarts


# --- what came of it ---


def result(unit: str, ok: bool | None, text: str, now: float) -> Result:
    return Result(unit.format("live"), "live", ok, text, now)


def test_a_refused_consent_asks_again(desk):
    incident = desk.incident()
    desk.press(desk.buttons(incident, "push")["push"])
    desk.clock.advance(0.3)
    with desk.store.transaction():
        outcome = desk.presses.done(
            result(CONSENT, False, "the budget is used up", desk.clock()), desk.clock()
        )
    assert outcome.tell
    kept = stored(desk, incident)
    desk.actions.under_way.clear()
    assert login.phase(kept, desk.views["live"], desk.clock()) == login.REFUSED
    assert kept.detail["refused"]["text"] == "the budget is used up"
    assert desk.press(desk.buttons(kept, "push")["push"]).accepted
    assert login.phase(stored(desk, kept), desk.views["live"], desk.clock()) == STARTED


def test_a_consent_that_was_given_is_told_by_the_launchers_events(desk):
    desk.press(desk.buttons(desk.incident(), "push")["push"])
    with desk.store.transaction():
        assert desk.presses.done(result(CONSENT, True, "consent given", desk.clock()), desk.clock()) is None


def test_a_restart_that_was_not_done_is_nobodys_any_more(desk):
    desk.views["live"].state = "ready"
    incident = desk.incident("link_lost")
    desk.press(desk.buttons(incident, "soft_restart_yes")["soft_restart_yes"])
    assert stored(desk, incident).acknowledged_by == "Anna"
    with desk.store.transaction():
        outcome = desk.presses.done(result(SOFT_RESTART, False, "a reset window", desk.clock()), desk.clock())
    assert (outcome.accepted, outcome.note) == (False, "a reset window")
    assert stored(desk, incident).acknowledged is None


def test_a_remedys_result_belongs_to_no_press(desk):
    desk.incident("link_lost")
    with desk.store.transaction():
        assert desk.presses.done(result("ibgateway-reset@{}.service", True, "", 0.0), desk.clock()) is None


def test_the_keepers_own_copy_of_an_incident_is_changed(desk, store):
    incident = desk.incident()
    presses = Presses(desk.settings, store, desk.views, desk.actions, {incident.id: incident}.get)
    made = desk.buttons(incident, "mine")
    with store.transaction():
        presses.handle(Press(1, "phone", ANNA, made["mine"], desk.clock()), desk.clock())
    assert incident.acknowledged_by == "Anna"


# --- what a message offers ---


def view(state: str, **more) -> InstanceView:
    return InstanceView("live", state=state, unit="active", **more)


LATER = ["later_30", "later_120"]


@pytest.mark.parametrize(
    ("kind", "severity", "seen", "expected"),
    [
        ("link_lost", "warning", view("ready"), ["soft_restart", "mine", "log"]),
        ("link_lost", "critical", view("ready"), ["soft_restart", *LATER, "mine", "log"]),
        ("link_lost", "warning", view("starting"), ["mine", "log"]),
        ("competing_session", "action", view("parked"), ["push", *LATER, "mine", "log"]),
        ("competing_session", "action", view("ready"), [*LATER, "mine", "log"]),
        ("credentials_rejected", "critical", view("parked"), [*LATER, "mine", "log"]),
        ("stopped", "info", view("stopped"), ["push"]),
        ("disk_full", "critical", None, [*LATER, "mine"]),
        ("login_deferred", "info", view("deferred"), []),
    ],
)
def test_what_a_message_offers(kind, severity, seen, expected):
    assert offers(Incident("live", kind, severity, 0.0), seen, 0.0) == expected


def test_the_kinds_with_a_button_are_in_the_catalogue():
    assert {*SOFT_KINDS, *PUSH_KINDS} <= set(catalogue())


def test_what_is_taken_on_is_not_offered_again():
    incident = Incident("live", "api_down", "critical", 0.0, acknowledged=1.0, acknowledged_by="Anna")
    assert offers(incident, view("ready"), 0.0) == ["soft_restart", "log"]


def test_the_last_events_hold_no_account_and_no_control_characters(settings, clock):
    seen = InstanceView("live", state="parked", status="waits for\nU1234567")
    seen.recent = [
        {"time": clock(), "type": "login_refused", "detail": {"text": "account U1234567\x1b[31m is locked"}},
        {"time": clock() + 2, "type": "parked", "detail": {"reason": "login_refused", "text": 7}},
    ]
    message = events_message(seen, clock(), Context("vps1", clock(), settings.zone))
    assert message.title == "[info] live on vps1: Last events"
    assert message.body.splitlines() == [
        "Tue 24 Nov, 22:15:03 CET login_refused: account (account) [31m is locked",
        "Tue 24 Nov, 22:15:05 CET parked",
        "The machine: It is parked: waits for (account).",
        "You: More: sudo ibgatewayctl log live",
        "Next: no further message about this.",
    ]


# --- how quick ---


def test_the_start_follows_the_press_without_waiting(desk, tmp_path):
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\n: >$(dirname $0)/began\n")
    program.chmod(0o755)
    actions = Actions(tmp_path / "run", time.time, (str(program),))
    presses = Presses(desk.settings, desk.store, desk.views, actions)
    desk.clock.now = time.time()
    made = desk.buttons(desk.incident(), "push")
    began = time.time()
    with desk.store.transaction():
        desk.store.add_press("phone", "1", ANNA, made["push"], began)
    with desk.store.transaction():
        for press in desk.store.unhandled_presses():
            presses.handle(press, began)
    actions.tick(time.time())
    while actions._running[0].process is not None:
        assert time.time() - began < 10
        actions.tick(time.time())
        time.sleep(0.005)
    # One look was enough: without a process after it, nothing would have been waited for.
    assert (tmp_path / "began").exists()


def test_a_view_of_another_instance_is_not_asked(desk):
    """paper is ready; a press on live's message goes by live."""
    desk.views["paper"] = replace(desk.views["paper"], state="parked")
    desk.views["live"].state, desk.views["live"].login = "ready", None
    assert (
        refused(desk, desk.buttons(desk.incident(), "push")["push"]) == "No login is needed: live is ready."
    )
