"""Times and zones that cannot be kept are refused in one sentence, before the host is touched."""

from collections.abc import Callable
from typing import Any

import pytest
from harness.instance import Instance
from harness.site import Run

MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no such zone": ({"ibc_timezone": "Europe/Zuerich"}, ["Europe/Zuerich", "full name of a time zone"]),
    "an abbreviation": ({"ibc_timezone": "EST"}, ["EST", "America/New_York"]),
    "no such time": ({"ibc_daily_restart": "25:61"}, ["25:61"]),
    "an hour that spring skips": (
        {"ibc_weekly_login": "Sun 02:30 America/New_York"},
        ["Sun 02:30 America/New_York", "nearest"],
    ),
    "a restart in a reset": (
        {"ibc_daily_restart": "23:50", "ibc_timezone": "America/New_York", "ibc_reset_windows": {}},
        ["23:50", "reset window", "the nearest allowed time is"],
    ),
    "IBC's times against ours": (
        {"ibc_settings": {"AutoLogoffTime": "11:00 PM", "ColdRestartTime": "07:00"}},
        ["ColdRestartTime"],
    ),
    "no such policy": ({"ibc_login": "always"}, ["always", "consent", "auto"]),
    "no budget": ({"ibc_login_budget": {"logins": 0, "hours": 6, "minutes_apart": 5}}, ["logins"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_and_nothing_changes(site: Callable[..., Run], mistake: str, live: Instance):
    variables, said = MISTAKES[mistake]
    before = live.status()["java_pid"]

    run = site("--tags=ibc", **variables)

    assert run.code != 0
    assert [words for words in said if words not in run.output] == [], run.output
    assert run.changed == 0
    assert live.status()["java_pid"] == before
