"""The simulated IBKR resets neither now nor soon, at whatever hour a host is made."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testbed.lib import resets

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles/ibc/files"))
from ibgatewaylib.schedule import windows as schedule

MADE = [datetime(2026, 11, 23, tzinfo=UTC) + timedelta(hours=hour) for hour in range(7 * 24)]


@pytest.mark.parametrize("made", MADE, ids=lambda made: f"{made:%a-%H}")
def test_no_window_for_the_next_four_hours(made):
    region = schedule.parse(resets.windows(made)).region("america")
    for minutes in range(0, 240, 5):
        assert region.window_end(made + timedelta(minutes=minutes)) is None


def test_a_host_keeps_its_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(resets, "TESTBED", tmp_path)
    resets.write("demo")
    assert schedule.parse(json.loads(resets.file_of("demo").read_text())).region("asia")
