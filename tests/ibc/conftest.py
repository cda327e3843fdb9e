"""What the tests of role ibc share: the host library on the path, a complete instance, IBC's own files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "roles" / "ibc" / "files"), str(ROOT / "plugins" / "filter")]

WHEEL = "ibc2-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "e79b5557e2622c9d90aba4ef06088b35a07e53b575a32ee88f0a48b3187bc1a5"
CACHES = (ROOT / ".cache" / "testbed" / "artifacts", ROOT / ".cache" / "tests")


@pytest.fixture
def instance() -> dict[str, Any]:
    """A complete live instance, as role ibc sees it."""
    return {
        "name": "live",
        "mode": "live",
        "username": "canary-user",
        "password": "canary-pass",
        "api_port": 4001,
        "command_port": 7462,
        "vnc_port": 5900,
        "display": 4001,
        "version": "10.45.1",
        "java_source": "installer",
        "heap": 768,
        "restart": "planned",
        "ibc_version": "3.25.0",
        "settings": {},
        "timezone": "America/New_York",
        "daily_restart": "17:15",
        "weekly_login": "Sun 09:30",
        "region": "auto",
        "login": "consent",
        "login_budget": {"logins": 3, "hours": 6, "minutes_apart": 5},
    }


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel that carries a real IBC: the testbed's, or downloaded once by its hash."""
    for cache in CACHES:
        if (cache / WHEEL).is_file():
            return cache / WHEEL
    cache = CACHES[-1]
    cache.mkdir(parents=True, exist_ok=True)
    lock = cache / "ibc2.txt"
    lock.write_text(f"ibc2==0.1.0 --hash=sha256:{WHEEL_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    subprocess.run([*command, "--dest", str(cache), "--requirement", str(lock)], check=True)
    return cache / WHEEL
