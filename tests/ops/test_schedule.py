"""`scripts/ops schedule`: from an inventory to a table, without a host."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts.lib import inventory as inventories
from scripts.lib import ops, ops_schedule

GOLDEN = Path(__file__).parent / "golden"
# Clocks change in New York on 14 March, two weeks before Zurich's.
NOW = datetime(2027, 3, 12, 12, 0, tzinfo=UTC)


INVENTORY = """\
gateways:
  hosts:
    vps1:
    vps2:
      ibc_daily_restart: "07:30"
      ibc_region: asia
  vars:
    home: Europe/Zurich
    ibgateway_version: "10.45.1"
    ibc_version: "3.25.0"
    ibc_timezone: "{{ home if inventory_hostname == 'vps1' else 'Asia/Hong_Kong' }}"
    ibc_daily_restart: "23:10"
    ibc_weekly_login: Sun 09:30 America/New_York
    ibgateway_instances:
      - name: live
        mode: live
        username: "{{ vault_user }}"
        password: "{{ vault_password }}"
        api_port: 4001
      - name: paper
        mode: paper
        username: "{{ vault_user }}"
        password: "{{ vault_password }}"
        api_port: 4002
        timezone: "{{ home }}"
        daily_restart: "22:00"
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """Two hosts with two instances each, whose vault stays closed."""
    file = tmp_path / "hosts.yml"
    file.write_text(INVENTORY)
    return file


@pytest.fixture(autouse=True)
def tools_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As scripts/ops sets it."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What ansible-inventory says of the inventory; asked once, for it takes half a second."""
    file = tmp_path_factory.mktemp("listed") / "hosts.yml"
    file.write_text(INVENTORY)
    command = [Path(sys.executable).parent / "ansible-inventory", "--list", "--inventory", file]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def listed(listing: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have ansible-inventory say something else of some of it, from now on."""

    def lists(before: str, after: str) -> None:
        assert before in listing
        done = subprocess.CompletedProcess([], 0, listing.replace(before, after), "")
        monkeypatch.setattr(inventories.subprocess, "run", lambda *_, **__: done)

    return lists


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ops_schedule.arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.processes
def test_the_table_is_as_it_was(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ops_schedule.run(options("-i", str(inventory), "--days", "4"), NOW) == 0
    shown = capsys.readouterr()
    assert shown.out == (GOLDEN / "schedule.txt").read_text()
    assert shown.err == ""


@pytest.mark.processes
def test_json_holds_the_same_in_utc(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        ops_schedule.run(options("-i", str(inventory), "--json", "--days", "4", "--limit", "vps2"), NOW) == 0
    )
    found = json.loads(capsys.readouterr().out)["instances"]
    assert [(entry["host"], entry["instance"], entry["region"]) for entry in found] == [
        ("vps2", "live", "asia"),
        ("vps2", "paper", "america"),
    ]
    (login,) = [entry for entry in found[0]["entries"] if entry["kind"] == "login"]
    assert login["start"] == "2027-03-14T13:30:00+00:00", "09:30 in New York, in summer time since that night"


@pytest.mark.processes
def test_a_schedule_that_cannot_be_kept_is_refused_and_the_others_are_shown(
    listed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    listed('"07:30"', '"05:00"')
    assert ops_schedule.run(options(), NOW) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("ERROR: vps2/live: daily_restart 05:00 Asia/Hong_Kong meets the reset window")
    assert "the nearest allowed time is" in shown.err
    assert shown.out.count("reset windows of") == 3


def test_windows_of_ones_own_count(listed: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    own = '"ibc_reset_windows": {"checked_on": "2027-01-01"}, '
    listed('"ibc_region":', own + '"ibc_region":')
    assert ops_schedule.run(options(), NOW) == 1
    assert "ibc_reset_windows lacks daily, weekend" in capsys.readouterr().err


@pytest.mark.processes
def test_an_inventory_without_gateways_is_refused_in_a_sentence(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory.write_text(inventory.read_text().replace("gateways:", "others:"))
    assert ops.main(["schedule", "-i", str(inventory)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"ERROR: the inventory {inventory} has no host in the group gateways")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (
            '"mode": "paper"',
            '"mode": "papre"',
            "vps1: Instance 'paper': 'mode' must be live or paper, not 'papre'",
        ),
        ("{{ home if", "{{ nowhere if", "vps1: 'nowhere' is undefined"),
    ],
)
def test_an_inventory_that_cannot_be_used_is_refused_in_a_sentence(
    listed: Callable[..., None], before: str, after: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listed(before, after)
    assert ops.main(["schedule"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert sentence in error


def test_no_credential_is_read(listed: Callable[..., None]) -> None:
    listed("{{ vault_user }}", "{{ vault_user }}")
    found = inventories.read("", "", [])
    assert not {"username", "password"} & found["vps1"]["instances"][0].keys()


@pytest.mark.parametrize("days", ["0", "367", "-1", "two"])
def test_a_wrong_number_of_days_is_a_matter_of_usage(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        ops.main(["schedule", f"--days={days}"])
    assert ended.value.code == 2
    assert "is no number of days from 1 to 366" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["schedule", "--help"]):
        with pytest.raises(SystemExit) as ended:
            ops.main(arguments)
        assert ended.value.code == 0
    shown = capsys.readouterr().out
    for words in ("scripts/ops schedule -i", "Exit codes", "no host is asked"):
        assert words in shown
