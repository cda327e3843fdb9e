"""The catalogue knows every setting IBC has, and the page says what the catalogue says."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from ibgatewaylib import ibc_settings
from ibgatewaylib.ibc_catalogue import BY_NAME, CATALOGUE, FORK, FORMER, SECTIONS
from ibgatewaylib.properties import parse

ROOT = Path(__file__).resolve().parents[2]
# Known to IBC's code but not, or only as a comment, in the config.ini it ships.
NOT_SHIPPED = {"LogComponents"}


@pytest.fixture(scope="module")
def shipped(wheel: Path) -> dict[str, str]:
    """IBC's own config.ini."""
    with zipfile.ZipFile(wheel) as archive:
        return parse(archive.read("ibc2/_ibc/config.ini").decode("latin-1"))


def test_every_setting_ibc_ships_is_known_and_no_other(shipped: dict[str, str]) -> None:
    assert set(shipped) | NOT_SHIPPED == set(BY_NAME)


def test_each_name_stands_once_in_the_order_of_ibcs_sections() -> None:
    assert len(BY_NAME) == len(CATALOGUE)
    sections = [setting.section for setting in CATALOGUE]
    assert sections == sorted(sections)
    assert set(sections) == set(SECTIONS)


def test_the_forks_own_settings_are_marked() -> None:
    fork = {setting.name for setting in CATALOGUE if setting.since == FORK}
    assert fork == {"EventLogFile", "DialogRulesFile", "AllowLocalhostOnly"}


def test_what_ibc_ships_is_a_value_we_take(shipped: dict[str, str]) -> None:
    # IBC ships 0 for "no command server", which is a key of ours anyway.
    values = {name: value for name, value in shipped.items() if value and name != "CommandServerPort"}
    for name, value in values.items():
        assert BY_NAME[name].kind.check(value) == value


def test_our_defaults_are_values_we_take_and_have_a_reason() -> None:
    for setting in CATALOGUE:
        if setting.ours is None:
            assert not setting.why, setting.name
        else:
            assert setting.why, setting.name
        if isinstance(setting.ours, str):
            assert setting.kind.check(setting.ours) == setting.ours


def test_former_names_are_not_settings_any_more() -> None:
    assert not FORMER.keys() & BY_NAME.keys()


def test_meanings_and_remedies_are_one_line_without_full_stop() -> None:
    for setting in CATALOGUE:
        for text in (setting.meaning, setting.why, setting.not_yours):
            assert "\n" not in text
            assert not text.endswith("."), setting.name
        assert setting.meaning
        assert re.fullmatch(r"\d+\.\d+\.\d+", setting.since)


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "ibc-settings.md").read_text(encoding="utf-8")
    command = "PYTHONPATH=roles/ibc/files python3 -m ibgatewaylib.ibc_settings > docs/ibc-settings.md"
    assert page == ibc_settings.page(), f"run: {command}"
    assert all(f"`{name}`" in page for name in BY_NAME)
