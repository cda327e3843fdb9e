"""Real IBC meets every login state of the simulator."""

import hashlib
import time

import pytest

pytestmark = pytest.mark.workshop


def test_live_login_by_push_configures_and_logs_out(run):
    gateway = run(
        IbPassword=r"p\#w\!d\\x\=y\:z% \u00fc\u0416 end", OverrideTwsMasterClientID="7", ReadOnlyApi="no"
    )
    gateway.configured()
    (login,) = gateway.simulator.logins()
    assert login["username"] == "simuser"
    assert login["mode"] == "live"
    assert login["password_sha256"] == hashlib.sha256("p#w!d\\x=y:z% üЖ end".encode()).hexdigest()
    state = gateway.simulator.state()
    assert state["read_only"] is False
    assert (state["exit_action"], state["exit_time"]) == ("restart", gateway.quiet_time)
    assert "TWS API socket port was set to 4001" in gateway.log()
    ini = (gateway.settings / "jts.ini").read_text()
    assert "[Communication]\nPeer=ndc1.ibllc.com:4000\n" in ini
    assert "s3store=true" in ini
    assert gateway.command("STOP").startswith("OK")
    assert gateway.ended() == 0
    assert gateway.counters() == {"logins": 1, "logouts": 1, "pushes.approved": 1, "pushes.sent": 1}


def test_settings_are_kept_between_runs(run):
    first = run()
    first.configured()
    first.command("STOP")
    first.ended()
    first.start("live", {})
    first.configured()
    assert f"TWS API socket port is already set to {first.api_port}" in first.log()


def test_paper_login_needs_no_push_but_the_warning_accepted(run):
    gateway = run("paper", AcceptNonBrokerageAccountWarning="no")
    gateway.wait("paper_warning")
    assert gateway.simulator.state()["api_port"] == 0
    gateway.simulator.send("dismiss")
    gateway.configured()
    assert "pushes.sent" not in gateway.counters()


def test_missed_push_is_repeated_when_ibc_logs_in_again(run):
    gateway = run(
        scenario=["push=ignore,approve", "push.timeout=2.5"],
        SecondFactorAuthenticationTimeout="2",
        ReloginAfterSecondFactorAuthenticationTimeout="yes",
    )
    gateway.wait_log("Re-login after second factor authentication timeout in 5 second")
    gateway.configured()
    assert "Login attempt: 2" in gateway.log()
    assert gateway.counters() == {"logins": 2, "pushes.approved": 1, "pushes.missed": 1, "pushes.sent": 2}


def test_missed_push_leaves_the_login_window(run):
    gateway = run(scenario=["push=ignore", "push.timeout=2.5"], SecondFactorAuthenticationTimeout="2")
    gateway.wait_log("Re-login after second factor authentication timeout not required")
    gateway.wait("login")


def test_denied_push_ends_ibc(run):
    gateway = run(
        scenario=["push=deny"],
        SecondFactorAuthenticationExitInterval="2",
        ReloginAfterSecondFactorAuthenticationTimeout="yes",
    )
    assert gateway.ended() == 87
    assert gateway.counters()["pushes.denied"] == 1


def test_push_waits_for_the_operator(run):
    gateway = run(scenario=["push=wait"])
    gateway.wait("two_factor")
    gateway.simulator.send("approve")
    gateway.configured()


def test_device_list_with_a_choice(run):
    gateway = run(scenario=["second_factor=device_list", "devices=SMS,IB Key"], SecondFactorDevice="IB Key")
    gateway.configured()
    assert "Selected second factor device: IB Key" in gateway.log()


def test_device_list_without_a_choice_waits(run):
    gateway = run(scenario=["second_factor=device_list"])
    gateway.wait_log("You should specify the required second factor device")
    gateway.wait("device_list")
    gateway.simulator.send("choose-device IB Key")
    gateway.configured()


def test_wrong_code_is_asked_for_again(run):
    gateway = run(scenario=["second_factor=code", "code=123456"])
    gateway.wait("code")
    gateway.simulator.send("enter-code 999999")
    gateway.wait("code")
    gateway.simulator.send("enter-code 123456")
    gateway.configured()
    assert gateway.counters()["codes.rejected"] == 1


def test_code_dialog_of_another_title(run):
    gateway = run(scenario=["second_factor=code", "code.title=Security code"], ReadOnlyLogin="yes")
    gateway.wait_log("dialog entitled: Security code; event=Opened")


def test_existing_session_is_taken_over(run):
    gateway = run(scenario=["login=existing_session"], ExistingSessionDetectedAction="primary")
    gateway.configured()
    assert "(scenario 3)" in gateway.log()


def test_existing_session_is_left_alone(run):
    gateway = run(scenario=["login=existing_session"], ExistingSessionDetectedAction="secondary")
    assert gateway.ended() == 0
    assert "(scenario 2)" in gateway.log()


def test_trading_login_handoff(run):
    gateway = run(scenario=["login=handoff"], ExistingSessionDetectedAction="primary")
    gateway.configured()
    assert "Trading Login Handoff dialog" in gateway.log()


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        ("login_failed", "Login failed$"),
        ("login_error", "^No thanks$"),
        ("connection_failed", "Connection to server failed"),
    ],
)
def test_ibc_starts_cold_after_a_refusal_and_the_next_login_works(run, outcome, line):
    gateway = run(scenario=[f"login={outcome},ok", "login.text=No thanks"])
    gateway.wait_log(line)
    gateway.configured()
    assert "IBC will cold-restart shortly" in gateway.log()
    assert [login["outcome"] for login in gateway.simulator.logins()] == [outcome, "ok"]


def test_wrong_password_is_met_with_silence(run):
    gateway = run(scenario=["login=wrong_password"])
    gateway.wait_log("entitled: Unrecognized Username or Password; event=Opened")
    assert gateway.wait("wrong_password")["windows"] == ["IBKR Gateway", "Unrecognized Username or Password"]
    gateway.simulator.send("dismiss")
    gateway.wait("login")


def test_too_many_attempts_are_waited_for(run):
    gateway = run(
        scenario=["login=too_many_attempts,ok", "login.wait=1"],
        ReloginAfterSecondFactorAuthenticationTimeout="yes",
    )
    gateway.wait_log("Too many failed login attempts. Please wait 1 seconds")
    gateway.configured()
    assert gateway.counters()["logins"] == 2


def test_maintenance_ends_ibc(run):
    assert run(scenario=["login=maintenance"]).ended() == 76


def test_unknown_dialog_blocks_until_dismissed(run):
    gateway = run(scenario=["login=unknown_dialog", "unknown.title=Login Messages", "unknown.text=Read me"])
    gateway.wait_log("entitled: Login Messages; event=Opened")
    gateway.wait_log("Read me")
    gateway.wait("unknown_dialog")
    gateway.simulator.send("dismiss")
    gateway.configured()


def test_password_notice(run):
    gateway = run(scenario=["login=password_notice"])
    gateway.wait_log("frame entitled: Password Notice; event=Opened")
    gateway.configured()


def test_server_that_never_answers(run):
    gateway = run(scenario=["login=silent"])
    gateway.wait("authenticating")
    time.sleep(3)
    assert gateway.simulator.state()["state"] == "authenticating"
    assert "Second Factor" not in gateway.log()


def test_no_login_window(run):
    gateway = run(scenario=["startup=no_window,ok"], LoginDialogDisplayTimeout="4")
    gateway.wait_log("IBC closing after TWS/Gateway failed to display login dialog")
    gateway.configured()


def test_crash_at_startup(run):
    assert run(scenario=["startup=crash"]).ended() == 76
