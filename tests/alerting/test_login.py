"""The login conversation, phase by phase, in full: tests/alerting/golden/login.*.txt."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from ibgateway_alerting.model import EDIT, EDIT_OR_SEND, SEND, SEVERITIES, Incident
from ibgateway_alerting.watch import login
from ibgateway_alerting.watch.compose import Context
from ibgateway_alerting.watch.view import (
    ANSWERED,
    ASKED,
    FAILED,
    MISSED,
    PUSH_SENT,
    READY,
    STARTED,
    InstanceView,
    Login,
)  # fmt: skip

GOLDEN = Path(__file__).parent / "golden"
ALL = (ASKED, STARTED, login.DEFERRED, PUSH_SENT, ANSWERED, READY, MISSED, login.REFUSED, FAILED)


def at(clock, zone="Europe/Zurich", who="", **more) -> Context:
    from zoneinfo import ZoneInfo

    return Context("vps1", clock(), ZoneInfo(zone), extra={"budget_logins": 3, "who": who}, **more)


class Talk:
    """One conversation, moved on as the events move it."""

    def __init__(self, clock, kind: str = "login", severity: str = "action") -> None:
        self.clock = clock
        self.began = clock.set("2026-11-29T14:30:00+00:00")
        self.incident = Incident("live", kind, severity, self.began, id=7, told=self.began)
        self.view = InstanceView("live", state="parked", budget_left=3)
        self.view.login = Login(ASKED, self.began, "login_due", asked=self.began)

    def to(self, phase: str, seconds: float = 0.0, **facts) -> Talk:
        """Let some time pass, then enter a phase."""
        self.view.login.phase, self.view.login.since = phase, self.clock.advance(seconds)
        for key, value in facts.items():
            setattr(self.view.login, key, value)
        return self

    def push(self, seconds: float = 30.0) -> Talk:
        self.view.state, self.view.budget_left = "two_factor", 2
        return self.to(
            PUSH_SENT, seconds, push_sent=self.clock() + seconds, started=self.clock() + 5, attempts=1
        )

    def message(self, later=False, **more):
        context = at(self.clock, **more)
        return login.compose_login(self.incident, self.view, self.clock(), context, later=later)

    @property
    def phase(self) -> str:
        return login.phase(self.incident, self.view, self.clock())


@pytest.fixture
def talk(clock) -> Talk:
    return Talk(clock)


def asked(talk: Talk):
    talk.view.login.text = "there is no saved session"
    return talk.message(next_step="mail to Ben at Sun 29 Nov, 15:45 CET.")


def asked_weekly(talk: Talk):
    talk.view.login.reason, talk.view.state = "weekly_login", "ready"
    return talk.message(next_step="mail to Ben at Sun 29 Nov, 15:45 CET.")


def escalated(talk: Talk):
    asked_weekly(talk)
    talk.clock.advance(900)
    return talk.message(later=True, who="Ben")


def later(talk: Talk):
    talk.incident.snoozed_until = talk.began + 1800
    return talk.message()


def mine(talk: Talk):
    talk.incident.acknowledged, talk.incident.acknowledged_by = talk.began + 60, "Anna"
    return talk.message()


def started(talk: Talk):
    talk.clock.advance(120)
    login.press(talk.incident, "Anna", talk.clock())
    return talk.message()


def started_by_shell(talk: Talk):
    return talk.to(STARTED, 20).message()


def deferred(talk: Talk):
    talk.view.state, talk.view.deferred_until = "deferred", talk.began + 900
    talk.view.status = "IBKR's servers reset until 15:45 CET"
    return talk.message()


def push_sent(talk: Talk):
    return talk.push().message()


def countdown(talk: Talk):
    talk.push()
    talk.clock.advance(15)
    return talk.message()


def answered(talk: Talk):
    talk.push().to(ANSWERED, 12, answered=talk.clock() + 12)
    return talk.message()


def ready(talk: Talk):
    talk.push().to(ANSWERED, 12, answered=talk.clock() + 12).to(READY, 9)
    talk.view.state = "ready"
    return talk.message()


def missed(talk: Talk):
    talk.push().to(MISSED, 181)
    talk.view.state, talk.incident.kind = "parked", "push_missed"
    return talk.message(next_step="mail to Ben at Sun 29 Nov, 15:48 CET.")


def past(talk: Talk):
    missed(talk)
    return login.compose_past(talk.incident, talk.view, talk.clock(), at(talk.clock)), []


def missed_auto(talk: Talk):
    missed(talk)
    talk.view.policy, talk.view.budget_next = "auto", talk.clock() + 120
    return talk.message()


def missed_repeatedly(talk: Talk):
    missed(talk)
    talk.view.budget_left = 0
    talk.incident.kind, talk.incident.severity = "push_missed_repeatedly", "critical"
    return talk.message()


def refused(talk: Talk):
    login.press(talk.incident, "Anna", talk.clock())
    talk.clock.advance(0.4)
    sentence = (
        "IBKR's servers reset (23:45-01:45 America/New_York), a login may get lost: try again from 08:00"
    )
    login.refuse(talk.incident, sentence, talk.clock())
    return talk.message()


def unheard(talk: Talk):
    login.press(talk.incident, "Anna", talk.clock())
    talk.clock.advance(login.BEGINS_WITHIN)
    return talk.message()


def failed(talk: Talk):
    return talk.push().to(FAILED, 20, text="IBKR refused the login for U1234567").message()


CASES = {
    made.__name__: made
    for made in (
        asked, asked_weekly, escalated, later, mine, started, started_by_shell, deferred, push_sent,
        countdown, answered, ready, missed, past, missed_auto, missed_repeatedly, refused, unheard, failed,
    )
}  # fmt: skip


def written(message, actions) -> str:
    buttons = "\n".join(f"[{action}]" for action in actions)
    return f"{message.title}\n\n{message.body}\n" + (f"\n{buttons}\n" if buttons else "")


@pytest.mark.parametrize("name", CASES)
def test_the_message_in_full(talk, name):
    text = written(*CASES[name](talk))
    file = GOLDEN / f"login.{name}.txt"
    if os.environ.get("WRITE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


def test_every_golden_of_the_conversation_is_compared():
    assert {file.stem[len("login.") :] for file in GOLDEN.glob("login.*.txt")} == set(CASES)


def test_every_phase_is_among_them(clock):
    phases = set()
    for case in CASES.values():
        talk = Talk(clock)
        case(talk)
        phases.add(talk.phase)
    assert phases == set(ALL)


@pytest.mark.parametrize("name", CASES)
def test_severity_title_and_secrets(talk, name):
    message, _ = CASES[name](talk)
    assert message.severity in SEVERITIES
    assert message.title.startswith(f"[{message.severity}] live on vps1: ")
    assert len(message.title) <= 80
    assert not re.search(r"D?U\d{5,}", message.title + message.body)
    for line in ("Since: ", "The machine: ", "You: ", "Next: "):
        assert any(found.startswith(line) for found in message.body.splitlines())


# --- from phase to phase ---


def test_without_a_conversation_there_is_no_phase(talk):
    talk.view.login = None
    assert talk.phase == ""


def test_a_press_starts_and_the_launchers_events_go_on(talk):
    login.press(talk.incident, "Anna", talk.clock.advance(5))
    assert talk.phase == STARTED
    talk.push()
    assert talk.phase == PUSH_SENT
    talk.to(MISSED, 181)
    # The press was for the push that was missed, and not for another one.
    assert talk.phase == MISSED
    login.press(talk.incident, "Anna", talk.clock.advance(5))
    assert talk.phase == STARTED


def test_a_question_asked_again_forgets_the_press_before(talk):
    login.press(talk.incident, "Anna", talk.clock.advance(5))
    talk.to(ASKED, 30)
    assert talk.phase == ASKED


def test_a_press_after_a_refusal_starts_again(talk):
    refused(talk)
    assert talk.phase == login.REFUSED
    login.press(talk.incident, "Anna", talk.clock.advance(5))
    assert talk.phase == STARTED


@pytest.mark.parametrize(("seconds", "phase"), [(239.9, STARTED), (240.0, login.REFUSED)])
def test_a_login_of_which_nothing_is_heard_asks_again(talk, seconds, phase):
    login.press(talk.incident, "Anna", talk.clock())
    talk.clock.advance(seconds)
    assert talk.phase == phase


def test_only_a_phase_that_asks_has_buttons(clock):
    for case in CASES.values():
        talk = Talk(clock)
        _, actions = case(talk)
        wants = talk.phase in login.ASKING and talk.view.policy == "consent" and case is not past
        assert ("push" in actions) == wants
        assert bool(actions) == wants


def test_who_is_on_it_is_not_asked_whether_he_is(talk):
    _, actions = mine(talk)
    assert actions == ["push", "later_30", "later_120"]


# --- how it reaches people ---


def test_the_first_message_rings_and_the_rest_changes_it():
    assert login.mode(ASKED, "") == SEND
    assert login.mode(PUSH_SENT, "") == SEND
    assert login.mode(STARTED, ASKED) == EDIT
    assert login.mode(PUSH_SENT, STARTED) == EDIT_OR_SEND
    assert login.mode(PUSH_SENT, PUSH_SENT) == EDIT
    assert login.mode(ANSWERED, PUSH_SENT) == EDIT
    assert login.mode(READY, ANSWERED) == EDIT_OR_SEND
    assert login.mode(MISSED, PUSH_SENT) == EDIT_OR_SEND


# --- how it ended ---


def test_how_it_ended(talk):
    ready(talk)
    assert login.outcome(talk.view) == "Approved, ready after 21 s"


def test_how_it_ended_without_a_push(talk):
    talk.to(STARTED, 10, started=talk.clock() + 10).to(READY, 34)
    assert login.outcome(talk.view) == "Ready after 34 s"
    talk.view.login.started = None
    assert login.outcome(talk.view) == "Ready"


@pytest.mark.parametrize(
    ("left", "of", "words"), [(2, 3, ", 2 of 3 left"), (0, None, ", 0 left"), (None, 3, "")]
)
def test_what_is_left_of_the_budget(talk, left, of, words):
    missed(talk)
    talk.view.budget_left = left
    extra = {"budget_logins": of} if of else {}
    context = Context("vps1", talk.clock(), at(talk.clock).zone, extra=extra)
    message, _ = login.compose_login(talk.incident, talk.view, talk.clock(), context)
    assert message.title.endswith("IB Key request missed" + words)


def test_the_countdown_ends_at_zero(talk):
    talk.push()
    talk.clock.advance(500)
    message, _ = talk.message()
    assert message.title.endswith("Approve IB Key now, 0:00 left")


def test_what_is_known_outlives_the_watcher(talk, store):
    """All a phase needs is what the store holds of the incident, and what it holds of the view."""
    login.press(talk.incident, "Anna", talk.clock())
    login.refuse(talk.incident, "no", talk.clock.advance(1))
    fresh = Incident("live", "login", "action", talk.began, detail=dict(talk.incident.detail))
    with store.transaction():
        store.save_incident(fresh)
        store.remember("view:live", talk.view.as_dict())
    again, view = store.incident(fresh.id), InstanceView.of(store.recall("view:live"))
    assert login.phase(again, view, talk.clock()) == login.REFUSED
