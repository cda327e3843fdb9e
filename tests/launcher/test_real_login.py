"""Real IBC meets what ends a login: the launcher ends each state, and IBKR counts the logins."""

from __future__ import annotations

import pytest
from real_box import x_server

pytestmark = pytest.mark.workshop

PARKED, RELAUNCH, CONFIGURATION = 77, 75, 78


@pytest.mark.parametrize(
    ("scenario", "code", "reason", "events", "logins"),
    [
        (["login=wrong_password"], PARKED, "credentials_rejected", {"credentials_rejected"}, 1),
        (["login=login_failed"], PARKED, "login_refused", {"login_refused"}, 1),
        (["login=login_error"], PARKED, "login_refused", {"login_refused"}, 1),
        (["login=too_many_attempts", "login.wait=1"], PARKED, "throttled", {"throttled"}, 1),
        (["login=maintenance"], RELAUNCH, "maintenance", {"maintenance"}, 1),
        (["login=connection_failed"], RELAUNCH, "connection_failed", {"connection_failed"}, 1),
        (["login=silent"], RELAUNCH, "stuck_logging_in", {"stuck"}, 1),
        (["login=unknown_dialog"], PARKED, "unknown_dialog", {"unknown_dialog"}, 1),
        (
            ["second_factor=device_list"],
            PARKED,
            "choice_missing",
            {"device_choice_needed"},
            1,
        ),
        (
            ["second_factor=code", "code.title=Security Code Card Authentication"],
            PARKED,
            "code_missing",
            {"two_factor_waiting"},
            1,
        ),
        # A code window of this title cannot be told from a push.
        (["second_factor=code"], PARKED, "two_factor_missed", {"two_factor_waiting", "two_factor_missed"}, 1),
        (
            ["push=ignore", "push.timeout=4.5"],
            PARKED,
            "two_factor_missed",
            {"two_factor_waiting", "two_factor_missed"},
            1,
        ),
        (["push=wait"], PARKED, "two_factor_missed", {"two_factor_waiting", "two_factor_missed"}, 1),
        (
            ["push=deny"],
            PARKED,
            "second_factor_refused",
            {"two_factor_waiting", "two_factor_answered", "login_refused"},
            1,
        ),
        (["startup=no_window"], RELAUNCH, "stuck_login_dialog", {"stuck"}, 0),
        (["startup=odd_window"], PARKED, "stuck_login_window", {"stuck"}, 0),
        (["startup=crash"], RELAUNCH, "crashed", {"crashed"}, 0),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_state(real, scenario, code, reason, events, logins):
    box = real()
    box.scenario(*scenario)
    run = box.launch()
    assert (*box.end_of(run), box.logins()) == (code, reason, logins), run.log[-4000:]
    assert box.told() == events | ({"parked"} if code == PARKED else set())
    assert box.budget() == 1


@pytest.mark.parametrize("scenario", ["login=existing_session", "login=handoff"])
@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("primary", None),
        ("secondary", "competing_session"),
        ("manual", "choice_missing"),
    ],
)
def test_another_session_at_the_login(real, scenario, action, reason):
    box = real()
    box.change_ini(ExistingSessionDetectedAction=action)
    box.scenario(scenario)
    if reason is None:
        run = box.launch_ready()
        assert box.event("competing_session")
        assert run.stop() == 0
    else:
        run = box.launch()
        assert box.end_of(run) == (PARKED, reason), run.log[-4000:]
        assert {"competing_session", "parked"} <= box.told()
    assert box.logins() == 1


def test_a_password_notice_is_told_and_the_login_goes_on(real):
    box = real()
    box.scenario("login=password_notice")
    run = box.launch_ready()
    assert box.event("password_expiring")["text"] == "Password Notice"
    assert run.stop() == 0


def test_a_device_chosen_by_a_person_in_time_is_no_end(real):
    box = real()
    box.scenario("second_factor=device_list")
    run = box.launch_to("device_list", choice=60.0)
    run.wait_for(lambda: "device_choice_needed" in box.types())
    box.simulator("choose-device IB Key")
    run.wait_ready()
    assert run.stop() == 0


def test_a_code_typed_in_time_is_no_end(real):
    box = real()
    box.scenario("second_factor=code", "code=123456", "code.title=Security Code Card Authentication")
    run = box.launch_to("code", code=60.0)
    run.wait_for(lambda: box.event("two_factor_waiting")["kind"] == "code")
    box.simulator("enter-code 123456")
    run.wait_ready()
    assert run.stop() == 0


@pytest.mark.parametrize(("policy", "code"), [("consent", PARKED), ("auto", RELAUNCH)])
def test_ibcs_own_login_loop_is_ended(real, policy, code):
    box = real(policy)
    box.change_ini(ReloginAfterSecondFactorAuthenticationTimeout="yes")
    box.scenario("push=ignore", "push.timeout=4.5")
    run = box.launch()
    assert box.end_of(run) == (code, "two_factor_missed")
    assert box.logins() == 1
    assert box.event("two_factor_missed")["again"] is (policy == "auto")


def test_a_storm_ends_at_ibkr(real):
    box = real("auto")
    box.scenario("login=connection_failed")
    codes = [box.end_of(box.launch()) for _ in range(4)]
    assert codes == [(RELAUNCH, "connection_failed")] * 3 + [(PARKED, "budget")]
    assert box.logins() == 3


def test_exit_before_the_login_is_complete_parks(real):
    box = real()
    box.scenario("push=wait")
    run = box.launch_to("two_factor", two_factor_grace=60.0)
    box.simulator("exit 0")
    assert box.end_of(run) == (PARKED, "closed")
    assert "parked" in box.told()


def test_x_server_that_dies_during_a_login(real):
    box = real()
    box.scenario("push=wait")
    with x_server() as (name, server):
        box.display = name
        run = box.launch_to("two_factor", two_factor_grace=60.0)
        server.kill()
        assert box.end_of(run) == (RELAUNCH, "crashed"), run.log[-3000:]
    assert box.event("crashed")["text"] == "the X server is gone"


def test_x_server_that_is_not_there_costs_no_login(real):
    box = real()
    box.display = ":4999"
    run = box.launch(display=1.0)
    assert box.end_of(run) == (RELAUNCH, "stuck_display")
    assert box.told() == {"stuck"}
    assert box.logins() == 0


def test_setting_that_ibc_refuses(real):
    box = real()
    box.change_ini(BypassOrderPrecautions="perhaps")
    box.scenario()
    run = box.launch()
    assert box.end_of(run) == (CONFIGURATION, "java"), run.log[-3000:]
    assert box.event("configuration_invalid")["exit_code"] == 81


def test_option_that_java_refuses(real, tmp_path):
    box = real()
    program = tmp_path / "another"
    program.mkdir()
    for thing in box.program.iterdir():
        (program / thing.name).symlink_to(thing)
    options = program / "ibgateway.vmoptions"
    text = options.read_text()
    options.unlink()
    options.write_text(f"{text}-XX:+NoSuchThing\n")
    box.program = program
    box.write_toml(login="consent", heap=128)
    assert box.end_of(box.launch()) == (CONFIGURATION, "java")
    assert box.told() == {"configuration_invalid"}
    assert "NoSuchThing" in box.event("configuration_invalid")["text"]
    assert box.logins() == 0


def test_no_login_without_consent(real):
    box = real()
    run = box.launch(consented=False)
    assert box.end_of(run) == (PARKED, "consent")
    assert box.told() == {"consent_needed", "parked"}
    assert box.logins() == 0
