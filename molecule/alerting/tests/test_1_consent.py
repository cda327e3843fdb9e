"""A login from the phone: nothing before the press, one login for a press, one message that tells all."""

import json
from collections.abc import Callable

import pytest
from conftest import happen
from harness import seams
from harness.instance import Instance
from harness.news import News
from harness.phone import Phone, labels, mailbox, text_of, title_of, webhook
from harness.wait import wait_until

PUSH, LATER, MINE = "Send me the push", "Later: 30 min", "I'm on it"
ASKED = "May I send you the push?"


@pytest.fixture
def asked(live: Instance, phone: Phone) -> dict:
    """The question for a login that has just become due."""
    seams.plan(live)
    seams.log_in(live)
    live.host.check_output("ibgatewayctl stop live")
    last = phone.last()
    live.host.run("timeout 60 ibgatewayctl start live")
    live.wait_for("parked")
    return phone.wait_for(ASKED, after=last)


def refused_presses(live: Instance) -> int:
    journal = live.host.check_output(
        "journalctl --no-pager --output=cat --unit=ibgateway-watch --unit=ibgateway-notify"
    )
    return sum("press" in line and ("refus" in line or "not " in line) for line in journal.splitlines())


def test_nothing_happens_before_the_press(live: Instance, phone: Phone, asked: dict):
    logins = len(live.logins())
    assert PUSH in labels(asked)
    assert len(live.logins()) == logins
    assert live.status()["state"] == "parked"


def test_who_may_not_press_changes_nothing(live: Instance, phone: Phone, asked: dict):
    logins, noted = len(live.logins()), refused_presses(live)

    answers = [
        phone.press(asked, PUSH, user=666),
        phone.press(asked, PUSH, data="v1|AAAAAAAAAAAAAAAA"),
        phone.press(asked, PUSH, data="rm -rf /"),
    ]

    assert all("not" in answer for answer in answers), answers
    assert refused_presses(live) >= noted + 3
    assert len(live.logins()) == logins
    assert live.status()["state"] == "parked"


def test_a_press_becomes_one_login_that_the_message_follows(live: Instance, phone: Phone, asked: dict):
    seams.plan(live, "push=wait")
    logins, seen, last = len(live.logins()), len(live.events()), phone.last()

    phone.press(asked, PUSH)
    live.wait_for_event("starting", after=seen, seconds=10)
    waiting = phone.wait_until_it_says(asked["id"], "Approve IB Key now")
    assert labels(waiting) == []
    live.simulate("approve")
    again = phone.press(asked, PUSH, data=asked["buttons"][0][0][1])
    assert "already" in again or "used" in again or "not" in again
    live.wait_for("ready")

    done = phone.wait_until_it_says(asked["id"], "Approved, ready after")
    assert title_of(done).startswith("Approved, ready after")
    assert len(live.logins()) == logins + 1
    # All of it in one message: nothing else rang.
    assert phone.after(last) == []


def test_a_channel_without_edits_hears_what_matters(live: Instance, phone: Phone, asked: dict):
    before = len(webhook(live.host))
    seams.plan(live)

    phone.press(asked, PUSH)
    live.wait_for("ready")

    wait_until(lambda: any("ready after" in m["title"] for m in webhook(live.host)[before:]), "the webhook")
    titles = [message["title"].partition(": ")[2] for message in webhook(live.host)[before:]]
    assert [title.split(",")[0] for title in titles if "Approve IB" not in title] == ["Approved"]


def test_a_missed_push_asks_again_and_later_keeps_it_quiet(live: Instance, phone: Phone, asked: dict):
    seams.plan(live, "push=ignore", "push.timeout=6")
    mails, logins = len(mailbox(live.host)), len(live.logins())

    phone.press(asked, PUSH)
    live.wait_for("parked", 90)
    missed = phone.wait_for("IB Key request missed", after=asked["id"])
    assert PUSH in labels(missed)
    # The one that was pressed does not go on calling for an answer.
    assert labels(phone.wait_until_it_says(asked["id"], "It goes on in the message that follows")) == []
    answer = phone.press(missed, LATER)

    assert "30 min" in answer or "later" in answer.lower() or "again" in answer
    phone.wait_until_it_says(missed["id"], "it asks again at")
    shown = json.loads(live.host.check_output("ibgatewayctl incidents live --json"))["incidents"]
    (open_one,) = [one for one in shown if one["kind"] == "push_missed"]
    assert open_one["snoozed_until"]
    assert len(mailbox(live.host)) == mails
    assert len(live.logins()) == logins + 1


@pytest.mark.kinds("password_expiring", "unknown_event")
def test_nobody_answers_and_the_next_one_hears_of_it(
    live: Instance, paper: Instance, phone: Phone, asked: dict, hear: Callable[..., News]
):
    logins, told, other = len(live.logins()), hear("live"), hear("paper")
    happen(paper, "no_such_event")
    happen(paper, "password_expiring", text="in 5 days")

    # The mailbox gets what nobody has taken on for a minute, and nothing that needs nobody.
    other.exactly(
        "unknown_event", "password_expiring", mail=["Nobody yet: Password expires soon"], seconds=100
    )
    told.exactly(mail=["Nobody yet: May I send you the push?"])

    assert len(live.logins()) == logins
    assert live.status()["state"] == "parked"
    phone.press(asked, MINE)
    phone.wait_until_it_says(asked["id"], "is on it")
    assert ASKED in text_of(asked)
