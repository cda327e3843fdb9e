"""login, restart, pause and budget, as an operator without root: through the units of `act`."""

from __future__ import annotations

import json

import pytest
from ctl_stand_ins import UNIT, configure, full_login
from ibgatewaylib import act, ctl_acts, ctl_follow


def consent(box) -> dict:
    return json.loads((box.run / "consent.json").read_text())


def starts(systemd, pid: int = 88):
    """What systemd does on a start or restart: a new launcher, ready at once."""
    return lambda: systemd.ready(pid)


def test_login_of_a_parked_instance(box, systemd, run):
    systemd.set("failed", "failed")
    systemd.state("parked", "a login is due, and it waits for your consent")
    systemd.on("start", starts(systemd))
    code, out, _ = run("login", "live")
    assert code == 0
    assert systemd.calls == ["start ibgateway-consent@live.service", f"reset-failed {UNIT}", f"start {UNIT}"]
    assert consent(box)["seconds"] == 600
    assert "consent given: live starts" in out
    assert "have your phone at hand" in out
    assert out.splitlines()[-1] == "live: ready"


def test_login_does_not_begin_with_the_end_of_the_run_before(box, systemd, run, monkeypatch):
    systemd.set("failed", "failed")
    # Process ids come again: this one cannot tell the runs apart.
    systemd.state("parked", "IB Key was not answered in time", started="2026-11-22T14:30:00.000Z", pid=88)
    systemd.on("start", lambda: systemd.set("activating", "start", pid=88))
    monkeypatch.setattr(ctl_follow.time, "sleep", lambda _: systemd.ready(88))
    code, out, _ = run("login", "live")
    assert code == 0
    assert "was not answered" not in out
    assert out.splitlines()[-1] == "live: ready"


def test_login_shows_the_countdown(box, systemd, run, monkeypatch):
    sentences = iter(["waiting for IB Key, 3s (2m57s left)", "waiting for IB Key, 4s (2m56s left)"])
    systemd.set("failed", "failed")
    systemd.state("parked")

    def begins() -> None:
        systemd.set("activating", "start", pid=88)
        systemd.state("two_factor", next(sentences), pid=88)

    def sleep(_: float) -> None:
        if text := next(sentences, None):
            systemd.state("two_factor", text, pid=88)
        else:
            systemd.ready(88)

    systemd.on("start", begins)
    monkeypatch.setattr(ctl_follow.time, "sleep", sleep)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    code, out, _ = run("login", "live")
    assert code == 0
    assert "\r\033[Klive: waiting for IB Key, 4s (2m56s left)\n" in out


def test_login_of_a_running_instance_is_one_job(box, systemd, run):
    systemd.ready()
    full_login(box, "2026-11-15 14:30")  # last week
    systemd.on("restart", starts(systemd))
    code, out, _ = run("login", "live")
    assert code == 0
    assert systemd.calls[-1] == f"restart {UNIT}"
    assert "logs out, and in again" in out


def test_login_twice_a_week_is_not_needed(box, systemd, run):
    systemd.ready()
    full_login(box, "2026-11-22 14:30")
    code, out, _ = run("login", "live")
    assert code == 0
    assert "nothing to do" in out
    assert systemd.calls == []


def test_login_inside_a_window_sends_nothing(box, systemd, run, now):
    now("2026-11-25 05:00")
    systemd.set("failed", "failed")
    systemd.state("parked")
    code, _, err = run("login", "live")
    assert code == 5
    assert "IBKR's servers reset (23:45-01:45 America/New_York)" in err
    assert "from 02:00 America/New_York on" in err
    assert not (box.run / "consent.json").exists()
    assert f"start {UNIT}" not in systemd.calls


def test_login_shortly_before_a_windows_end_waits_for_it(box, systemd, run, now):
    now("2026-11-25 06:55")
    systemd.set("failed", "failed")
    systemd.state("parked")

    def waits() -> None:
        systemd.set("activating", "start", pid=88)
        systemd.state("deferred", "the login waits", pid=88, deferred_until="2026-11-25T07:00:00.000Z")

    systemd.on("start", waits)
    code, out, _ = run("login", "live")
    assert code == 5
    assert "live waits until Wed 25 Nov 02:00 America/New_York and goes on by itself" in out
    assert consent(box)


