"""Which restarts are pending, or would be: before a run (check mode) and after it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from ibc_restarts import ibc_restarts

NOW = "2026-11-24T12:00:00+00:00"
OLD = "A=1\n"
LIVE = {
    "name": "live",
    "mode": "live",
    "restart": "planned",
    "login": "consent",
    "timezone": "America/New_York",
    "daily_restart": "17:15",
}
PAPER = LIVE | {"name": "paper", "mode": "paper", "daily_restart": "18:00"}


def state(name: str = "live", *, active: str = "active", pending: tuple[str, ...] = (), **more: Any) -> dict:
    digest = hashlib.sha256(OLD.encode()).hexdigest()
    return {
        "instance": name,
        "unit": {"active_state": active},
        "pending": list(pending),
        "inputs": {"ibc.ini": digest, "instance.toml": digest},
        "next_appointment": {"kind": "restart", "at": "2026-11-24T22:15:00Z"},
    } | more


def file(name: str, content: str, instance: str = "live") -> dict[str, str]:
    return {"dest": f"/etc/ibgateway/{instance}/{name}", "content": content}


def credentials(*changed: str) -> dict[str, Any]:
    paths = [f"/etc/ibgateway/live/credentials/{name}.cred" for name in changed]
    return {"stdout": json.dumps({"changed": paths})}


def ask(states: list, instances: list, outdated: list, registered: dict | None = None) -> list[dict]:
    return ibc_restarts(states, instances, outdated, registered, NOW)


def test_nothing_differs_nothing_is_pending() -> None:
    assert ask([state()], [LIVE], [], credentials()) == []


def test_a_preview_tells_what_the_run_would_leave_pending() -> None:
    (found,) = ask([state()], [LIVE], [file("ibc.ini", "A=2\n")])
    assert found == {
        "instance": "live",
        "mode": "live",
        "reasons": ["ibc.ini changed"],
        "restart": "planned",
        "at": "2026-11-24T22:15:00Z",
        "tap": False,
        "text": "restart pending (ibc.ini changed): by itself at the daily restart, "
        "Tue 24 Nov 17:15 America/New_York, without a tap; at once, by its token, "
        "with: ibgatewayctl restart live",
    }


def test_after_the_run_it_is_the_same() -> None:
    before = ask([state()], [LIVE], [file("ibc.ini", "A=2\n")])
    after = ask([state(pending=("ibc.ini changed",))], [LIVE], [file("ibc.ini", "A=2\n")])
    assert after == before


def test_a_change_taken_back_before_the_restart_needs_none() -> None:
    assert ask([state(pending=("ibc.ini changed",))], [LIVE], [file("ibc.ini", OLD)]) == []


def test_files_that_the_launcher_does_not_read_need_none() -> None:
    assert ask([state()], [LIVE], [file("environment", "TZ=UTC\n"), file("ibc.ini", "A=2\n", "other")]) == []


def test_a_new_password_needs_a_restart() -> None:
    (found,) = ask([state()], [LIVE], [], credentials("password"))
    assert found["reasons"] == ["password.cred changed"]


@pytest.mark.parametrize("active", ["inactive", "failed"])
def test_what_does_not_run_needs_no_restart(active: str) -> None:
    assert ask([state(active=active)], [LIVE], [file("ibc.ini", "A=2\n")]) == []


def test_an_instance_that_is_not_ours_is_left_alone() -> None:
    assert ask([state("old", pending=("ibc.ini changed",))], [LIVE], []) == []


@pytest.mark.parametrize(
    ("instance", "how"),
    [
        (LIVE, "makes it, by its token, without a tap"),
        (PAPER, "makes it, by a stop and a start, without a tap"),
    ],
)
def test_now_is_made_in_the_run_and_costs_no_tap(instance: dict, how: str) -> None:
    instance = instance | {"restart": "now"}
    (found,) = ask([state(instance["name"], pending=("ibc.ini changed",))], [instance], [])
    assert (found["at"], found["tap"]) == (None, False)
    assert found["text"].endswith(how)


def test_never_is_said_to_be_no_playbooks_business() -> None:
    (found,) = ask([state(pending=("ibc.ini changed",))], [LIVE | {"restart": "never"}], [])
    assert (
        "ibgateway_restart is never, so no playbook makes it; by itself at the daily restart" in found["text"]
    )
    assert found["at"] == "2026-11-24T22:15:00Z"


def test_where_the_login_comes_first_the_daily_restart_after_it_is_meant() -> None:
    login = {"kind": "login", "at": "2026-11-24T13:00:00Z"}
    (found,) = ask([state(pending=("ibc.ini changed",), next_appointment=login)], [LIVE], [])
    assert found["at"] == "2026-11-24T22:15:00Z"


def test_an_hour_that_spring_skips_is_no_restart() -> None:
    instance = LIVE | {"daily_restart": "02:30"}
    (found,) = ibc_restarts(
        [state(pending=("ibc.ini changed",), next_appointment=None)],
        [instance],
        [],
        None,
        "2027-03-14T05:00:00Z",
    )
    assert found["at"] == "2027-03-15T06:30:00Z"


def test_without_a_daily_restart_it_waits_for_the_operator() -> None:
    instance = LIVE | {"daily_restart": ""}
    (found,) = ask([state(pending=("ibc.ini changed",), next_appointment=None)], [instance], [])
    assert found["at"] is None
    assert "waits for yours" in found["text"]
