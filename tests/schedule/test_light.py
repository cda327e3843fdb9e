"""What the launcher must not pay for the schedule: it stays resident next to every Gateway."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import json, sys
from datetime import UTC, datetime
from ibgatewaylib.schedule import regions, windows
here = windows.shipped().region(regions.resolve("live", "auto", "") or regions.ASSUMED)
here.next_allowed(datetime.now(UTC))
resident = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(json.dumps([int(resident.split()[1]), sorted(sys.modules)]))
"""


def test_asking_for_a_window_is_light():
    import json

    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT / 'roles/ibc/files')!r})\n{ASK}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    resident, modules = json.loads(done.stdout)
    assert resident < 20 * 1024
    assert not {"dataclasses", "inspect", "difflib", "ibgatewaylib.schedule.rules"} & set(modules)