def test_a_saved_session_needs_no_window(box, systemd, run, now):
    now("2026-11-25 05:00")
    (box.settings / "abc").mkdir()
    (box.settings / "abc" / "autorestart").touch()
    systemd.set("inactive", "dead")
    systemd.on("start", starts(systemd))
    assert run("login", "live")[0] == 0


@pytest.mark.parametrize("state", ["parked", "ready"])
def test_login_without_budget_sends_nothing(box, systemd, run, state):
    from ibgatewaylib import budget, clock

    systemd.set("active" if state == "ready" else "failed")
    systemd.state(state)
    for _ in range(3):
        budget.of(box.instance()).record(clock.now())
    code, _, err = run("login", "live")
    assert code == 5
    assert "used up (3 logins in 6 h): one is free again on Wed 16:00 America/New_York" in err
    assert "`ibgatewayctl budget live --reset`" in err
    assert systemd.calls == ["start ibgateway-consent@live.service"]


def test_a_running_session_is_kept_when_the_last_login_was_a_moment_ago(box, systemd, run):
    from ibgatewaylib import budget, clock

    systemd.ready()
    budget.of(box.instance()).record(clock.now())
    code, _, err = run("restart", "live", "--full", "--yes")
    assert code == 5
    assert "less than 5 minutes ago: try again in 4m" in err or "try again in 5m00s" in err


def test_not_an_operator(box, systemd, run):
    systemd.set("failed", "failed")
    systemd.state("parked")
    systemd.denied.add("ibgateway-consent@")
    code, _, err = run("login", "live")
    assert code == 3
    assert "ibc_operators" in err


def test_soft_restart(box, systemd, ibc, run):
    systemd.ready()
    full_login(box, "2026-11-22 14:30")
    ibc.on["RESTART"] = starts(systemd)
    code, out, _ = run("restart", "live")
    assert code == 0
    assert ibc.received == ["RESTART"]
    assert box.event("restart_planned") == {"kind": "soft", "reason": "asked for by an operator"}
    assert "without a tap" in out
    assert out.splitlines()[-1] == "live: ready"


def test_soft_restart_that_does_not_come(box, systemd, ibc, run, monkeypatch):
    monkeypatch.setattr(ctl_follow, "RESTART_BEGINS", 0.1)
    systemd.ready()
    code, _, err = run("restart", "live", "--soft")
    assert code == 1
    assert "has not restarted in time" in err


@pytest.mark.parametrize(("state", "active"), [("two_factor", "activating"), ("parked", "failed")])
def test_soft_restart_only_when_ready(systemd, ibc, run, state, active):
    systemd.set(active)
    systemd.state(state)
    code, _, err = run("restart", "live", "--soft", "--force")
    assert code == 5
    assert "only be restarted by its token while it is ready" in err
    assert ibc.received == []


def test_soft_restart_never_in_a_window(box, systemd, ibc, run, now):
    now("2026-11-25 05:00")
    systemd.ready()
    assert "servers reset until 02:00" in run("restart", "live")[2]
    code, _, err = run("restart", "live", "--force")
    assert code == 5
    assert "a restart may get lost" in err
    assert ibc.received == []


def test_soft_restart_asked_for_twice_is_one(systemd, ibc, run):
    systemd.ready()
    ibc.answer = "ERROR RESTART already in progress:"
    ibc.on["RESTART"] = lambda: systemd.ready(88)
    assert run("restart", "live")[0] == 0


def test_soft_restart_that_ibc_does_not_take(systemd, ibc, run, monkeypatch):
    monkeypatch.setattr(ctl_follow, "_ENDS", 0.05)
    systemd.ready()
    ibc.answer = "ERROR unexpected:"
    code, _, err = run("restart", "live")
    assert (code, "IBC did not take RESTART" in err) == (1, True)


