"""A release that works: without a tap, planned or now, and back again by hand."""

from collections.abc import Callable

import pytest
from harness.costs import counts, since
from harness.instance import Instance
from harness.phone import Phone
from harness.releases import NEW, OLD, back_to_old, judged, record
from harness.site import Run


@pytest.fixture(scope="module", autouse=True)
def the_new_release_is_not_here(live: Instance, paper: Instance) -> None:
    """The host began with it: that of the snapshot ran it."""
    for instance in (live, paper):
        back_to_old(instance)
    live.host.check_output("rm -rf /opt/ibgateway/releases/%s", NEW)


@pytest.mark.kinds("upgraded")
def test_planned_waits_for_the_daily_restart_and_costs_nothing(
    upgrade: Callable[..., Run], live: Instance, paper: Instance, phone: Phone
):
    before, pid, told = counts(live), live.status()["java_pid"], phone.last()

    run = upgrade(instance="live")

    assert run.code == 0, run.output
    status = live.status()
    assert (status["state"], status["java_pid"], status["gateway_version"]) == ("ready", pid, OLD)
    assert f"IB Gateway {OLD} → {NEW}" in status["pending"]
    assert f"IB Gateway {OLD} → {NEW}" in run.output
    assert paper.status()["pending"] == []

    seen = len(live.events())
    live.simulate("restart-now")
    live.wait_for_event("ready", seen, 90)
    judged(live)
    live.wait_for_event("upgraded", seen)

    assert live.status()["gateway_version"] == NEW
    assert record(live)["previous"]["gateway_version"] == OLD
    assert since(live, before) == {"logins": 0, "pushes.sent": 0, "token_restarts": 1}
    copies = live.host.check_output("ls /var/lib/ibgateway/live/backups").split()
    assert copies[-1].endswith(f"-{OLD}")
    assert live.host.file(f"/var/lib/ibgateway/live/backups/{copies[-1]}/jts.ini").exists
    phone.wait_for("New release runs", told)


def test_a_preview_tells_when_and_changes_nothing(
    upgrade: Callable[..., Run], live: Instance, paper: Instance
):
    before = live.status()
    run = upgrade("--check", instance="live")
    assert run.code == 0, run.output
    assert f"restart pending (IB Gateway {OLD} → {NEW}): by itself at the daily restart" in run.output
    assert record(live) == {}
    after = live.status()
    assert (after["java_pid"], after["pending"]) == (before["java_pid"], [])
    assert paper.status()["pending"] == []


def test_now_takes_the_token_and_a_second_run_changes_nothing(upgrade: Callable[..., Run], live: Instance):
    before = counts(live)

    run = upgrade(instance="live", ibgateway_restart="now")

    assert run.code == 0, run.output
    assert (live.status()["state"], live.status()["gateway_version"]) == ("ready", NEW)
    assert since(live, before) == {"logins": 0, "pushes.sent": 0, "token_restarts": 1}
    again = upgrade(instance="live", ibgateway_restart="now")
    assert (again.code, again.changed) == (0, 0), again.output


def test_a_paper_account_logs_in_once(upgrade: Callable[..., Run], paper: Instance):
    before = counts(paper)
    run = upgrade(instance="paper", ibgateway_restart="now")
    assert run.code == 0, run.output
    assert paper.status()["gateway_version"] == NEW
    assert since(paper, before)["logins"] == 1
    assert since(paper, before)["pushes.sent"] == 0


def test_one_command_goes_back_and_site_does_not_go_forward_again(
    site: Callable[..., Run], upgrade: Callable[..., Run], rollback: Callable[..., Run], live: Instance
):
    assert upgrade(instance="live", ibgateway_restart="now").code == 0
    before = counts(live)

    run = rollback(instance="live", ibgateway_restart="now")

    assert run.code == 0, run.output
    assert f"IB Gateway {NEW} → {OLD}" in run.output
    assert (live.status()["state"], live.status()["gateway_version"]) == ("ready", OLD)
    assert since(live, before) == {"logins": 0, "pushes.sent": 0, "token_restarts": 1}
    refused = site("--tags=ibc", ibgateway_version=NEW)
    assert refused.code != 0
    assert f"live has left IB Gateway {NEW}" in refused.output
    assert live.status()["pending"] == []


def test_what_speaks_against_a_restart_stops_it_before_anything_is_switched(
    upgrade: Callable[..., Run], live: Instance
):
    live.simulate("set", "orders=2", "position=10")
    run = upgrade(instance="live", ibgateway_restart="now")
    assert run.code != 0
    assert "2 open orders" in run.output
    assert "1 open position" in run.output
    assert live.status()["pending"] == []
    assert live.host.run("ibgatewayctl restart live").rc == 5
