"""A release that does not work is left again, by the host alone, and the old one is back without a tap."""

import json
from collections.abc import Callable

import pytest
from harness.costs import counts, since
from harness.instance import Instance
from harness.phone import Phone
from harness.releases import NEW, OLD, judged, record
from harness.site import Run


def is_back(instance: Instance, seen: int) -> dict:
    """The event that tells of it, once the instance is ready with the old release."""
    event = instance.wait_for_event("upgrade_failed", seen, 120)
    status = instance.wait_for("ready", 120)
    assert (status["gateway_version"], status["pending"]) == (OLD, [])
    assert record(instance)["left"]["versions"]["gateway_version"] == NEW
    folder = event["detail"]["evidence"]
    assert instance.host.file(f"{folder}/why.txt").content_string.strip()
    assert NEW in instance.host.file(f"{folder}/journal.txt").content_string
    return event


@pytest.mark.kinds("upgrade_failed")
@pytest.mark.parametrize("effect", ["startup@10.45.1=crash", "startup@10.45.1=no_window"])
def test_now_it_does_not_start_or_does_not_get_ready(
    upgrade: Callable[..., Run], live: Instance, phone: Phone, effect: str
):
    live.simulate("set", effect)
    before, seen = counts(live), len(live.events())

    run = upgrade(instance="live", ibgateway_restart="now", wait_seconds=20)

    assert run.code != 0
    assert f"left IB Gateway {NEW}" in run.output
    is_back(live, seen)
    assert since(live, before)["logins"] == 0
    assert since(live, before)["pushes.sent"] == 0
    # One incident, as long as it is open, whichever of the tests came first.
    phone.wait_for("New release left again")


def test_planned_and_it_does_not_start(upgrade: Callable[..., Run], live: Instance):
    live.simulate("set", "startup@10.45.1=crash")
    before, seen = counts(live), len(live.events())
    assert upgrade(instance="live").code == 0
    live.simulate("restart-now")
    crashed = live.wait_for_event("crashed", seen, 60)
    # The second start waits for a minute.
    live.wait_for_event("crashed", 1 + live.events().index(crashed), 90)

    judged(live)

    is_back(live, seen)
    assert since(live, before)["logins"] == 0
    assert since(live, before)["pushes.sent"] == 0


def test_planned_and_its_windows_have_changed(upgrade: Callable[..., Run], paper: Instance):
    paper.simulate("set", "startup@10.45.1=odd_window")
    before, seen = counts(paper), len(paper.events())
    assert upgrade(instance="paper").code == 0

    paper.host.check_output("systemctl start ibgateway-cycle@paper.service")

    # Nobody looks: the run that parked makes the host look by itself.
    assert "login window" in json.dumps(is_back(paper, seen)["detail"])
    assert since(paper, before)["logins"] == 1
