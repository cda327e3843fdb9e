"""Weekly logins of several live accounts come one after the other, or are warned about."""

from __future__ import annotations

from typing import Any

import ibc_fleet as plugin
import pytest

WEDNESDAY = "2026-11-25"


def logins(host: str, *weekly: str, mode: str = "live", timezone: str = "America/New_York") -> dict[str, Any]:
    instances = [
        {"name": f"live{number}", "mode": mode, "weekly_login": login, "timezone": timezone}
        for number, login in enumerate(weekly, 1)
    ]
    return plugin.ibc_weekly_logins(instances, host, WEDNESDAY)


def test_the_minute_is_that_of_the_week_in_utc() -> None:
    found = logins("vps1", "Sun 09:30", "Sun 15:30 Europe/Zurich")
    sunday = 6 * 24 * 60 + 14 * 60 + 30
    assert found == {
        "live1 (vps1)": {"at": sunday, "said": "Sun 09:30 America/New_York"},
        "live2 (vps1)": {"at": sunday, "said": "Sun 15:30 Europe/Zurich"},
    }


def test_neither_paper_nor_an_instance_without_appointment_has_one() -> None:
    assert logins("vps1", "Sun 09:30", mode="paper") == logins("vps1", "") == {}


@pytest.mark.parametrize(
    ("hosts", "clashes"),
    [
        ([logins("a", "Sun 09:30")], []),
        ([logins("a", "Sun 09:30", "Sun 09:40")], []),
        ([logins("a", "Sun 09:30", "Sun 09:39")], [("live1 (a)", "live2 (a)")]),
        ([logins("a", "Sun 09:30"), logins("b", "Sun 09:30")], [("live1 (a)", "live1 (b)")]),
        ([logins("a", "Sun 09:30"), logins("b", "Sun 15:30 Europe/Zurich")], [("live1 (a)", "live1 (b)")]),
        ([logins("a", "Sun 18:59"), logins("b", "Mon 00:01 UTC")], [("live1 (a)", "live1 (b)")]),
        (
            [logins("c", "Sun 10:00"), logins("a", "Sun 10:00"), logins("b", "Sun 10:00")],
            [("live1 (a)", "live1 (b)"), ("live1 (b)", "live1 (c)")],
        ),
        ([{}, logins("a")], []),
    ],
)
def test_who_comes_too_close_to_whom(hosts: list[dict[str, Any]], clashes: list[tuple[str, str]]) -> None:
    said = plugin.ibc_login_clashes(hosts)
    assert len(said) == len(clashes)
    for sentence, (first, second) in zip(said, clashes, strict=True):
        assert sentence.startswith(f"The weekly logins of {first} (Sun ")
        assert f" and {second} (" in sentence
        assert "10 minutes apart" in sentence
