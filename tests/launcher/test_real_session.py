"""Real IBC meets what ends a session that is logged in, or keeps one from getting ready."""

from __future__ import annotations

import pytest
from real_box import gateway_sim, x_server

pytestmark = pytest.mark.workshop

STOPPED, PARKED, RELAUNCH = 0, 77, 75


# --- while getting ready ---


def test_api_that_does_not_answer_is_a_stop_where_a_restart_would_do_harm(real):
    box = real()
    box.write_toml(login="consent", heap=128, daily_restart="")
    box.scenario("push=wait")
    run = box.launch_to("two_factor", two_factor_grace=60.0, api=2.0, api_probe=1.0)
    box.simulator("wedge")
    box.simulator("approve")
    assert box.end_of(run) == (RELAUNCH, "stuck_api"), run.log[-4000:]
    assert box.told() == {"two_factor_waiting", "two_factor_answered", "stuck"}
    assert box.counters()["logouts"] == 1


def test_link_that_stays_down(real):
    box = real()
    box.write_toml(login="consent", heap=128, daily_restart="")
    box.scenario("push=wait")
    run = box.launch_to("two_factor", two_factor_grace=60.0, api_probe=1.0, link=2.0)
    # The wedge keeps the API from answering before its link is lost.
    box.simulator("wedge on")
    box.simulator("approve")
    box.simulated.wait(["ready"], 30)
    box.simulator("link lost")
    box.simulator("wedge off")
    assert box.end_of(run) == (RELAUNCH, "stuck_link"), run.log[-4000:]
    assert box.event("stuck")["where"] == "link"
    assert "ready" not in box.told()
    assert "READY=1" not in run.notified


def test_link_that_comes_back_in_time(real):
    box = real()
    box.scenario("push=wait")
    run = box.launch_to("two_factor", two_factor_grace=60.0, api_probe=1.0)
    box.simulator("wedge on")
    box.simulator("approve")
    box.simulated.wait(["ready"], 30)
    box.simulator("link lost")
    box.simulator("wedge off")
    run.wait_for(lambda: "no link" in box.state_json()["status"])
    box.simulator("link restored")
    run.wait_ready()
    assert run.stop() == STOPPED


def test_settings_that_cannot_be_applied(real):
    box = real()
    box.write_toml(login="consent", heap=128, daily_restart="")
    box.scenario("settings=no_window")
    run = box.launch(configuring=3.0)
    assert box.end_of(run) == (RELAUNCH, "stuck_configuring"), run.log[-4000:]
    assert box.event("stuck")["where"] == "configuring"


def test_full_heap(real):
    box = real()
    box.scenario()
    run = box.launch_ready(out_of_memory=2.0)
    box.simulator("exhaust-memory")
    assert box.end_of(run) == (RELAUNCH, "stuck_memory"), run.log[-4000:]
    assert box.event("stuck")["text"].endswith("raise the instance's heap")


# --- the saved session ---


@pytest.mark.parametrize(
    ("scenario", "reason", "event"),
    [
        ("restart=expired", "token_expired", "restart_planned"),
        ("restart=wrong_password", "token_expired", "restart_planned"),
        ("restart=silent", "stuck_resuming", "stuck"),
        ("restart=connection_failed", "connection_failed", "connection_failed"),
    ],
)
def test_saved_session_that_is_not_accepted_costs_no_login(real, scenario, reason, event):
    box = real()
    box.scenario(scenario)
    (box.settings / ("a" * 40)).mkdir()
    (box.settings / ("a" * 40) / "autorestart").touch()
    run = box.launch(consented=False)
    assert box.end_of(run) == (RELAUNCH, reason), run.log[-4000:]
    assert box.told() == {"token_restart", event}
    assert box.logins() == 0
    assert not list(box.settings.glob("*/autorestart"))


