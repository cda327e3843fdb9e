"""When the simulated IBKR resets: never while somebody tries the demo or runs a test, whatever the hour.

The real windows would make a login wait for up to two hours. A host's windows are chosen once, when it is
made, so that a second run of the playbook finds nothing changed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from testbed.lib.paths import TESTBED

WEEKEND_DAYS = (4, 5, 6, 0)  # Friday to Monday


def windows(now: datetime) -> dict:
    """Choose reset windows of a minute, half a day and half a week away.

    Args:
        now: when the host is made; aware.

    Returns:
        A value for the variable ibc_reset_windows.
    """
    now = now.astimezone(UTC)
    hour = "23" if 6 <= now.hour < 18 else "11"
    daily = [{"zone": "UTC", "from": f"{hour}:00", "to": f"{hour}:01"}]
    day = "Wed" if now.weekday() in WEEKEND_DAYS else "Sun"
    weekly = {"zone": "UTC", "from": f"{day} 03:00", "to": f"{day} 03:01"}
    return {
        "checked_on": now.date().isoformat(),
        "daily": dict.fromkeys(("america", "europe", "asia"), daily),
        "weekend": {"closed": weekly, "quiet": weekly},
    }


def file_of(name: str) -> Path:
    """Return where the inventories find the windows of a host.

    Args:
        name: the host.
    """
    return TESTBED / "reset-windows" / f"{name}.json"


def write(name: str) -> None:
    """Choose and keep the windows of a host that was just made.

    Args:
        name: the host.
    """
    file = file_of(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(windows(datetime.now(UTC))))
