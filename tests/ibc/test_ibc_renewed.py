"""What became of an upgrade or a rollback, from what the host said before and after it."""

from __future__ import annotations

from typing import Any

import pytest
from ibc_renewed import ibc_as_switched, ibc_renewed, ibc_would_switch
from ibc_restarts import ibc_restarts
from ibgatewaylib import ctl_codes

OLD = {"gateway_version": "10.37.1", "ibc_version": "3.25.0"}
NEW = {"gateway_version": "10.45.1", "ibc_version": "3.25.0"}
STEP = "IB Gateway 10.37.1 → 10.45.1"
SWITCHED = {"live": {"from": OLD, "to": NEW, "changed": True}}
LIVE = {
    "name": "live",
    "mode": "live",
    "restart": "planned",
    "version": "10.45.1",
    "ibc_version": "3.25.0",
    "daily_restart": "17:15",
    "timezone": "America/New_York",
}


def state(versions: dict[str, str], active: str = "active", **more: Any) -> dict[str, Any]:
    return {
        "instance": "live",
        "state": "ready",
        "login": "consent",
        "unit": {"active_state": active},
        "pending": [],
        **versions,
    } | more


def verdict(code: int, said: str) -> dict[str, Any]:
    return {"item": "live", "rc": code, "stdout": said + "\n"}


def ask(before: dict, now: dict, *followed: dict, switched: dict = SWITCHED, **more: Any) -> dict[str, Any]:
    (found,) = ibc_renewed(switched, [before], [now], followed, **more)
    assert found["instance"] == "live"
    return found


def test_one_that_was_restarted_and_is_ready() -> None:
    found = ask(state(OLD), state(NEW), verdict(ctl_codes.DONE, f"live: {STEP}, and ready"))
    assert (found["from"], found["to"], found["outcome"]) == (OLD, NEW, "done")
    assert found["text"] == f"live: {STEP}, and ready"


def test_one_that_left_it_says_why() -> None:
    why = "live: left IB Gateway 10.45.1 (it crashed) for IB Gateway 10.37.1"
    found = ask(state(OLD), state(OLD), verdict(ctl_codes.FAILED, why))
    assert (found["outcome"], found["text"]) == ("left", why)


def test_one_whose_unit_was_quicker_to_leave_it() -> None:
    found = ask(state(OLD), state(OLD), verdict(ctl_codes.DONE, "live: no change of versions is pending"))
    assert found["outcome"] == "left"
    assert found["text"].startswith("live: left IB Gateway 10.45.1, IBC 3.25.0 for IB Gateway 10.37.1")


def test_one_that_waits_for_a_tap_is_judged_later() -> None:
    said = f"live: {STEP} is pending: waiting for IB Key; it is judged when it gets ready"
    assert ask(state(OLD), state(NEW), verdict(ctl_codes.NOT_NOW, said))["outcome"] == "waits"


def test_one_that_waits_for_its_daily_restart() -> None:
    restart = {"instance": "live", "at": "2026-11-24T22:15:00Z", "text": f"restart pending ({STEP}): …"}
    found = ask(state(OLD), state(OLD), restarts=[restart])
    assert (found["outcome"], found["at"]) == ("waits", "2026-11-24T22:15:00Z")
    assert found["text"] == f"live: restart pending ({STEP}): …"


def test_one_that_restarted_by_itself_meanwhile() -> None:
    found = ask(state(OLD), state(NEW, state="starting"))
    assert (found["outcome"], found["text"]) == ("done", f"live: {STEP}; it is starting")


@pytest.mark.parametrize(("login", "command"), [("consent", "login"), ("auto", "start")])
def test_one_that_is_down_uses_it_when_it_is_started(login: str, command: str) -> None:
    down = state(OLD, "failed", state="parked", login=login)
    found = ask(down, down)
    assert found["outcome"] == "waits"
    assert found["text"].endswith(f"it is parked, until you run: ibgatewayctl {command} live")


def test_one_that_has_not_run_since_the_boot_comes_from_what_was_configured() -> None:
    # Without a state the host names what the next start uses.
    down = state(NEW, "inactive", state="stopped")
    assert ask(down, down)["from"] == OLD


def test_one_that_runs_it_already_is_as_before() -> None:
    # A rollback before the first start: nothing but the record changes.
    found = ask(state(OLD), state(OLD), switched={"live": {"from": NEW, "to": OLD}})
    assert found["outcome"] == "unchanged"
    assert found["text"] == "live: IB Gateway 10.37.1, IBC 3.25.0, as before"
    # Restarted for another reason.
    said = verdict(ctl_codes.DONE, "live: no change of versions is pending")
    assert ask(state(NEW), state(NEW), said)["outcome"] == "unchanged"


def preview(states: list[dict], **more: Any) -> list[dict[str, Any]]:
    instances = [LIVE | more, LIVE | {"name": "later"}]
    switched = ibc_would_switch(states, instances)
    then = ibc_as_switched(states, switched)
    restarts = ibc_restarts(then, instances, [], None, "2026-11-24T12:00:00+00:00")
    return ibc_renewed(switched, states, states, [], restarts)


def test_a_preview_tells_when_and_leaves_out_what_is_not_there() -> None:
    other = state(OLD, instance="other")
    (found,) = preview([state(OLD, pending=["ibc.ini changed"]), other])
    assert (found["outcome"], found["at"]) == ("waits", "2026-11-24T22:15:00Z")
    assert found["text"].startswith("live: restart pending (IB Gateway 10.37.1 → 10.45.1, ibc.ini changed)")
    (now,) = preview([state(OLD)], restart="now")
    assert "the run makes it, by its token, without a tap" in now["text"]
    assert preview([state(NEW)])[0]["outcome"] == "unchanged"
    assert other["pending"] == []
