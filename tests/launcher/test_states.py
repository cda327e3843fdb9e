"""docs/states.md, the code and the simulator name the same states."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from ibgatewaylib import exitcodes
from ibgatewaylib.events import TYPES
from ibgatewaylib.reasons import REASONS
from ibgatewaylib.session import STATES

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "roles/ibc/files/ibgatewaylib"
SIMULATOR = ROOT / "testbed/simulator/src/simulator"
PAGE = (ROOT / "docs/states.md").read_text()

ROWS = {
    cells[1].strip("` "): [cell.strip() for cell in cells[1:-1]]
    for cells in (line.split("|") for line in PAGE.splitlines() if line.startswith("| `"))
}
# Entries that are no fault: things go well after them.
WELL = {
    "startup=ok", "login=ok", "second_factor=push", "second_factor=none", "push=approve", "settings=ok",
}  # fmt: skip
# Faults that end no run, named below the table.
TOLD = {"login=password_notice"}


def named(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def made() -> set[str]:
    """The reasons that the simulator makes, by the table's last column."""
    return {reason for reason, row in ROWS.items() if not row[6].startswith("no: ")}


def scenarios() -> set[str]:
    source = (SIMULATOR / "state/Scenario.java").read_text()
    block = source.split("SEQUENCES = Map.of(")[1].split(");\n")[0]
    return {
        f"{key}={entry}"
        for key, entries in re.findall(r'"(\w+)", List\.of\(([^)]*)\)', block)
        for entry in re.findall(r'"(\w+)"', entries)
    }


def commands() -> set[str]:
    source = (SIMULATOR / "Commands.java").read_text()
    return {words.split()[0] for words in re.findall(r'(?:case |equals\()"([a-z -]+)"', source)}


def test_every_reason_has_its_row():
    assert list(ROWS) == list(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_exit_codes_and_events_are_the_codes(reason):
    _, _, events, codes, follows, you, _ = ROWS[reason]
    assert [int(code) for code in codes.split(" or ")] == list(REASONS[reason])
    types = named(events) - {"code"}
    assert types
    assert types <= TYPES
    assert ("parked" in types) == (exitcodes.PARKED in REASONS[reason])
    assert "park" in follows or exitcodes.PARKED not in REASONS[reason]
    assert follows
    assert you


def test_every_reason_is_used_and_no_other():
    words = {"stuck_" + phase for phase in STATES}
    for file in ("session.py", "outcome.py", "launcher.py", "gate.py"):
        tree = ast.parse((LIBRARY / file).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words |= {node.value, "stuck_" + node.value}
    assert set(REASONS) <= words


def test_a_verdict_outside_the_table_is_refused():
    from ibgatewaylib.session import Verdict

    with pytest.raises(KeyError):
        Verdict(exitcodes.PARKED, "something", "…")
    with pytest.raises(ValueError, match="does not end with 0"):
        Verdict(exitcodes.STOPPED, "crashed", "…")


@pytest.mark.parametrize("reason", REASONS)
def test_the_simulator_makes_a_state_or_the_table_says_why_not(reason):
    cell = ROWS[reason][6]
    assert named(cell) if reason in made() else len(cell) > len("no: ")


def test_real_ibc_meets_every_state_that_the_simulator_makes():
    constants = {
        node.value
        for file in Path(__file__).parent.glob("test_real_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert made() - constants == set()
    # Each entry of a scenario, too: a test of one says nothing about the others with the same end.
    tested = {word for text in constants for word in text.split()}
    assert scenarios() - WELL - {"restart=ok"} - tested == set()


def test_every_fault_of_the_simulator_is_in_the_table():
    simulated = set().union(*(named(ROWS[reason][6]) for reason in made()))
    below = PAGE.split("\nNot ends")[1]
    assert named(below) >= TOLD
    assert scenarios() - WELL - TOLD == {name for name in simulated if "=" in name}
    faults = {name for name in simulated if "=" not in name} | {"hang"}
    assert faults == {
        "restart-now", "logoff-now", "take-session", "wedge", "link", "crash", "exit", "hang",
        "exhaust-memory",
    }  # fmt: skip
    assert faults <= commands()
    assert "hang" in named(below)
