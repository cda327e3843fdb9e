"""What the role copies, starts, restarts and tells, from what it found on the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from ibc_host import COMMANDS, PLACE, ibc_leftover_files, ibc_outdated_files
from ibc_status import ibc_report, ibc_to_restart, ibc_to_start
from look import look
from place_files import place

FILES = str(ROOT / "roles" / "ibc" / "files")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A file system on which the library is complete, but for the owner, who is whoever runs the tests."""
    orders = []
    for entry in ibc_outdated_files({}, FILES):
        entry["dest"] = str(tmp_path / entry["dest"][1:])
        orders.append(entry)
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"write": orders, "remove": []}))
    place(bundle, tmp_path / PLACE[1:] / "ibgatewaylib")
    assert not bundle.exists()
    return tmp_path


def seen(host: Path) -> dict[str, list[Any]]:
    """What look.py tells, were root the owner."""
    return {path: [*facts[:2], 0] for path, facts in look(host)["library"].items()}


def test_a_bare_host_gets_every_module_and_command(tmp_path: Path) -> None:
    assert look(tmp_path) == {"releases": {}, "library": {}}
    modes = {entry["dest"]: entry["mode"] for entry in ibc_outdated_files({}, FILES)}
    assert modes[f"{PLACE}/ibgatewaylib/launcher.py"] == "0644"
    assert {modes[command] for command in COMMANDS.values()} == {"0755"}


def test_nothing_is_copied_twice(host: Path) -> None:
    assert ibc_outdated_files(seen(host), FILES) == []
    assert ibc_leftover_files(seen(host), FILES) == []


@pytest.mark.parametrize("facts", [["0", "0644", 0], ["same", "0664", 0], ["same", "0644", 1000]])
def test_what_differs_is_copied_again(host: Path, facts: list[Any]) -> None:
    path = f"{PLACE}/ibgatewaylib/launcher.py"
    there = seen(host)
    there[path] = [there[path][0] if facts[0] == "same" else facts[0], *facts[1:]]
    assert [entry["dest"] for entry in ibc_outdated_files(there, FILES)] == [path]


def test_only_the_librarys_own_leftovers_are_removed(host: Path) -> None:
    (host / PLACE[1:] / "ibgatewaylib" / "old.py").touch()
    (host / PLACE[1:] / "display").touch()
    assert ibc_leftover_files(seen(host), FILES) == [f"{PLACE}/ibgatewaylib/old.py"]


def test_leftovers_go_and_modules_are_compiled(host: Path) -> None:
    library = host / PLACE[1:] / "ibgatewaylib"
    (library / "old.py").touch()
    (host / "bundle.json").write_text(json.dumps({"write": [], "remove": [str(library / "old.py")]}))
    place(host / "bundle.json", library)
    assert not (library / "old.py").exists()
    assert list((library / "__pycache__").glob("launcher.*.pyc"))


SINCE = "2026-11-24T04:00:00.000Z"
LIVE = {"name": "live", "restart": "planned"}


def state(
    active: str, state: str, *pending: str, since: str | None = SINCE, result: str = "success"
) -> dict[str, Any]:
    """One instance of `ibgatewayctl status --json`."""
    unit = {"active_state": active, "sub_state": "", "result": result, "exit_status": 0}
    said = {"instance": "live", "state": state, "status": f"it is {state}", "since": since}
    return said | {"pending": list(pending), "unit": unit}


@pytest.mark.parametrize(
    ("found", "started"),
    [
        (state("inactive", "stopped", since=None), True),
        (state("failed", "failed"), True),
        (state("active", "ready"), False),
        (state("activating", "two_factor"), False),
        (state("failed", "parked"), False),
        (state("inactive", "stopped"), False),
        (state("failed", "failed", result="start-limit-hit"), False),
    ],
)
def test_only_what_nobody_stopped_or_parked_is_started(found: dict[str, Any], started: bool) -> None:
    assert ibc_to_start([found], [LIVE]) == (["live"] if started else [])
    assert ibc_to_start([found], [{"name": "paper"}]) == []


@pytest.mark.parametrize(
    ("found", "restart", "restarted"),
    [
        (state("active", "ready", "ibc.ini changed"), "now", True),
        (state("active", "ready", "ibc.ini changed"), "planned", False),
        (state("active", "ready"), "now", False),
        (state("failed", "parked", "ibc.ini changed"), "now", False),
    ],
)
def test_only_what_is_pending_and_may_not_wait_is_restarted(
    found: dict[str, Any], restart: str, restarted: bool
) -> None:
    assert ibc_to_restart([found], [LIVE | {"restart": restart}]) == (["live"] if restarted else [])


def test_the_report_tells_what_is_pending_and_what_stays_down() -> None:
    ready, pending, parked = ibc_report(
        [state("active", "ready"), state("active", "ready", "ibc.ini changed"), state("failed", "parked")]
    )
    assert ready == "live: ready, it is ready"
    assert "ibc.ini changed" in pending
    assert "ibgateway_restart=now" in pending
    assert "ibgatewayctl start live" in parked
