"""Each thing that can go wrong, met by real IBC: the messages it makes, on both channels, and no other."""

import json

import pytest
from harness import seams
from harness.instance import Instance
from harness.phone import Phone, text_of, title_of, webhook
from harness.wait import wait_until

LOGINS = {
    # scenario → the messages that ring after the login was asked for in a shell
    "login=wrong_password": ["User name or password wrong"],
    "login=login_failed": ["Login refused"],
    "login=login_error login.text=Your\\ password\\ has\\ expired": ["Password has expired"],
    "login=login_error login.text=Required\\ PassKey\\ is\\ not\\ supported": ["IBKR asks for a passkey"],
    "login=too_many_attempts": ["Too many login attempts"],
    "login=maintenance": ["IBKR is under maintenance"],
    "login=connection_failed": ["IBKR cannot be reached"],
    "startup=crash": ["Gateway died"],
}


def told(live: Instance, phone: Phone, last: int, count: int) -> list[str]:
    """The titles on the phone after a message, once there are so many; the login conversation left out."""

    def look() -> list[str]:
        titles = [title_of(message) for message in phone.after(last) if "live on" in text_of(message)]
        return [
            title
            for title in titles
            if not title.startswith(("May I", "Approve", "Logging in", "Login ended"))
        ]

    wait_until(lambda: len(look()) >= count, f"{count} messages, have {look()}", 30)
    return look()


@pytest.mark.parametrize(
    ("scenario", "titles"), LOGINS.items(), ids=[name.split()[0] + name[-9:] for name in LOGINS]
)
def test_a_login_that_fails(live: Instance, phone: Phone, scenario: str, titles: list[str]):
    live.host.check_output("ibgatewayctl stop live")
    seams.plan(live)
    live.host.check_output(f"gateway-sim live set {scenario}")
    last, hooked = phone.last(), len(webhook(live.host))

    live.host.run("timeout 120 ibgatewayctl login live")
    live.wait_for("parked", 60)

    assert told(live, phone, last, len(titles)) == titles
    hooks = [entry["title"].partition(": ")[2] for entry in webhook(live.host)[hooked:]]
    assert titles[0] in hooks
    seams.plan(live)
    seams.log_in(live)
    wait_until(lambda: not open_kinds(live), "everything to be over")


def open_kinds(live: Instance) -> set[str]:
    """The kinds of incident that are open, but for what the many logins of these tests make."""
    shown = json.loads(live.host.check_output("ibgatewayctl incidents live --json"))["incidents"]
    return {one["kind"] for one in shown} - {"logins_too_often", "password_expiring"}


def test_a_code_is_wanted(live: Instance, phone: Phone):
    live.host.check_output("ibgatewayctl stop live")
    seams.plan(live, "second_factor=code", "code.title=Security Code Card Authentication")
    last = phone.last()

    live.host.check_output("systemctl start --no-block ibgateway-consent@live.service")
    phone.wait_for("IBKR asks for a code", after=last, seconds=60)
    live.simulate("enter-code", "123456")

    live.wait_for("ready")
    wait_until(lambda: not open_kinds(live), "everything to be over")


def test_another_login_takes_the_session(live: Instance, phone: Phone):
    seams.plan(live)
    seams.log_in(live)
    last = phone.last()

    live.simulate("take-session")
    live.wait_for("parked")

    assert told(live, phone, last, 1) == ["Session taken over"]
    seams.log_in(live)


def test_java_dies(live: Instance, phone: Phone):
    last = phone.last()

    live.host.check_output("kill -9 %s", str(live.status()["java_pid"]))
    live.wait_for("parked")

    assert told(live, phone, last, 1) == ["Gateway died"]
    phone.wait_for("May I send you the push?", after=last)
    seams.log_in(live)


def test_the_password_is_about_to_expire(live: Instance, phone: Phone):
    live.host.check_output("ibgatewayctl stop live")
    seams.plan(live, "login=password_notice")
    last = phone.last()

    live.host.check_output("timeout 90 ibgatewayctl login live")

    assert "Password expires soon" in told(live, phone, last, 1)
    seams.plan(live)