def comes_up(systemd, monkeypatch, **state: object) -> None:
    """A start is under way, and ready the next time that somebody has waited a little."""
    systemd.set("activating", "start")
    systemd.state("login", "configuring Gateway", **state)
    monkeypatch.setattr(ctl_follow.time, "sleep", lambda _: systemd.ready())


@pytest.mark.parametrize("kind", ["--soft", "--cheapest"])
def test_restart_lets_a_start_come_to_its_end_first(box, systemd, ibc, run, monkeypatch, kind):
    comes_up(systemd, monkeypatch)
    # What it was started with has changed.
    monkeypatch.setattr("ibgatewaylib.ctl_host.Host._pending", lambda *_: ["ibc.ini changed"])
    ibc.on["RESTART"] = starts(systemd)
    code, out, _ = run("restart", "live", kind)
    assert (code, ibc.received) == (0, ["RESTART"])
    assert "live starts right now: configuring Gateway" in out


def test_the_cheapest_restart_is_the_start_that_was_under_way(box, systemd, ibc, run, monkeypatch):
    comes_up(systemd, monkeypatch)
    code, out, _ = run("restart", "live", "--cheapest", "--force")
    assert (code, ibc.received) == (0, [])
    assert out.splitlines()[-1] == "live has just started, with all that had changed"
    assert not any("restart" in call for call in systemd.calls)


def test_a_start_is_not_waited_for_without_end(systemd, ibc, run, monkeypatch):
    monkeypatch.setattr(ctl_follow, "_SETTLES", 0.05)
    systemd.set("activating", "start")
    systemd.state("login", "logging in")
    code, _, err = run("restart", "live", "--cheapest", "--force")
    assert code == 5
    assert "live starts right now: restart it when it is ready" in err
    assert not any("restart" in call for call in systemd.calls)


def test_soft_restart_while_another_takes_place(systemd, ibc, run, monkeypatch):
    systemd.ready()
    ibc.answer = "ERROR closed:"
    monkeypatch.setattr(ctl_follow.time, "sleep", lambda _: systemd.ready(88))
    code, out, _ = run("restart", "live")
    assert (code, ibc.received) == (0, ["RESTART"])
    assert "live restarts already" in out


def test_guard_settles_when_asked_to(systemd, run, monkeypatch):
    comes_up(systemd, monkeypatch)
    code, out, _ = run("guard", "live")
    assert (code, "a login is under way" in out) == (5, True)
    code, out, _ = run("guard", "live", "--settle")
    assert (code, "a login is under way" in out) == (0, False)


def test_soft_restart_when_the_token_is_gone(box, systemd, ibc, run):
    systemd.ready()
    full_login(box, "2026-11-15 14:30")
    code, _, err = run("restart", "live")
    assert code == 5
    assert "would need a tap: use `ibgatewayctl login live`" in err
    assert ibc.received == []


def test_full_restart_asks(box, systemd, run, monkeypatch):
    systemd.ready()
    code, _, err = run("restart", "live", "--full")
    assert code == 2
    assert "a tap on your phone" in err
    assert "--yes" in err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert run("restart", "live", "--full")[0] == 1
    assert set(systemd.calls) == {"start ibgateway-guard@live.service"}
    monkeypatch.setattr("builtins.input", lambda _: "Y")
    systemd.on("restart", starts(systemd))
    assert run("restart", "live", "--full")[0] == 0


def test_pause(systemd, ibc, run):
    systemd.ready()
    ibc.on["PAUSE"] = lambda: systemd.set("inactive", "dead")
    code, out, _ = run("pause", "live")
    assert code == 0
    assert ibc.received == ["PAUSE"]
    assert "the next start needs no tap" in out


def test_pause_while_systemd_clears_up_after_the_launcher(systemd, ibc, run, monkeypatch):
    systemd.ready()
    ibc.on["PAUSE"] = lambda: systemd.set("deactivating", "stop-post", pid=0)
    monkeypatch.setattr(act.time, "sleep", lambda _: systemd.set("inactive", "dead"))
    code, out, _ = run("pause", "live")
    assert (code, "the next start needs no tap" in out) == (0, True)


