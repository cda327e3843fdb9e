"""The role's templates, rendered by Ansible, as those read them who will."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from ibgatewaylib import instance as instances
from ibgatewaylib.properties import parse
from render import Role

PASSWORD = r"canary \ # ! = : % {{ żółć }}"
INSTANCES = [
    {"name": "live", "mode": "live", "username": "canary-a", "password": PASSWORD, "api_port": 4001},
    {
        "name": "paper",
        "mode": "paper",
        "username": "canary-b",
        "password": PASSWORD,
        "api_port": 4002,
        "settings": {"ReadOnlyApi": False},
        "timezone": "Europe/Zurich",
        "daily_restart": "23:10",
        "login_budget": {"logins": 5},
    },
]


@pytest.fixture(scope="module")
def role() -> Role:
    """Role ibc with two instances."""
    return Role(
        "ibc",
        ibc_version="3.25.0",
        ibc_settings={"SecondFactorDevice": "IB Key"},
        ibgateway_instances=INSTANCES,
        ibgateway_version="10.45.1",
        ibgateway_java_source="installer",
        ibgateway_heap=768,
        ibgateway_restart="planned",
        ibgateway_artifact_delivery="push",
    )


@pytest.fixture(scope="module", params=[0, 1], ids=["live", "paper"])
def item(request: pytest.FixtureRequest, role: Role) -> dict[str, Any]:
    """Each instance as the role's loops see it: without credentials."""
    return role.value("_ibc_public")[request.param]


def test_ibc_ini_holds_what_the_instance_says(role: Role) -> None:
    live, paper = (parse(role.template("ibc.ini.j2", item=item)) for item in role.value("_ibc_public"))
    assert (live["TradingMode"], live["ReadOnlyApi"], live["AutoRestartTime"]) == ("live", "yes", "05:15 PM")
    assert (paper["TradingMode"], paper["ReadOnlyApi"]) == ("paper", "no")
    assert not paper.keys() & {"AutoRestartTime", "AutoLogoffTime"}
    assert live["SecondFactorDevice"] == paper["SecondFactorDevice"] == "IB Key"
    assert (paper["OverrideTwsApiPort"], paper["CommandServerPort"]) == ("4002", "7463")


def test_instance_toml_is_what_the_launcher_wants(role: Role, item: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / item["name"]
    folder.mkdir()
    (folder / "instance.toml").write_text(role.template("instance.toml.j2", item=item))
    loaded = instances.load(folder)
    assert (loaded.name, loaded.mode, loaded.api_port) == (item["name"], item["mode"], item["api_port"])
    assert loaded.program_dir == Path("/opt/ibgateway/releases/10.45.1")
    assert loaded.ibc_dir == Path("/opt/ibc/releases/3.25.0")
    assert loaded.settings_dir == Path("/var/lib/ibgateway", item["name"], "settings")
    schedule = (loaded.region, loaded.daily_restart, loaded.weekly_login, loaded.login)
    budget = (loaded.budget_logins, loaded.budget_hours, loaded.budget_minutes_apart)
    assert (schedule, budget) == {
        "live": (("auto", "17:15", "Sun 09:30", "consent"), (3, 6, 5)),
        "paper": (("auto", "23:10", "", "auto"), (5, 6, 5)),
    }[item["name"]]


@pytest.mark.parametrize(
    "template", ["ibc.ini.j2", "instance.toml.j2", "environment.j2", "ibgateway@.service.j2"]
)
def test_no_template_knows_a_credential(role: Role, item: dict[str, Any], template: str) -> None:
    text = role.template(template, item=item)
    assert "canary" not in text
    assert text.startswith("# Ansible managed\n")
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_the_zone_comes_from_the_instance(role: Role) -> None:
    assert (
        role.template("environment.j2", item=role.value("_ibc_public")[1]).splitlines()[-1]
        == "TZ=Europe/Zurich"
    )


def test_toml_has_only_texts_numbers_and_one_list(role: Role, item: dict[str, Any]) -> None:
    hours = ["Mon-Fri 09:30-16:00 America/New_York"]
    values = tomllib.loads(role.template("instance.toml.j2", item=item | {"market_hours": hours}))
    assert values.pop("market_hours") == hours
    assert {type(value) for value in values.values()} == {str, int}
