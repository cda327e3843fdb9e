"""What the testbed packs itself."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from scripts.lib.artifacts import inspect
from testbed.lib import artifacts

FILES = {
    "ibc2/launcher.py": b"the fork's own",
    "ibc2/_ibc/IBC.jar": b"jar",
    "ibc2/_ibc/version": b"3.25.0\n",
    "ibc2/_ibc/config.ini": b"FIX=no\n",
    "ibc2/_ibc/scripts/StartIBC.bat": b"for Windows",
    "ibc2/_ibc/scripts/ibcstart.sh": b"#!/bin/bash\n",
}


def wheel() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_the_release_zip_is_flat_and_passes_for_upstreams(tmp_path: Path):
    path = tmp_path / "IBCLinux-3.24.1.zip"
    path.write_bytes(artifacts.release_zip(wheel(), "3.24.1"))
    assert inspect.ibc(path) == "3.24.1"
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == {"IBC.jar", "version", "config.ini", "scripts/ibcstart.sh"}
        assert archive.read("version") == b"3.24.1"
        assert archive.getinfo("scripts/ibcstart.sh").external_attr >> 16 == 0o100644


def test_the_same_wheel_gives_the_same_zip():
    assert artifacts.release_zip(wheel(), "3.24.1") == artifacts.release_zip(wheel(), "3.24.1")
