"""Each way in which a login goes wrong, met by real IBC: its messages on each channel, and no other."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from conftest import all_over, begin_login, provoke
from harness import seams, words
from harness.instance import Instance
from harness.news import News
from harness.phone import Phone, labels
from harness.wait import wait_until

Hear = Callable[..., News]
PUSH = "Approve IB Key now"
JTS_INI = "/var/lib/ibgateway/live/settings/jts.ini"


def log_in(live: Instance) -> None:
    """A login by consent, to its end."""
    live.host.check_output("ibgatewayctl budget live --reset")
    live.host.run("timeout 60 ibgatewayctl login live")


@pytest.mark.kinds("login")
def test_a_saved_session_that_is_void(live: Instance, hear: Hear):
    heard = hear("live")
    for step in words.scenario("login"):
        live.simulate(step)
    heard.exactly("login")
    live.wait_for("parked")


@pytest.mark.kinds("maintenance", "connection_failed")
def test_what_ibkr_may_let_in_later_asks_for_the_next_login(live: Instance, hear: Hear, kind: str):
    provoke(live, kind)
    heard = hear("live")
    log_in(live)
    heard.exactly(kind, "login")
    live.wait_for("parked")


@pytest.mark.kinds(
    "credentials_rejected",
    "login_refused",
    "password_expired",
    "passkey_required",
    "gateway_desupported",
    "throttled",
)
def test_what_ibkr_refuses_is_not_tried_again(live: Instance, hear: Hear, kind: str):
    provoke(live, kind)
    heard = hear("live")
    log_in(live)
    live.wait_for("parked")
    heard.exactly(kind)


@pytest.mark.kinds("credentials_rejected")
def test_the_login_that_succeeds_speaks_for_what_it_ends(live: Instance, hear: Hear):
    provoke(live, "credentials_rejected")
    heard = hear("live")
    log_in(live)
    heard.exactly("credentials_rejected")

    heard.begin()
    all_over(live)

    heard.exactly("Approved, ready after", webhook=[PUSH, "Approved, ready after"])


@pytest.mark.kinds("code_needed", "code_rejected")
def test_a_wrong_code_and_then_the_right_one(live: Instance, phone: Phone, hear: Hear):
    typed = provoke(live, "code_rejected")
    heard, last = hear("live"), phone.last()

    begin_login(live)
    heard.exactly("code_needed")
    live.simulate(*typed[0])
    heard.exactly("code_needed", "code_rejected")
    # That login still waits for a code, so no other one is offered.
    assert "Send me the push" not in labels(phone.after(last)[-1])
    live.simulate("enter-code", "123456")
    live.wait_for("ready")
    heard.exactly("code_needed", "code_rejected", "Over: Code not accepted")


@pytest.mark.kinds("second_factor_refused")
def test_a_push_that_is_denied(live: Instance, hear: Hear):
    provoke(live, "second_factor_refused")
    heard = hear("live")
    with seams.limits(live.host, two_factor_answered=1):
        log_in(live)
    heard.exactly("Login ended", "second_factor_refused", webhook=[PUSH, "second_factor_refused"])


@pytest.mark.kinds("device_choice_needed")
def test_a_list_of_devices(live: Instance, hear: Hear):
    provoke(live, "device_choice_needed")
    heard = hear("live")
    begin_login(live)
    heard.exactly("device_choice_needed")


@pytest.mark.kinds("competing_session")
def test_a_session_that_is_there_already(live: Instance, hear: Hear):
    all_over(live)
    provoke(live, "competing_session")
    live.simulate("set", "push=wait")
    heard = hear("live")
    begin_login(live)
    # It takes the session over, by IBC's own default here, and the login goes on.
    heard.exactly("competing_session", PUSH)
    live.simulate("approve")
    live.wait_for("ready")


@pytest.mark.kinds("push_missed", "push_missed_repeatedly", "budget_used_up")
def test_pushes_that_nobody_answers(live: Instance, hear: Hear):
    """By the policy `auto`, which sends as many as the budget allows."""
    all_over(live)
    provoke(live, "budget_used_up")
    live.simulate("set", "push.timeout=6")
    live.host.check_output("ibgatewayctl budget live --reset")
    heard = hear("live")
    seams.configure(live, login="auto", budget_logins=3)
    try:
        live.host.check_output("systemctl start --no-block ibgateway@live.service")
        live.wait_for("parked", 60)
    finally:
        seams.configure(live, login="consent", budget_logins=100)
    # On the phone a push changes the message about the miss before, and its own miss changes that again.
    missed, again = "IB Key request missed", "IB Key does not reach you"
    last = "push_missed_repeatedly", "budget_used_up"
    heard.exactly(
        missed, missed, again, *last, webhook=[PUSH, "push_missed", PUSH, "push_missed", PUSH, *last]
    )


@pytest.mark.kinds("login_deferred")
def test_a_login_that_has_to_wait(paper: Instance, hear: Hear):
    with seams.impatient(paper.host, login_deferred=1):
        paper.host.check_output("ibgatewayctl stop paper")
        heard = hear("paper")
        seams.reset_now(paper.host, True)
        try:
            paper.host.check_output("systemctl start --no-block ibgateway@paper.service")
            heard.exactly("login_deferred")
        finally:
            seams.reset_now(paper.host, False)
            paper.host.check_output("ibgatewayctl stop paper")
            paper.host.check_output("systemctl start --no-block ibgateway@paper.service")


@pytest.mark.kinds("password_expiring", "settings_differ")
def test_a_login_that_succeeds_and_is_not_as_wanted(live: Instance, hear: Hear):
    all_over(live)
    provoke(live, "password_expiring")
    live.simulate("set", "push=wait")
    heard = hear("live")

    begin_login(live)
    heard.exactly("password_expiring", PUSH)
    live.host.check_output("sed -i s/^TimeZone=.*/TimeZone=Asia\\\\/Tokyo/ %s", JTS_INI)
    live.simulate("approve")

    live.wait_for("ready")
    heard.exactly(
        "password_expiring",
        "Approved, ready",
        "settings_differ",
        webhook=["password_expiring", PUSH, "Approved, ready", "settings_differ"],
    )


@pytest.mark.kinds("session_taken")
def test_another_login_takes_the_session(live: Instance, hear: Hear):
    all_over(live)
    heard = hear("live")
    live.simulate("take-session")
    live.wait_for("parked")
    heard.exactly("session_taken")


@pytest.mark.kinds("logins_too_often")
def test_more_than_two_logins_in_a_week_are_told_once(live: Instance, hear: Hear):
    """There were enough of them if the files before were run, too. Those within a minute count as one."""
    heard = hear("live")

    def enough() -> bool:
        if "logins_too_often" in live.host.check_output("ibgatewayctl incidents live --json"):
            return True
        ready = [event["time"] for event in live.events() if event["type"] == "ready"][-1]
        if datetime.now(UTC) - datetime.fromisoformat(ready) > timedelta(seconds=61):
            live.host.check_output("ibgatewayctl stop live")
            all_over(live)
        return False

    wait_until(enough, "three logins that count", 200)
    heard.once("logins_too_often")
