"""Who is told, and when: severities, the steps of the ladder, acknowledgement, snooze, reminders."""

from __future__ import annotations

import pytest
from alerting_tools import FakeClock, channel
from ibgateway_alerting.model import EDIT, Incident, Message
from ibgateway_alerting.store import Store
from ibgateway_alerting.watch.ladder import ASKED_AGAIN, TOLD_ON, Ladder
from story import Story, loud

CHANNELS = (
    channel("phone"),
    channel("mail", kind="apprise", after_minutes=15, who="Anna", users=()),
    channel("pager", kind="apprise", severity="critical", after_minutes=15, who="Anna", users=()),
    channel("partner", kind="apprise", severity="action", after_minutes=60, who="Ben", users=()),
)
MESSAGE = Message("action", "[action] live on vps1: Words", "Body")


@pytest.fixture
def ladder(make_settings, store: Store) -> Ladder:
    return Ladder(make_settings(channels=CHANNELS), store)


@pytest.fixture
def long_story(make_settings, clock: FakeClock) -> Story:
    made = Story(make_settings(channels=CHANNELS), clock)
    yield made
    made.store.close()


def incident(**changes) -> Incident:
    return Incident("live", "crashed", changes.pop("severity", "action"), 0.0, id=1, told=0.0, **changes)


@pytest.mark.parametrize(
    ("severity", "level", "names"),
    [
        ("info", 0, ["phone"]),
        ("critical", 0, ["phone"]),
        ("action", 1, ["phone", "mail"]),
        ("critical", 1, ["phone", "mail", "pager"]),
        ("warning", 2, ["phone", "mail"]),
        ("critical", 2, ["phone", "mail", "pager", "partner"]),
    ],
)
def test_severity_and_level_choose_the_channels(ladder: Ladder, severity: str, level: int, names: list[str]):
    assert [one.name for one in ladder.reached(incident(severity=severity, level=level))] == names


def test_steps_are_climbed_one_by_one(ladder: Ladder):
    one = incident()
    assert ladder.next_step(one) == 900
    assert ladder.climb(one, 899) == set()
    assert ladder.climb(one, 900) == {"mail"}
    assert ladder.next_step(one) == 3600
    assert [c.name for c in ladder.coming(one)] == ["partner"]
    assert ladder.climb(one, 3600) == {"partner"}
    assert ladder.next_step(one) is None
    assert ladder.coming(one) == []


def test_steps_that_were_slept_through_are_taken_together(ladder: Ladder):
    assert ladder.climb(incident(severity="critical"), 99999) == {"mail", "pager", "partner"}


def test_a_step_that_adds_nobody_is_passed_over(ladder: Ladder):
    one = incident(severity="warning")
    assert ladder.climb(one, 900) == {"mail"}
    assert ladder.next_step(one) is None


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"acknowledged": 5.0}, None),
        ({"resolved": 5.0}, None),
        ({"snoozed_until": 5000.0}, 5900.0),
        ({"detail": {ASKED_AGAIN: 7000.0}}, 7900.0),
    ],
)
def test_ladder_stands_still_or_begins_again(ladder: Ladder, changes: dict, step: float | None):
    assert ladder.next_step(incident(**changes)) == step


def test_edits_are_only_for_channels_that_can(ladder: Ladder, store: Store):
    one = store.save_incident(Incident("live", "crashed", "critical", 0.0, told=0.0, level=2))
    assert ladder.tell(one, MESSAGE, 1.0, EDIT) == ["phone"]
    assert ladder.tell(one, MESSAGE, 1.0) == ["phone", "mail", "pager", "partner"]
    assert one.detail[TOLD_ON] == ["phone", "mail", "pager", "partner"]
    assert ladder.tell(one, MESSAGE, 1.0, only={"mail"}) == ["mail"]
    assert [queued.incident for queued in store.waiting("mail")] == [one.id] * 2


def test_announcements_go_to_whoever_hears_things_at_once(ladder: Ladder, store: Store):
    assert ladder.announce(MESSAGE, 1.0) == ["phone"]
    assert store.waiting("phone")[0].incident is None


# --- with the brain ---------------------------------------------------------------------------------------


def channels_of(heard: list) -> list[str]:
    return [one.channel for one in heard if one.mode != "edit"]


def test_nobody_answers(long_story: Story):
    story = long_story
    story.event("credentials_rejected", text="x")
    assert channels_of(story.heard) == ["phone"]
    assert "mail to Anna" in story.heard[0].body
    assert story.wait(899) == []
    heard = story.wait(2)
    assert channels_of(heard) == ["mail", "pager"]
    assert "Anna, this comes to you because nobody took it on for 15 min" in heard[0].body
    assert "partner to Ben" in heard[0].body
    assert channels_of(story.wait(2700)) == ["partner"]
    # Reminded on every channel it has reached by now.
    reminded = story.wait(4 * 3600)
    assert channels_of(reminded) == ["phone", "mail", "pager", "partner"]
    assert loud(reminded) == ["Still: User name or password wrong"]


def test_taken_on_is_nobody_elses(long_story: Story):
    story = long_story
    story.event("credentials_rejected", text="x")
    heard = story.press("mine")
    assert [one.mode for one in heard] == ["edit"]
    assert "Anna is on it" in heard[0].body
    assert story.wait(2 * 86400) == []
    story.event("starting", resumes=False)
    assert channels_of(story.event("ready")) == ["phone"]


def test_later_asks_again_and_begins_the_ladder_again(long_story: Story):
    story = long_story
    story.event("consent_needed", reason="login_due")
    story.wait(600)
    heard = story.press("later_30")
    assert [one.mode for one in heard] == ["edit"]
    assert "asks again" in heard[0].body or "told again" in heard[0].body
    assert story.wait(1799) == []
    again = story.wait(2)
    assert channels_of(again) == ["phone"]
    assert "push" in again[0].actions
    assert story.wait(897) == []
    assert channels_of(story.wait(3)) == ["mail"]


def test_nothing_is_escalated_while_somebody_logs_in(long_story: Story):
    story = long_story
    story.event("crashed", signal=9)
    story.event("consent_needed", reason="login_due")
    story.press("push")
    story.event("starting", resumes=False)
    story.event("login_submitted", attempt=1)
    story.wait(850)
    story.event("two_factor_waiting", title="x", seconds=180)
    assert channels_of(story.wait(170)) == []
    # Missed: it asks anew, and the ladder begins again.
    assert channels_of(story.event("two_factor_missed", again=False)) == ["phone"]
    assert channels_of(story.wait(895)) == []
    assert channels_of(story.wait(10)) == ["mail"]


def test_warnings_are_not_repeated(long_story: Story):
    story = long_story
    story.event("settings_differ", text="x")
    story.wait(901)
    assert story.wait(86400) == []


def test_rule_may_repeat_at_its_own_pace(long_story: Story):
    story = long_story
    story.event("password_expiring", text="in 5 days")
    story.wait(3601)
    assert loud(story.wait(86400 - 3700)) == []
    assert loud(story.wait(200)) == ["Still: Password expires soon"]


def test_foreign_press_changes_nothing(long_story: Story):
    story = long_story
    story.event("credentials_rejected", text="x")
    assert story.press("mine", user=666) == []
    assert story.store.open_incidents()[0].acknowledged is None
    assert channels_of(story.wait(901)) == ["mail", "pager"]
