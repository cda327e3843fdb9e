"""docs/launcher.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from ibgatewaylib import exitcodes
from ibgatewaylib.events import TYPES
from ibgatewaylib.limits import Limits

DOCS = (Path(__file__).parents[2] / "docs" / "launcher.md").read_text()


def test_every_event_is_listed():
    section = DOCS.split("## Events")[1].split("\n## ")[0]
    fields = {"time", "instance", "type", "detail"}
    assert set(re.findall(r"`([a-z_]+)`", section)) - fields == TYPES


def test_exit_codes_are_listed():
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", DOCS, re.MULTILINE)] == sorted(
        exitcodes.MEANINGS
    )


def test_limits_are_the_codes():
    def limit(row: str) -> str:
        return next(line for line in DOCS.splitlines() if line.startswith(f"| {row}")).split("|")[-2]

    for row, name in [
        ("the saved session does not come", "resuming"),
        ("no login window", "login_dialog"),
        ("no progress", "logging_in"),
        ("settings not applied", "configuring"),
        ("API does not answer", "api"),
        ("IB Key denied", "two_factor_answered"),
        ("a device must", "choice"),
        ("a window nobody", "unknown_dialog"),
    ]:
        assert f"{getattr(Limits, name):g} s" in limit(row), row
