"""A variable with a new name is refused under its old one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("renamed", ROOT / "plugins/filter/ibgateway_renamed.py")
module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(module)
SAMPLE = {
    "ibgateway_watch_channels": "alerting_channels",
    "ibc_tap_hour": "the hour is part of ibc_weekly_login, write both there",
}


def test_the_message_has_the_new_name_or_says_what_to_do() -> None:
    names = ["ibgateway_version", "ibc_tap_hour", "ibgateway_watch_channels"]
    assert module.ibgateway_renamed_problems(names, SAMPLE) == [
        "ibgateway_watch_channels is no longer read: rename it to alerting_channels.",
        "ibc_tap_hour is no longer read: the hour is part of ibc_weekly_login, write both there.",
    ]


def test_names_of_today_pass() -> None:
    assert module.ibgateway_renamed_problems(["ibgateway_version", "alerting_channels"], SAMPLE) == []


def test_the_real_table_leads_from_names_of_the_past_to_names_of_today() -> None:
    today = set()
    for spec in ROOT.glob("roles/*/meta/argument_specs.yml"):
        today |= set(yaml.safe_load(spec.read_text())["argument_specs"]["main"]["options"])
    assert set(module.RENAMED).isdisjoint(today)
    assert {new for new in module.RENAMED.values() if " " not in new} <= today
