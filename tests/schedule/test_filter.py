"""The compiler as Ansible sees it."""

from typing import Any

import ibc_schedule as plugin
import pytest
from ansible.errors import AnsibleFilterError


def instance(**changes: Any) -> dict[str, Any]:
    return {
        "name": "main",
        "mode": "live",
        "region": "america",
        "timezone": "America/New_York",
        "daily_restart": "17:15",
        "weekly_login": "Sun 09:30",
        "settings": {},
        "password": "canary-pass",
        **changes,
    }


FILTERS = plugin.FilterModule().filters()


def test_a_schedule_is_a_plain_dict():
    schedule = FILTERS["ibc_schedule"](instance())
    assert schedule["auto_restart_time"] == "05:15 PM"
    assert schedule["login"] == ("Sun *-*-* 09:30:00 America/New_York",)
    assert "canary-pass" not in str(schedule)


def test_a_schedule_is_compiled_once_however_often_it_is_asked_for(monkeypatch):
    compiled = []
    compile_schedule = plugin.compiler.compile_schedule

    def count(*given, **more):
        compiled.append(given)
        return compile_schedule(*given, **more)

    monkeypatch.setattr(plugin.compiler, "compile_schedule", count)
    plugin._compiled.cache_clear()
    two = [instance(), instance(name="second", daily_restart="17:20")]
    for name in ("ibc_schedule_problems", "ibc_schedules", "ibc_schedule_warnings"):
        FILTERS[name](two)
    assert len(compiled) == 2
    assert FILTERS["ibc_schedules"](two)["second"]["daily_restart"] == "17:20"


def test_a_refusal_is_ansibles_error():
    with pytest.raises(AnsibleFilterError, match="meets the reset window"):
        FILTERS["ibc_schedule"](instance(daily_restart="23:50"))
    with pytest.raises(AnsibleFilterError, match="ibc_reset_windows lacks daily"):
        FILTERS["ibc_schedule"](instance(), {"checked_on": "2026-01-01"})


def test_problems_name_their_instance():
    problems = FILTERS["ibc_schedule_problems"](
        [instance(), instance(name="second", timezone="ET"), instance(settings={"ClosedownAt": "22:00"})]
    )
    assert [problem.split(":")[0] for problem in problems] == ["Instance 'second'", "Instance 'main'"]
    assert all(problem.endswith(".") for problem in problems)


def test_broken_windows_are_one_problem_for_all():
    problems = FILTERS["ibc_schedule_problems"]([instance(), instance()], {"daily": {}})
    assert problems == ["ibc_reset_windows lacks checked_on, weekend: add it, as in reset_windows.toml."]


def test_warnings_are_said_once():
    warnings = FILTERS["ibc_schedule_warnings"](
        [instance(weekly_login=""), instance(name="b", weekly_login="")]
    )
    told = [text.split(" is ")[0] for text in warnings if "weekly_login" in text]
    assert told == ["main, b: weekly_login"]


def test_jts_ini_tells_the_region():
    schedule = FILTERS["ibc_schedule"](instance(region="auto"), jts_ini="[Logon]\nPeer=zdc1.ibllc.com\n")
    assert schedule["region"] == "europe"
