"""An instance is added, then renamed by the recipe that the run prints: the others notice nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from conftest import BY_TOKEN, pids
from harness.costs import counts, since
from harness.instance import Instance
from harness.site import Run

RECIPE = re.compile(r"Was it renamed\? On the host: (ibgatewayctl stop .+? && ibgatewayctl start [a-z0-9-]+)")


@pytest.fixture(scope="module")
def given(live: Instance, paper: Instance) -> list[dict[str, Any]]:
    """The inventory's instances."""
    return [live.given, paper.given]


@pytest.fixture(scope="module")
def before(live: Instance, paper: Instance) -> list[int]:
    """The processes of the others."""
    return pids(live, paper)


def instance(live: Instance, name: str) -> Instance:
    entry = {"name": name, "mode": "paper", "username": "canary-3c5e-extra", "password": "Canary-4b1d-extra"}
    return Instance(live.host, entry | {"api_port": 4003})


def test_one_that_is_added_starts_and_the_others_go_on(
    site: Callable[..., Run], live: Instance, paper: Instance, given: list, before: list[int]
):
    extra = instance(live, "extra")

    run = site(ibgateway_instances=[*given, extra.given])

    assert run.code == 0, run.output
    extra.wait_for("ready", 90)
    assert pids(live, paper, extra)[:2] == before


def test_one_that_is_renamed_keeps_its_settings_by_the_recipe_that_is_printed(
    site: Callable[..., Run], live: Instance, paper: Instance, given: list, before: list[int]
):
    host, extra, other = live.host, instance(live, "extra"), instance(live, "other")
    history = extra.events()
    host.check_output("echo mine > /var/lib/ibgateway/extra/settings/kept")

    run = site(ibgateway_instances=[*given, other.given])

    assert run.code == 0, run.output
    (recipe,) = RECIPE.findall(run.output)
    assert "mv /var/lib/ibgateway/extra /var/lib/ibgateway/other" in recipe
    other.wait_for("ready", 90)
    host.check_output("timeout 150 sh -c %s", recipe)
    other.wait_for("ready", 90)
    assert host.check_output("cat /var/lib/ibgateway/other/settings/kept") == "mine"
    assert other.events()[: len(history)] == history
    assert not host.file("/var/lib/ibgateway/extra").exists
    again = site(ibgateway_instances=[*given, other.given])
    assert (again.code, again.changed) == (0, 0), again.output
    assert pids(live, paper, other)[:2] == before


def test_one_that_is_taken_out_is_said_to_have_gone(
    site: Callable[..., Run], live: Instance, paper: Instance, before: list[int]
):
    run = site()
    assert run.code == 0, run.output
    assert "instance other, which was logged out" in run.output
    assert "ibgatewayctl stop NEW" in run.output
    assert pids(live, paper) == before


def test_a_live_account_is_renamed_without_a_tap(
    site: Callable[..., Run], live: Instance, paper: Instance, before: list[int]
):
    host, spent = live.host, counts(live)
    main = Instance(host, {**live.given, "name": "main"})

    # The recipe of docs/operations.md: the token comes along.
    host.check_output(
        "timeout 150 ibgatewayctl pause live && mv /var/lib/ibgateway/live /var/lib/ibgateway/main"
    )
    run = site(ibgateway_instances=[main.given, paper.given])

    assert run.code == 0, run.output
    assert "instance live, which was logged out." in run.output
    assert "Was it renamed?" not in run.output
    main.wait_for("ready", 90)
    assert since(main, spent) == BY_TOKEN
    assert pids(paper) == before[1:]
