"""What the schedule's tests share: the host library on the path."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / "roles" / "ibc" / "files"),
    str(ROOT / "plugins" / "filter"),
    str(Path(__file__).parent),
]

TODAY = date(2026, 1, 1)


@pytest.fixture
def compiled() -> Any:
    """Compile a schedule that is good but for what the test changes; returns it."""
    from ibgatewaylib.schedule.compiler import compile_schedule

    def compile_(**changes: Any) -> Any:
        wanted = {
            "mode": "live",
            "region": "america",
            "timezone": "America/New_York",
            "daily_restart": "17:15",
            "weekly_login": "Sun 09:30",
            "today": TODAY,
            **changes,
        }
        return compile_schedule(**wanted)

    return compile_


@pytest.fixture
def refusal(compiled: Any) -> Any:
    """Compile as `compiled` does, and return the sentences that refuse it."""
    from ibgatewaylib.schedule.compiler import ScheduleRefusedError

    def refusal_(**changes: Any) -> str:
        with pytest.raises(ScheduleRefusedError) as refused:
            compiled(**changes)
        return str(refused.value)

    return refusal_
