"""Where the testbed keeps things. All of it is generated and lies under .cache/."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
LOGS = CACHE / "log"
TESTBED = CACHE / "testbed"
SOURCES = ROOT / "testbed"
