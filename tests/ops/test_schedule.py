"""`scripts/ops schedule`: from an inventory to a table, without a host."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts.lib import inventory as inventories
from scripts.lib import ops, ops_schedule

GOLDEN = Path(__file__).parent / "golden"
# Clocks change in New York on 14 March, two weeks before Zurich's.
NOW = datetime(2027, 3, 12, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def tools_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As scripts/ops sets it."""
    import sys

    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ops_schedule.arguments(parser)
    return parser.parse_args(arguments)


def test_the_table_is_as_it_was(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ops_schedule.run(options("-i", str(inventory), "--days", "4"), NOW) == 0
    shown = capsys.readouterr()
    assert shown.out == (GOLDEN / "schedule.txt").read_text()
    assert shown.err == ""


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


def test_a_schedule_that_cannot_be_kept_is_refused_and_the_others_are_shown(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory.write_text(inventory.read_text().replace('"07:30"', '"05:00"'))
    assert ops_schedule.run(options("-i", str(inventory)), NOW) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("ERROR: vps2/live: daily_restart 05:00 Asia/Hong_Kong meets the reset window")
    assert "the nearest allowed time is" in shown.err
    assert shown.out.count("reset windows of") == 3


def test_windows_of_ones_own_count(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inventory.write_text(inventory.read_text() + "    ibc_reset_windows: {checked_on: '2027-01-01'}\n")
    assert ops_schedule.run(options("-i", str(inventory), "--limit", "vps1"), NOW) == 1
    assert "ibc_reset_windows lacks daily, weekend" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("gateways:", "others:", "has no host in the group gateways"),
        ("mode: paper", "mode: papre", "vps1: Instance 'paper': 'mode' must be live or paper, not 'papre'"),
        ("{{ home if", "{{ nowhere if", "vps1: 'nowhere' is undefined"),
    ],
)
def test_an_inventory_that_cannot_be_used_is_refused_in_a_sentence(
    inventory: Path, before: str, after: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory.write_text(inventory.read_text().replace(before, after, 1))
    assert ops.main(["schedule", "-i", str(inventory)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert sentence in error


def test_no_credential_is_read(inventory: Path) -> None:
    found = inventories.read(str(inventory), "vps1", [])
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