def test_token_restart_costs_no_login(real):
    box = real()
    box.scenario()
    run = box.launch_ready()
    box.simulator("restart-now")
    assert box.end_of(run) == (RELAUNCH, "token_restart")
    assert box.event("restart_planned")["kind"] == "token"
    run = box.launch(consented=False)
    run.wait_for(lambda: box.types().count("ready") == 2, 60)
    assert run.stop() == STOPPED
    assert box.logins() == 1


def test_two_saved_sessions_are_set_aside_and_a_login_asks_for_consent(real):
    box = real()
    box.scenario()
    run = box.launch_ready()
    other = box.settings / ("b" * 40) / "autorestart"
    other.parent.mkdir()
    other.write_text("another\n")
    box.simulator("restart-now")
    assert box.end_of(run) == (RELAUNCH, "several_tokens")
    assert box.event("restart_planned")["kind"] == "login"
    assert not list(box.settings.glob("*/autorestart"))
    assert box.end_of(box.launch(consented=False)) == (PARKED, "consent")
    assert box.logins() == 1


# --- another session ---


def test_settings_are_read_back_then_the_session_is_taken(real):
    box = real("auto")
    box.scenario("push=approve")
    run = box.launch_ready()
    state = box.state_json()
    wrong = {key: entry for key, entry in state["readback"].items() if not entry["ok"]}
    assert wrong == {}
    assert {"OverrideTwsApiPort", "ReadOnlyApi", "AutoRestartTime", "BypassOrderPrecautions"} <= set(
        state["readback"]
    )
    assert state["link"] == "up"
    box.simulator("take-session")
    run.wait_for(lambda: box.types().count("ready") == 2, 30)
    assert box.event("session_taken") == {"count": 1, "again": True}
    box.simulator("take-session")
    assert box.end_of(run) == (PARKED, "session_taken")
    assert box.logins() == 1


def test_session_taken_under_consent_is_not_fought_over(real):
    box = real()
    box.scenario("push=approve")
    run = box.launch_ready()
    box.simulator("take-session")
    assert box.end_of(run) == (PARKED, "session_taken")
    assert box.event("session_taken") == {"count": 1, "again": False}


@pytest.mark.parametrize(("policy", "code"), [("consent", PARKED), ("auto", RELAUNCH)])
def test_logoff_is_taken_for_another_session(real, policy, code):
    box = real(policy)
    box.scenario("push=approve")
    run = box.launch_ready()
    box.simulator("logoff-now")
    assert box.end_of(run) == (code, "session_taken")
    assert box.event("session_taken")["again"] is (policy == "auto")


# --- ends ---


def test_stop_over_the_command_port_is_as_asked(real):
    from ibgatewaylib.ibc_command import send

    box = real()
    box.scenario()
    run = box.launch_ready()
    assert send(box.command_port, "STOP").startswith("OK")
    assert box.end_of(run) == (STOPPED, "stopped")
    assert box.counters()["logouts"] == 1


@pytest.mark.parametrize(
    ("command", "detail"),
    [("crash exception", 76), ("crash halt", 1), ("exit 7", 7)],
)
def test_crash(real, command, detail):
    box = real()
    box.scenario()
    run = box.launch_ready()
    box.simulator(command)
    assert box.end_of(run) == (RELAUNCH, "crashed")
    assert box.event("crashed")["exit_code"] == detail


def test_hang_is_left_to_the_watcher_and_still_can_be_stopped(real):
    box = real()
    box.scenario()
    run = box.launch_ready(stop=1.0, term=1.0)
    box.simulator("hang")
    with pytest.raises(gateway_sim.SimulatorError, match="does not answer"):
        box.simulated.send("restart-now")
    assert box.state_json()["state"] == "ready"
    assert run.stop() == STOPPED
    assert box.state_json()["end"] == {"code": STOPPED, "reason": "stopped"}


def test_x_server_that_dies_is_named(real):
    box = real()
    box.scenario()
    with x_server() as (name, server):
        box.display = name
        run = box.launch_ready()
        server.kill()
        assert box.end_of(run) == (RELAUNCH, "crashed"), run.log[-3000:]
    assert box.event("crashed").get("text") == "the X server is gone", run.log[-3000:]
