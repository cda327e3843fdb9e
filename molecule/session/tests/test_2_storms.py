"""Whatever goes wrong, the password is never submitted more often than the budget allows: 3 times in 6 hours.

The simulated server counts. No time is asked for between two logins, so that only the budget holds.
"""

import json

from harness import seams
from harness.instance import Instance
from harness.wait import wait_until


def stop(instance: Instance) -> int:
    """Stop an instance, give it an unused budget, and return how many logins the server has seen."""
    instance.host.check_output("ibgatewayctl stop %s", instance.name)
    instance.host.check_output("ibgatewayctl budget %s --reset", instance.name)
    return len(instance.logins())


def budget(instance: Instance) -> dict:
    return json.loads(instance.host.check_output("ibgatewayctl budget %s --json", instance.name))


def test_a_missed_push_parks_under_consent_and_closes_the_budget_under_auto(live: Instance):
    logins, seen = stop(live), len(live.events())
    seams.plan(live, "push=ignore", "push.timeout=6")

    assert live.host.run("timeout 90 ibgatewayctl login live").rc == 1

    assert live.status()["state"] == "parked"
    assert live.types_after(seen)[-2:] == ["two_factor_missed", "parked"]
    assert len(live.logins()) == logins + 1

    seams.configure(live, login="auto")
    try:
        live.host.run("timeout 120 ibgatewayctl start live")
        live.wait_for("parked", 90)
    finally:
        seams.configure(live, login="consent")

    assert live.types_after(seen).count("two_factor_missed") == 3
    assert live.events()[-1]["detail"]["reason"] == "budget"
    assert len(live.logins()) == logins + 3
    refused = live.host.run("ibgatewayctl login live")
    assert refused.rc == 5
    assert "budget" in refused.stderr
    assert budget(live)["left"] == 0
    assert len(live.logins()) == logins + 3


def test_a_storm_of_failures_ends_at_the_budget(paper: Instance):
    logins = stop(paper)
    seams.plan(paper, "login=connection_failed,maintenance,login_failed,connection_failed")

    for _ in range(4):
        paper.host.run("timeout 90 ibgatewayctl start paper")
        paper.wait_for("parked")

    assert [entry["outcome"] for entry in paper.logins()[logins:]] == [
        "connection_failed",
        "maintenance",
        "login_failed",
    ]
    assert paper.events()[-1]["detail"]["reason"] == "budget"
    assert budget(paper)["left"] == 0


def test_kill_9_frees_no_login(paper: Instance):
    logins = stop(paper)
    seams.plan(paper, "login=silent")

    paper.host.check_output("systemctl start --no-block ibgateway@paper.service")
    for number in (1, 2, 3):
        wait_until(lambda due=logins + number: len(paper.logins()) == due, f"login {number}")
        paper.host.check_output("systemctl kill --signal=KILL ibgateway@paper.service")

    paper.wait_for_event("parked", after=len(paper.events()))
    assert paper.events()[-1]["detail"]["reason"] == "budget"
    assert len(paper.logins()) == logins + 3


def test_logins_keep_their_distance(paper: Instance):
    logins, seen = stop(paper), len(paper.events())
    seams.plan(paper, "login=connection_failed,ok")
    seams.configure(paper, budget_minutes_apart=5)
    try:
        started = paper.host.run("timeout 60 ibgatewayctl start paper")
    finally:
        seams.configure(paper, budget_minutes_apart=0)

    assert started.rc == 5
    assert paper.status()["state"] == "deferred"
    assert paper.types_after(seen) == ["starting", "login_submitted", "connection_failed", "login_deferred"]
    assert len(paper.logins()) == logins + 1

    paper.host.check_output("ibgatewayctl stop paper")
    assert paper.status()["state"] == "stopped"
    assert len(paper.logins()) == logins + 1


def test_a_session_that_was_taken_is_asked_for_once(paper: Instance):
    seams.plan(paper)
    seams.log_in(paper)
    seen, asked = len(paper.events()), paper.counted("relogins")

    paper.simulate("take-session")
    paper.wait_for_event("ready", after=seen)
    assert paper.counted("relogins") == asked + 1

    paper.simulate("take-session")
    paper.wait_for("parked")
    assert paper.types_after(seen).count("session_taken") == 2
    assert paper.events()[-1]["detail"]["reason"] == "session_taken"
    assert not paper.status()["java_pid"]


def test_under_consent_a_session_that_was_taken_is_not_asked_for(live: Instance):
    seams.plan(live)
    seams.log_in(live)
    seen, logins, pid = len(live.events()), len(live.logins()), live.status()["java_pid"]

    live.simulate("take-session")
    live.wait_for("parked")

    assert live.types_after(seen) == ["session_taken", "parked"]
    assert len(live.logins()) == logins
    # IBC presses the button by itself; Java is killed before anything can come of it.
    assert not live.host.file(f"/proc/{pid}").exists
