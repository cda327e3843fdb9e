"""Appointments kept: facts from disk, systemd, API; deeds over IBC's command port and systemd."""

from __future__ import annotations

import json

import pytest
from ctl_stand_ins import UNIT, configure, full_login, write_events
from fake_clock import FakeClock
from ibgatewaylib import appointment, budget


@pytest.fixture
def evening(now):
    """Wednesday 17:25 in New York, ten minutes after the planned restart."""
    return now("2026-11-25 22:25")


@pytest.fixture
def ready(box, systemd):
    systemd.ready()
    full_login(box, "2026-11-22 14:30")


def keep(run, what: str) -> tuple[int, dict]:
    code, out, err = run("appointment", what, "live", "--json")
    assert err == "" or code
    return code, json.loads(out)


def test_restart_that_was_missed(box, ready, run, ibc, evening):
    code, result = keep(run, "restart")
    assert (code, result["action"]) == (0, "soft_restart")
    assert ibc.received == ["RESTART"]
    assert box.types()[-2:] == ["restart_missed", "restart_planned"]
    assert box.event("restart_planned")["kind"] == "soft"
    code, result = keep(run, "restart")
    assert (code, result["action"]) == (0, "nothing")
    assert ibc.received == ["RESTART"], "the second time within half an hour"


def test_restart_that_took_place(box, ready, run, ibc, evening):
    write_events(
        box, ("2026-11-25 22:15", "restart_planned", {"kind": "token"}), ("2026-11-25 22:15", "starting", {})
    )
    assert keep(run, "restart")[1]["action"] == "nothing"
    assert ibc.received == []


def test_restart_of_paper_is_one_job(box, ready, systemd, run, evening):
    configure(box, mode="paper", login="auto")
    assert keep(run, "restart")[1]["action"] == "full_restart"
    assert systemd.calls == [f"reset-failed {UNIT}", f"try-restart {UNIT}"]


def test_no_restart_when_ibc_refuses(box, ready, run, ibc, evening):
    ibc.answer = "ERROR"
    code, _, err = run("appointment", "restart", "live")
    assert code == 1
    assert "IBC did not take RESTART" in err
    assert box.event("restart_planned")["kind"] == "soft", "it counts all the same"


