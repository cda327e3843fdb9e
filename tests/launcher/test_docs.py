"""docs/launcher.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from ibgatewaylib import consent, exitcodes, gate
from ibgatewaylib.events import TYPES
from ibgatewaylib.limits import Limits
from ibgatewaylib.session import STATES

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
    section = DOCS.split("| Waiting for |")[1].split("\n\n")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    names = ("display", "java", "resuming", "login_dialog", "logging_in", "two_factor_grace",
             "two_factor_answered", "code", "choice", "unknown_dialog", "configuring", "api", "link",
             "out_of_memory")  # fmt: skip
    for row, name in zip(rows, names, strict=True):
        assert f"{getattr(Limits, name):g} s" in row, row
    assert f"{Limits.logging_in_total / 60:g} min in all" in section
    assert f"may take {Limits.restart:g} s" in DOCS
    assert f"every {Limits.look_again:g} s" in DOCS


def test_pauses_are_the_codes():
    minutes = [seconds // 60 for seconds in gate.PAUSES]
    assert minutes == [0, 1, 2, 4, 8, 15, 15, 15]
    assert "1, 2, 4, 8, then 15 minutes, and the ninth parks" in DOCS
    assert f"holds {consent.SECONDS // 60:g} minutes".replace("10", "ten") in DOCS


def test_states_are_listed():
    listed = DOCS.split("- `state` (")[1].split(")")[0].replace("\n", " ")
    states = {"starting", "deferred", "stopping", "stopped", "parked", "failed", *STATES.values()}
    assert set(listed.split(", ")) == states


def test_every_key_of_state_json_is_listed(box):
    box.write_toml(login="consent")
    assert box.start().end() == 77
    section = DOCS.split("## State")[1].split("\n## ")[0]
    plain = {"instance", "mode", "api_port", "gateway_version", "ibc_version"}
    assert set(box.state_json()) - plain <= set(re.findall(r"`([a-z_]+)`", section))
