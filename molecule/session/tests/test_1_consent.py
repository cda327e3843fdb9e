"""A login needs consent, a token restart needs none; the simulated server counts the logins."""

from harness import seams
from harness.instance import Instance
from harness.wait import wait_until

FULL_LOGIN = ["starting", "login_submitted", "two_factor_waiting", "two_factor_answered", "ready"]


def test_a_start_without_a_saved_session_parks_and_asks(live: Instance):
    live.host.check_output("ibgatewayctl stop live")
    seen, logins = len(live.events()), len(live.logins())

    started = live.host.run("timeout 60 ibgatewayctl start live")

    assert started.rc == 1
    assert "ibgatewayctl login live" in started.stdout
    assert live.status()["state"] == "parked"
    assert live.unit_properties()["ExecMainStatus"] == "77"
    assert live.types_after(seen) == ["consent_needed", "parked"]
    assert live.events()[-1]["detail"]["reason"] == "consent"
    assert len(live.logins()) == logins


def test_consent_sends_one_push_and_is_used_up(live: Instance):
    seen, logins, pushes = len(live.events()), len(live.logins()), live.counted("pushes.sent")
    seams.plan(live, "push=wait")

    live.host.check_output("systemd-run --quiet --collect --unit=follow ibgatewayctl login live")
    live.simulate("wait", "two_factor")
    live.wait_for("two_factor")
    assert "waiting for IB Key" in live.unit_properties()["StatusText"]
    # It looks twice a second, and who approves faster than that is shown the answer alone.
    wait_until(
        lambda: "waiting for IB Key" in live.host.check_output("journalctl --output=cat --unit=follow"),
        "the command to show that it waits",
    )
    live.simulate("approve")
    status = live.wait_for("ready")

    assert live.types_after(seen) == FULL_LOGIN
    assert (status["consent"], status["budget"]["left"]) == (None, 2)
    assert not live.host.file("/run/ibgateway/live/consent.json").exists
    assert (len(live.logins()), live.counted("pushes.sent")) == (logins + 1, pushes + 1)

    again = live.host.check_output("ibgatewayctl login live")
    assert "nothing to do" in again
    assert len(live.logins()) == logins + 1


def test_the_daily_restart_needs_no_login(live: Instance):
    seen, logins, restarts = len(live.events()), len(live.logins()), live.counted("token_restarts")

    live.simulate("restart-now")
    live.wait_for_event("ready", after=seen)

    assert live.types_after(seen) == ["restart_planned", "starting", "token_restart", "ready"]
    assert (len(live.logins()), live.counted("token_restarts")) == (logins, restarts + 1)


def test_a_token_that_ibkr_ended_parks_and_asks(live: Instance):
    seen, logins = len(live.events()), len(live.logins())

    live.simulate("expire-token")
    live.simulate("restart-now")
    live.wait_for_event("parked", after=seen)

    assert live.types_after(seen) == [
        "restart_planned",
        "starting",
        "token_restart",
        "restart_planned",
        "consent_needed",
        "parked",
    ]
    assert len(live.logins()) == logins

    seams.plan(live)
    live.host.check_output("timeout 60 ibgatewayctl login live")
    assert live.status()["state"] == "ready"
    assert len(live.logins()) == logins + 1


def a_month_passes(instance: Instance) -> None:
    """Make the events on disk old, as if the last login was in another week."""
    path = f"/var/lib/ibgateway/{instance.name}/events.jsonl"
    instance.host.check_output('sed -i -E \'s/"time":"[0-9-]{10}T/"time":"2026-01-01T/\' %s', path)


def test_the_weekly_appointment_asks_and_consent_logs_in_anew(live: Instance):
    a_month_passes(live)
    seen, logins, pid = len(live.events()), len(live.logins()), live.status()["java_pid"]

    live.host.check_output("systemctl start ibgateway-login@live.service")

    assert live.types_after(seen) == ["consent_needed"]
    assert live.events()[-1]["detail"]["reason"] == "weekly_login"
    assert (live.status()["state"], live.status()["java_pid"], len(live.logins())) == ("ready", pid, logins)

    live.host.check_output("timeout 90 ibgatewayctl login live")
    assert len(live.logins()) == logins + 1
    assert live.types_after(seen + 1) == ["stopping", "stopped", *FULL_LOGIN]

    live.host.check_output("systemctl start ibgateway-login@live.service")
    assert live.events()[-1]["type"] == "ready"
    assert len(live.logins()) == logins + 1
