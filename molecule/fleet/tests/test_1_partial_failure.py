"""One host cannot be reached, one fails: the others are unharmed, and the summary is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from harness.site import ROOT, Run

HEALTHY, BAD, AWAY = ("fleet1", "fleet2"), "fleet3", "fleet4"
NAMES = (*HEALTHY, BAD, AWAY)
LOCK = ROOT / ".cache/testbed/artifacts.lock.yml"
# Something to change on every host; it takes effect at the next planned restart.
CHANGE = {"ibc_daily_restart": "23:20"}


@pytest.fixture(scope="module")
def other_hash() -> dict[str, Any]:
    """The lock, with a hash that the installer of 10.45.1 does not have."""
    artifacts = yaml.safe_load(LOCK.read_text())["ibgateway_artifacts"]
    artifacts["10.45.1"]["sha256"] = "0" * 64
    artifacts = {name: {**lock, "path": str(ROOT / lock["path"])} for name, lock in artifacts.items()}
    return {"ibgateway_artifacts": artifacts}


@pytest.fixture(scope="module")
def before(fleet: Any) -> dict[str, tuple[int, str]]:
    """The paper Gateway's process and configuration on each host."""
    return {name: paper(fleet, name) for name in NAMES}


def paper(fleet: Any, name: str) -> tuple[int, str]:
    instance = fleet.instance(name, "paper")
    pid = instance.wait_for("ready")["java_pid"]
    return pid, fleet.host(name).check_output("sha256sum /etc/ibgateway/paper/instance.toml")


@pytest.fixture(scope="module")
def partial(fleet: Any, before: dict, other_hash: dict[str, Any]) -> Run:
    """A run over all four hosts, two of which it cannot serve."""
    return fleet.run(hosts={BAD: other_hash, AWAY: {"ansible_port": 9}}, **CHANGE)


def test_the_summary_is_true(partial: Run, summary: Callable):
    counts = summary(partial)
    assert partial.code != 0
    assert set(counts) == set(NAMES)
    for name in HEALTHY:
        assert (counts[name]["failed"], counts[name]["unreachable"]) == (0, 0), partial.output
        assert counts[name]["changed"] > 0
    assert (counts[BAD]["failed"], counts[BAD]["unreachable"]) == (1, 0), partial.output
    assert counts[AWAY] == {"ok": 0, "changed": 0, "unreachable": 1, "failed": 0} | {"ok": counts[AWAY]["ok"]}
    assert "Not installed: IB Gateway 10.45.1" in partial.output


def test_the_others_have_the_change_and_those_two_are_as_they_were(fleet: Any, partial: Run, before: dict):
    after = {name: paper(fleet, name) for name in NAMES}
    for name in HEALTHY:
        assert after[name][1] != before[name][1]
    for name in (BAD, AWAY):
        assert after[name] == before[name]


def test_no_session_was_interrupted_anywhere(fleet: Any, partial: Run, before: dict):
    assert {name: paper(fleet, name)[0] for name in NAMES} == {name: before[name][0] for name in NAMES}


def test_the_next_run_heals_and_the_one_after_has_nothing_to_do(fleet: Any, partial: Run, summary: Callable):
    healed = fleet.run(**CHANGE)
    assert healed.code == 0, healed.output
    counts = summary(healed)
    assert {name for name in NAMES if counts[name]["changed"]} == {BAD, AWAY}
    hashes = {paper(fleet, name)[1] for name in NAMES}
    assert len(hashes) == 1

    again = fleet.run(**CHANGE)
    assert (again.code, again.changed) == (0, 0), again.output


def test_one_first_and_not_the_rest_when_that_one_fails(
    fleet: Any, other_hash: dict[str, Any], summary: Callable
):
    run = fleet.run(
        "--tags=ibgateway_install",
        hosts={"fleet1": other_hash},
        fleet_serial=[1, "100%"],
        fleet_max_fail_percentage=0,
    )
    assert run.code != 0
    assert set(summary(run)) == {"fleet1"}


def test_two_at_a_time_come_to_all(fleet: Any, summary: Callable):
    run = fleet.run("--tags=ibgateway_install", fleet_serial=2)
    assert run.code == 0, run.output
    assert set(summary(run)) == set(NAMES)


def test_weekly_logins_at_the_same_time_are_warned_about_once(partial: Run):
    assert partial.output.count("The weekly logins of live (fleet1) (Sun ") == 1
