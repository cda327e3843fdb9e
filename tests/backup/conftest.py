"""Fixtures of the tests of backup, restore, support bundle and decommission."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "roles" / role / "files") for role in ("ibc", "alerting")]
sys.path.insert(0, str(Path(__file__).parent))

from host_folder import HostFolder  # noqa: E402 - needs the paths above

NOBODY = """#!/bin/sh
# What runs is a file of the stand-in's; everything else does not.
here=${0%/*}
echo "$(basename "$0") $*" >> "$here/calls"
case "$1" in
  show) for unit; do :; done; cat "$here/active-$unit" 2> /dev/null || echo inactive ;;
  list-units) cat "$here/units" 2> /dev/null ;;
esac
exit 0
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for what would change this machine."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("systemctl", "nft", "gpasswd", "userdel", "groupdel"):
        (folder / name).write_text(NOBODY)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def host(tmp_path: Path, tools: Path) -> HostFolder:
    (tmp_path / "host").mkdir()
    return HostFolder(tmp_path / "host", tools)


@pytest.fixture
def another(tmp_path: Path, tools: Path) -> HostFolder:
    """A second one, as site.yml --tags ibgateway leaves it: folders, and a fresh jts.ini in them."""
    (tmp_path / "another").mkdir()
    made = HostFolder(tmp_path / "another", tools)
    for path in made.root.glob("var/lib/ibgateway/*/*"):
        if path.is_file():
            path.unlink()
    for path in made.root.rglob("darykq/*"):
        path.unlink()
    made.database.unlink()
    return made
