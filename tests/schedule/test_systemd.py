"""Our calendars as systemd reads them, through every kind of clock change."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime

import grid
import pytest

# From before the first change to after the last, in spring and in autumn of both hemispheres.
PERIODS = [("2027-03-11", 26), ("2027-10-01", 39)]


def systemd(expressions: list[str], base: str, times: int) -> dict[str, list[int]]:
    """Ask systemd for the next runs of several calendars, in one call."""
    command = ["systemd-analyze", "calendar", f"--base-time={base} 00:00:00 UTC", f"--iterations={times}"]
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C"}
    done = subprocess.run(
        [*command, *expressions], capture_output=True, text=True, check=True, env=environment
    )
    blocks = [block for block in done.stdout.split("\n\n") if block.strip()]
    found = [re.findall(r"(?:elapse|#\d+): \w{3} ([\d-]+ [\d:]+) UTC", block) for block in blocks]
    assert len(found) == len(expressions), done.stdout
    return {
        expression: [int(datetime.fromisoformat(f"{text}+00:00").timestamp()) for text in texts]
        for expression, texts in zip(expressions, found, strict=True)
    }


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine")
@pytest.mark.parametrize(("base", "times"), PERIODS)
def test_systemd_runs_them_when_we_say(compiled, base, times):
    schedules = [
        compiled(),
        compiled(region="europe", timezone="Europe/Zurich", daily_restart="23:15", weekly_login="Sun 15:30"),
        compiled(
            region="asia",
            timezone="Asia/Hong_Kong",
            daily_restart="07:30",
            weekly_login="Mon 05:30 Australia/Sydney",
        ),
        compiled(mode="paper", timezone="Europe/London", daily_restart="22:15"),
    ]
    fields = ("restart_check", "reset_check", "login", "stop", "start")
    expressions = [
        *dict.fromkeys(
            text for schedule in schedules for field in fields for text in getattr(schedule, field)
        )
    ]
    assert len(expressions) > 12
    begin = int(datetime.fromisoformat(base).replace(tzinfo=UTC).timestamp())
    for expression, runs in systemd(expressions, base, times).items():
        expected = [run for run in grid.runs(expression) if run > begin][:times]
        assert runs == expected, expression
