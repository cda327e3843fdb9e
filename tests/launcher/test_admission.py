"""The launcher before a login: waiting, parking, counting; and what it leaves for the run after it."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from ibgatewaylib import consent
from launcher_box import SUCCESS, says
from test_launcher import ready_steps

pytestmark = pytest.mark.processes

TOKEN = ["version: 3.25.0", "Re-starting session"]


def token(box) -> None:
    (box.settings / "abc").mkdir(exist_ok=True)
    (box.settings / "abc" / "autorestart").touch()


def window_now(box) -> None:
    box.write_windows(time.time() - 3600, time.time() + 3600)


def submissions(box) -> int:
    file = box.state / "login-budget.json"
    return len(json.loads(file.read_text())["submissions"]) if file.exists() else 0


def test_no_login_without_consent(box):
    box.write_toml(login="consent")
    run = box.start(*ready_steps(box))
    assert run.end() == 77
    assert box.types() == ["consent_needed", "parked"]
    assert box.event("consent_needed")["text"] == "there is no saved session"
    assert box.event("parked")["reason"] == "consent"
    assert "ibgatewayctl login live" in box.state_json()["status"]
    assert submissions(box) == 0
    assert not (box.run / "config.ini").exists()


def test_consent_lets_one_login_through(box):
    box.write_toml(login="consent")
    consent.grant(box.run, "anna")
    run = box.start(*ready_steps(box))
    run.wait_ready()
    state = run.wait_for(lambda: box.state_json()["last_login"] and box.state_json())
    assert state["consent"] is None
    assert state["login"] == "consent"
    assert (state["budget"]["left"], state["link"]) == (2, "up")
    assert not (box.run / "consent.json").exists()
    assert run.stop() == 0
    assert box.start(*ready_steps(box)).end() == 77
    assert box.state_json()["last_login"] == state["last_login"]


def test_token_restart_needs_neither_consent_nor_budget_nor_window(box):
    box.write_toml(login="consent")
    (box.state / "login-budget.json").write_text("garbage")
    window_now(box)
    token(box)
    run = box.start({"remove": "abc/autorestart"}, *ready_steps(box, resumed=True))
    run.wait_ready()
    assert run.stop() == 0
    assert box.state_json()["logins"] == 0
    assert "is damaged" in box.state_json()["budget"]["problem"]


def test_login_waits_inside_a_window_and_sigterm_ends_the_wait(box):
    window_now(box)
    run = box.start(*ready_steps(box))
    state = run.wait_for(lambda: box.state_json()["state"] == "deferred" and box.state_json())
    assert state["deferred_until"] == box.event("login_deferred")["until"]
    assert state["java_pid"] is None
    assert box.event("login_deferred")["reason"] == "window"
    assert "IBKR's servers reset" in state["status"]
    run.listen()
    assert f"STATUS={state['status']}" in run.notified
    began = time.monotonic()
    assert run.stop() == 0
    assert time.monotonic() - began < 30
    assert box.types() == ["login_deferred", "stopped"]
    assert box.state_json()["deferred_until"] is None
    assert submissions(box) == 0


def test_login_follows_when_the_window_is_over(box):
    window_now(box)
    run = box.start(*ready_steps(box), limits={"look_again": 0.1})
    run.wait_for(lambda: box.state_json()["state"] == "deferred")
    time.sleep(0.4)
    box.write_windows()
    run.wait_ready()
    assert box.types()[:2] == ["login_deferred", "starting"]
    assert run.stop() == 0


def test_a_token_that_comes_while_waiting_ends_the_wait(box):
    window_now(box)
    run = box.start(
        {"remove": "abc/autorestart"}, *ready_steps(box, resumed=True), limits={"look_again": 0.1}
    )
    run.wait_for(lambda: box.state_json()["state"] == "deferred")
    token(box)
    run.wait_ready()
    assert run.stop() == 0


def test_spacing_is_waited_for(box):
    box.write_toml(budget_minutes_apart=5)
    assert box.start({"exit": 76}).end() == 75
    run = box.start(*ready_steps(box))
    run.wait_for(lambda: box.state_json()["state"] == "deferred")
    assert box.event("login_deferred")["reason"] == "spacing"
    assert run.stop() == 0
    assert submissions(box) == 1


def test_a_storm_ends_in_park(box):
    codes = [box.start(*says(*SUCCESS[:9]), {"exit": 76}).end() for _ in range(5)]
    assert codes == [75, 75, 75, 77, 77]
    assert box.types().count("login_submitted") == 3
    assert box.event("parked")["reason"] == "budget"
    assert "ibgatewayctl budget live --reset" in box.state_json()["status"]


@pytest.mark.parametrize("content", ["", "{", "null", '{"submissions": []}', "\0" * 100])
def test_a_broken_budget_parks(box, content):
    (box.state / "login-budget.json").write_text(content)
    run = box.start(*ready_steps(box))
    assert run.end() == 77
    assert box.types() == ["parked"]
    assert "is damaged" in box.event("parked")["text"]


def test_a_login_is_on_disk_before_java_starts_and_survives_kill_9(box):
    run = box.start({"sleep": 30})
    java = run.wait_for(lambda: box.state_json()["java_pid"])
    assert submissions(box) == 1
    run.process.kill()
    assert run.end() == -signal.SIGKILL
    os.killpg(java, signal.SIGKILL)
    assert box.start({"exit": 76}).end() == 75
    assert submissions(box) == 2
    assert box.state_json()["failures"] == 2


@pytest.mark.parametrize(("policy", "code"), [("consent", 77), ("auto", 75)])
def test_the_controllers_own_loop_gets_no_second_login(box, policy, code):
    box.write_toml(login=policy)
    consent.grant(box.run, "anna")
    again = "Re-login after second factor authentication timeout in 1 second"
    run = box.start(
        {"ignore_term": True}, *says(*SUCCESS[:9], again), {"sleep": 0.6}, *says("Login attempt: 2")
    )
    assert run.end() == code
    assert box.types().count("login_submitted") == 1
    assert box.types()[:3] == ["starting", "login_submitted", "two_factor_missed"]
    assert submissions(box) == 1


def test_a_login_beyond_the_budget_ends_java_at_once(box):
    box.write_toml(budget_logins=1)
    run = box.start({"ignore_term": True}, *says(*SUCCESS[:9], "Login attempt: 2"))
    began = time.monotonic()
    run.wait_for(lambda: "login_submitted" in box.types())
    assert run.end() == 77
    assert time.monotonic() - began < 4
    assert box.event("parked")["reason"] == "budget"
    assert submissions(box) == 2  # both happened


def test_saved_session_that_does_not_come_back_is_tried_with_patience(box):
    token(box)
    crash = [*says(*TOKEN), {"exit": 76}]
    assert box.start(*crash).end() == 75
    assert box.state_json()["failures"] == 1
    run = box.start(*crash)
    run.wait_for(lambda: box.state_json()["state"] == "deferred")
    assert "did not get ready" in box.state_json()["status"]
    assert run.stop() == 0
    assert "login_deferred" not in box.types()


def test_starts_that_come_to_nothing_end_in_park(box):
    token(box)
    state = {"failures": 8, "state": "starting", "status": "…", "end": {"code": 75, "reason": "crashed"}}
    (box.run / "state.json").write_text(json.dumps(state))
    assert box.start(*says(*TOKEN)).end() == 77
    assert box.event("parked")["reason"] == "restarts"
    # Somebody has seen it, and starts it again.
    run = box.start({"remove": "abc/autorestart"}, *ready_steps(box, resumed=True))
    run.wait_ready()
    assert box.state_json()["failures"] == 0
    assert run.stop() == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"failures": "x", "end": 7, "last_login": 3, "readback": {"a": 7}}',
        '{"failures": true}',
        "\xff",
    ],
)
def test_garbage_in_state_json_stops_nothing(box, content):
    (box.run / "state.json").write_text(content, encoding="latin-1")
    run = box.start(*ready_steps(box))
    run.wait_ready()
    assert run.stop() == 0


def test_dead_x_server_costs_no_login(box):
    run = box.start(*ready_steps(box), limits={"display": 0.3}, DISPLAY=":59999")
    assert run.end() == 75
    assert box.types() == ["stuck"]
    assert box.event("stuck")["where"] == "display"
    assert submissions(box) == 0


def test_broken_windows_are_a_configuration(box):
    (box.etc.parent / "reset-windows.json").write_text("{")
    assert box.start(*ready_steps(box)).end() == 78
    assert "reset-windows.json is damaged" in box.event("configuration_invalid")["text"]


def test_why_a_login_is_due_is_told(box):
    box.write_toml(login="consent")
    token(box)
    lines = [*TOKEN, "detected dialog entitled: Unrecognized Username or Password; event=Opened"]
    assert box.start(*says(*lines)).end() == 75
    assert box.start().end() == 77
    assert "not accepted any more" in box.event("consent_needed")["text"]


def test_settings_are_read_back(box):
    box.write_ini(ReadOnlyApi="yes", AutoRestartTime="05:15 PM")
    (box.settings / "jts.ini").write_text("[Logon]\nTimeZone=UTC\n[IBGateway]\nApiOnly=true\n")
    report = ["Read-Only API checkbox is now set to: true", "Auto restart time set to 05:15 PM"]
    lines = [*SUCCESS[:14], *report, *SUCCESS[14:]]
    run = box.start({"command": box.command_port}, *says(*lines), {"api": box.api_port})
    run.wait_ready()
    assert "settings_differ" in box.types()
    found = box.state_json()["readback"]
    assert {key for key, entry in found.items() if entry["ok"]} == {
        "ReadOnlyApi",
        "AutoRestartTime",
        "jts.ini ApiOnly",
    }
    assert found["OverrideTwsApiPort"] == {"wanted": str(box.api_port), "found": "4001", "ok": False}
    text = box.event("settings_differ")["text"]
    assert "jts.ini TimeZone: wanted America/New_York, found UTC" in text
    assert run.stop() == 0
    # The same is not told again every day.
    run = box.start({"command": box.command_port}, *says(*lines), {"api": box.api_port})
    run.wait_ready()
    assert run.stop() == 0
    assert box.types().count("settings_differ") == 1


def test_another_release_begins_without_the_failures_of_the_one_before(box):
    state = {"failures": 8, "state": "starting", "end": {"code": 75, "reason": "crashed"}}
    (box.run / "state.json").write_text(
        json.dumps({**state, "gateway_version": "10.45.1", "ibc_version": "3.25.0"})
    )
    box.write_toml(login="consent")
    box.start().end()
    assert box.state_json()["end"]["reason"] == "consent", "and not restarts"
