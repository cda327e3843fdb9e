"""The role's templates, rendered by Ansible, as those read them who will."""

from __future__ import annotations

import re
import shutil
import subprocess
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
        "daily_restart": "",
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
    )


@pytest.fixture(scope="module", params=[0, 1], ids=["live", "paper"])
def item(request: pytest.FixtureRequest, role: Role) -> dict[str, Any]:
    """Each instance as the role's loops see it: without credentials."""
    return role.value("_ibc_public")[request.param]


def test_ibc_ini_holds_what_the_instance_says(role: Role) -> None:
    live, paper = (parse(role.template("ibc.ini.j2", item=item)) for item in role.value("_ibc_public"))
    assert (live["TradingMode"], live["ReadOnlyApi"], live["AutoRestartTime"]) == ("live", "yes", "05:15 PM")
    assert (paper["TradingMode"], paper["ReadOnlyApi"]) == ("paper", "no")
    assert "AutoRestartTime" not in paper
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


def test_toml_has_only_texts_and_numbers(role: Role, item: dict[str, Any]) -> None:
    values = tomllib.loads(role.template("instance.toml.j2", item=item))
    assert {type(value) for value in values.values()} == {str, int}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_knows_every_line_of_the_unit(role: Role, tmp_path: Path) -> None:
    # The launcher and the display's unit are not on this machine; a warning names any unknown key.
    text = role.template("ibgateway@.service.j2")
    text = re.sub(r"/usr/local/lib/ibgateway/(launcher|jts-ini)", "/bin/true", text)
    unit = tmp_path / "ibgateway@verify.service"
    unit.write_text(text)
    (tmp_path / "ibgateway-display@verify.service").write_text("[Service]\nExecStart=/bin/true\n")
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    ours = [line for line in result.stderr.splitlines() if "ibgateway" in line]
    assert (result.returncode, ours) == (0, [])