def test_pause_that_becomes_another_start(systemd, ibc, run):
    systemd.ready()
    ibc.on["PAUSE"] = lambda: systemd.ready(88)
    code, out, _ = run("pause", "live")
    assert (code, "has started again instead of pausing" in out) == (1, True)


def test_pause_all_leaves_what_has_no_token(systemd, ibc, run):
    systemd.set("failed", "failed")
    systemd.state("parked")
    code, out, _ = run("pause", "--all")
    assert (code, ibc.received) == (0, [])
    assert "no token to keep" in out


def test_pause_that_fails(systemd, ibc, run, monkeypatch):
    monkeypatch.setattr(act, "BEGINS_WITHIN", 0.1)
    systemd.ready()
    code, out, _ = run("pause", "live", "--json")
    assert code == 1
    assert "still runs" in json.loads(out)["instances"][0]["text"]


def test_pause_needs_names_or_all(systemd, run):
    assert run("pause")[0] == 2
    assert run("pause", "live", "--all")[0] == 2


def test_budget(box, systemd, run):
    from ibgatewaylib import budget, clock

    code, out, _ = run("budget", "live")
    assert code == 0
    assert out.splitlines() == [
        "live: login budget: 3 left",
        "allowed: 3 logins in 6 h, 5 minutes apart, none in a reset window",
    ]
    for _ in range(3):
        budget.of(box.instance()).record(clock.now())
    assert "used up, one is free again Wed 25 Nov 16:00 America/New_York" in run("budget", "live")[1]
    code, out, _ = run("budget", "live", "--reset", "--json")
    assert (code, json.loads(out)["left"]) == (0, 3)
    assert systemd.calls == ["start ibgateway-budget-reset@live.service"]


def test_broken_budget_says_so_and_reset_mends_it(box, systemd, run):
    (box.state / "login-budget.json").write_text("{")
    assert "ibgatewayctl budget live --reset" in run("budget", "live")[1]
    assert "login budget: 3 left" in run("budget", "live", "--reset")[1]


@pytest.mark.parametrize("half", ["activating", "deactivating"])
def test_stop_ends_a_daily_cycle_first(box, systemd, run, half):
    cycle = "ibgateway-cycle@live.service"
    systemd.set(half, unit=cycle)
    systemd.set("inactive", "dead")
    assert run("stop", "live")[0] == 0
    assert systemd.calls[0] == f"stop {cycle}"


def test_start_that_is_put_off(box, systemd, run):
    configure(box, login="auto")

    def waits() -> None:
        systemd.set("activating", "start", pid=88)
        systemd.state("deferred", "the login waits", pid=88, deferred_until="2026-11-25T07:00:00.000Z")

    systemd.on("start", waits)
    code, out, _ = run("start", "live", "--json")
    assert code == 5
    assert json.loads(out)["instance"]["deferred_until"] == "2026-11-25T07:00:00.000Z"


# --- act ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    [], ["consent"], ["consent", "live", "more"], ["stop", "live"], ["consent", "../live"],
    ["consent", "Live"],
    ["consent", "live\n"], ["--help", "live"],
])  # fmt: skip
def test_act_takes_nothing_else(box, systemd, arguments, capsys):
    assert act.main(arguments, box.etc.parent) == 2
    assert "usage: act consent|" in capsys.readouterr().err
    assert systemd.calls == []


def test_act_of_an_unknown_instance(box, systemd, capsys):
    assert act.main(["consent", "other"], box.etc.parent) == 4


def test_a_result_of_another_run_is_not_believed(box, systemd, run):
    old = {"verb": "pause", "time": "2020-01-01T00:00:00.000Z", "text": "old"}
    (box.run / "act.json").write_text(json.dumps(old))
    systemd.ready()
    systemd.on("start", lambda: None, unit="ibgateway-pause@live.service")
    systemd.acts.clear()
    assert "ibgateway-pause@live.service has run" in run("pause", "live")[1]


def test_every_act_has_its_unit():
    assert set(ctl_acts.UNITS) == set(act.VERBS)
