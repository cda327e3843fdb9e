"""Mistakes in the inventory are refused in one sentence, before the host is touched."""

from collections.abc import Callable
from typing import Any

import pytest
from harness.instance import Instance
from harness.site import Run

LIVE = {
    "name": "live",
    "mode": "live",
    "username": "canary-3c5e-a",
    "password": "Canary-5f7a one",
    "api_port": 4001,
}
PAPER = {
    "name": "paper",
    "mode": "paper",
    "username": "canary-3c5e-b",
    "password": "Canary-5f7a two",
    "api_port": 4002,
}

MISTAKES = {
    "unknown setting": (
        {"ibc_settings": {"ReadOnlyApI2": True}},
        ["ReadOnlyApI2", "ReadOnlyApi"],
    ),
    "bad setting value": (
        {"ibc_settings": {"ExistingSessionDetectedAction": "primery"}},
        ["ExistingSessionDetectedAction", "primary"],
    ),
    "bad time": ({"ibc_daily_restart": "5:15 pm"}, ["5:15 pm"]),
    "unknown instance key": (
        {"ibgateway_instances": [LIVE, {**PAPER, "heapp": 512}]},
        ["heapp", "heap"],
    ),
    "same port": (
        {"ibgateway_instances": [LIVE, {**PAPER, "api_port": 4001}]},
        ["live", "paper", "4001"],
    ),
    "a port that is another's command port": (
        {"ibgateway_instances": [LIVE, {**PAPER, "api_port": 7462}]},
        ["live", "paper", "7462"],
    ),
    "same user name": (
        {"ibgateway_instances": [LIVE, {**PAPER, "username": LIVE["username"]}]},
        ["live", "paper", "user name"],
    ),
    "unlocked version": ({"ibgateway_version": "10.99.9"}, ["10.99.9", "ibgateway_artifacts"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_and_nothing_changes(site: Callable[..., Run], mistake: str, live: Instance):
    variables: dict[str, Any]
    variables, said = MISTAKES[mistake]
    before = live.status()["java_pid"]

    run = site(**variables)

    assert run.code != 0
    assert [words for words in said if words not in run.output] == [], run.output
    assert run.changed == 0
    assert "Canary-5f7a" not in run.output
    assert live.status()["java_pid"] == before
