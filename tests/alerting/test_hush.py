"""What is worth a message: the daily restart that goes well is not."""

from __future__ import annotations

import pytest

DAILY = ["restart_planned", "starting", "token_restart", "ready"]


def tell(new_courier, channel, events, kinds, *, restart_between: bool = False):
    courier = new_courier(channel)
    for kind in kinds:
        events.add(kind)
        courier.deliver_new()
        if restart_between:
            courier = new_courier(channel)


@pytest.mark.parametrize("restart_between", [False, True])
def test_a_daily_restart_that_goes_well_is_silent(new_courier, channel, events, restart_between):
    tell(new_courier, channel, events, DAILY * 3, restart_between=restart_between)
    assert channel.taken == []


def test_ready_after_a_login_is_told(new_courier, channel, events):
    tell(new_courier, channel, events, ["starting", "login_submitted", "ready"])
    assert channel.titles() == ["Ready"]


@pytest.mark.parametrize("restart_between", [False, True])
def test_a_restart_that_had_trouble_is_told_to_its_end(new_courier, channel, events, restart_between):
    kinds = [
        "restart_planned",
        "starting",
        "token_restart",
        "stuck",
        "starting",
        "token_restart",
        "ready",
        *DAILY,
    ]
    tell(new_courier, channel, events, kinds, restart_between=restart_between)
    assert channel.titles() == ["Gateway is stuck", "Ready"]


def test_trouble_before_the_restart_counts_too(new_courier, channel, events):
    tell(new_courier, channel, events, ["restart_missed", *DAILY])
    assert channel.titles() == ["Daily restart did not happen", "Ready"]