def test_nothing_without_an_event(box, ready, run, ibc, evening, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ibgatewaylib.events.EventLog._append", full)
    code, _, err = run("appointment", "restart", "live")
    assert code == 1
    assert "No space left on device" in err
    assert "nothing was done" in err
    assert ibc.received == []


@pytest.fixture
def morning(now):
    """02:05 in New York, twenty minutes after the reset window."""
    return now("2026-11-25 07:05")


def test_reset_with_the_session_back(ready, run, api, ibc, morning):
    code, result = keep(run, "reset")
    assert (code, result["action"]) == (0, "nothing")
    assert "the API answers" in result["text"]
    assert ibc.received == []


def test_reset_with_the_link_down_until_reconnected(box, ready, run, api, ibc, morning):
    api.link = "1100"

    def back() -> None:
        api.link = "2104"

    ibc.on["RECONNECTACCOUNT"] = back
    code, result = keep(run, "reset")
    assert code == 0
    assert ibc.received == ["RECONNECTDATA", "RECONNECTACCOUNT"]
    assert "no link to IBKR's servers; back after RECONNECTACCOUNT" in result["text"]
    remedies = [event["detail"]["kind"] for event in box.events() if event["type"] == "remedy"]
    assert remedies == ["reconnectdata", "reconnectaccount"]


def test_reset_with_a_dead_api(box, ready, run, api, ibc, morning):
    api.mute = True
    code, result = keep(run, "reset")
    assert (code, result["action"]) == (0, "recover")
    assert ibc.received == ["RECONNECTDATA", "RECONNECTACCOUNT", "RESTART"]
    code, _, err = run("appointment", "reset", "live")
    assert code == 1
    assert "less than 30 minutes" in err
    assert "less than 30 minutes" in box.events()[-1]["detail"]["reason"]
    assert ibc.received[3:] == ["RECONNECTDATA", "RECONNECTACCOUNT"]


def test_reset_ends_when_it_is_stopped_meanwhile(ready, systemd, run, api, ibc, morning):
    api.mute = True

    def stopped() -> None:
        systemd.set("inactive", "dead")
        systemd.state("stopped")

    ibc.on["RECONNECTDATA"] = stopped
    code, result = keep(run, "reset")
    assert code == 0
    assert ibc.received == ["RECONNECTDATA"]
    assert "it is stopped by now" in result["text"]


def test_reset_inside_a_window_does_not_even_look(ready, run, ibc, now):
    now("2026-11-25 05:00")
    assert keep(run, "reset")[1]["action"] == "nothing"
    assert ibc.received == []


def test_weekly_login_asks(box, ready, systemd, run, now):
    now("2026-11-29 14:30")
    assert keep(run, "login")[1]["action"] == "ask"
    assert box.event("consent_needed") == {"reason": "weekly_login", "appointment": "2026-11-29T14:30:00Z"}
    assert systemd.calls == []


def test_weekly_login_by_policy(box, ready, systemd, run, now):
    configure(box, login="auto")
    now("2026-11-29 14:30")
    assert keep(run, "login")[1]["action"] == "full_restart"
    assert systemd.calls == [f"reset-failed {UNIT}", f"try-restart {UNIT}"]


def test_a_session_is_not_given_up_for_a_login_without_budget(box, ready, systemd, run, now):
    configure(box, login="auto")
    now("2026-11-29 14:30")
    (box.state / "login-budget.json").write_text("garbage")
    code, _, err = run("appointment", "login", "live")
    assert code == 5
    assert "login budget" in err
    assert systemd.calls == []


def test_daily_cycle(box, ready, systemd, run, monkeypatch):
    configure(box, mode="paper", login="auto")
    monkeypatch.setenv("INVOCATION_ID", "one")

    def stopped() -> None:
        systemd.set("inactive", "dead")
        systemd.state("stopped")

    systemd.on("stop", stopped)
    assert keep(run, "stop")[1]["action"] == "stop"
    monkeypatch.setenv("INVOCATION_ID", "another")
    assert keep(run, "start")[1]["action"] == "nothing", "another run did not stop it"
    monkeypatch.setenv("INVOCATION_ID", "one")
    monkeypatch.setenv("EXIT_CODE", "killed")
    assert keep(run, "start")[1]["action"] == "nothing", "an operator ended the stop"
    monkeypatch.setenv("EXIT_CODE", "exited")
    assert keep(run, "start")[1]["action"] == "start"
    assert systemd.calls == [f"stop {UNIT}", f"reset-failed {UNIT}", f"start {UNIT}"]


@pytest.mark.parametrize("what", ["restart", "reset", "login"])
def test_the_budget_of_a_parked_instance_ages_over_reboots(box, systemd, run, evening, monkeypatch, what):
    clock = FakeClock()
    monkeypatch.setattr("ibgatewaylib.clock.now", clock)
    systemd.set("failed", "failed")
    systemd.state("parked")
    login_budget = budget.of(box.instance())
    for _ in range(3):
        login_budget.record(clock())
    clock.wait(4 * 3600)
    assert login_budget.check(clock()).left == 0
    keep(run, what)
    clock.reboot().wait(3 * 3600)
    assert login_budget.check(clock()).left == 3, "four hours before the reboot, and three after it"


def test_a_damaged_budget_stays_so_and_keeps_no_appointment_away(box, ready, run, ibc, evening):
    (box.state / "login-budget.json").write_text("garbage")
    assert keep(run, "restart")[1]["action"] == "soft_restart"
    assert (box.state / "login-budget.json").read_text() == "garbage"


def test_garbage_in_every_file(box, systemd, run, ibc, evening):
    systemd.set("active", "running")
    (box.run / "state.json").write_text("[[")
    (box.run / "cycle.json").write_text("\0")
    (box.state / "events.jsonl").write_bytes(
        b"\xff{]\n" + b'{"time": 5, "type": []}\n' + b'{"time": "2026"}\n'
    )
    actions = {what: keep(run, what)[1]["action"] for what in ("restart", "reset", "login", "start")}
    # Asking once too often is the safe side; everything else is left.
    assert actions == {"restart": "nothing", "reset": "nothing", "login": "ask", "start": "nothing"}
    assert ibc.received == []
    assert systemd.calls == []


def test_only_their_units_keep_appointments(box, ready, run, evening, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(appointment.os, "open", refuse)
    code, _, err = run("appointment", "restart", "live")
    assert code == 3
    assert "their timers' units" in err
