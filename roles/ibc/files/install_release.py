#!/usr/bin/env python3
"""Unpack one IBC release beside the others: whole, or not at all.

Usage: install_release.py ARTIFACT VERSION SHA256 SIZE RELEASES

ARTIFACT is IBC's release ZIP, or the wheel `ibc2`; both end up as RELEASES/VERSION/{IBC.jar, version,
config.ini, scripts/}. Nothing is unpacked before size (bytes) and SHA-256 match. The release appears by one
rename, with its marker inside; what an interrupted run left behind is removed. Prints "installed" or
"present", and removes ARTIFACT. Exit code 1: refused, one sentence on stderr names the remedy.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import sys
import zipfile
from pathlib import Path, PurePosixPath

MARKER = ".installed"
WHEEL_PREFIX = "ibc2/_ibc/"
NEEDED = ("IBC.jar", "version", "config.ini", "scripts/ibcstart.sh")
WANTED = "ibc_artifacts needs IBC's Linux release ZIP or the ibc2 wheel."
NOT_FOR_LINUX = (".bat", ".vbs", ".ps1")


class RefusedError(Exception):
    """The artifact or the host is not as it must be; the text names the remedy."""


def install(artifact: Path, version: str, sha256: str, size: int, releases: Path) -> bool:
    """Install one release.

    Args:
        artifact: the ZIP or wheel.
        version: the IBC version it must hold.
        sha256: its locked hash, 64 hexadecimal digits.
        size: its locked size in bytes.
        releases: the folder of releases.

    Returns:
        True when it was installed now, False when it already was.

    Raises:
        RefusedError: nothing was installed.
    """
    target = releases / version
    marker = target / MARKER
    if marker.is_file():
        found = marker.read_text(encoding="ascii", errors="replace").strip()
        if found == sha256:
            return False
        raise RefusedError(
            f"IBC {version} is installed from another file (SHA-256 {found}): restore that entry of "
            f"ibc_artifacts, or stop its instances, remove {target} and run again."
        )
    verify(artifact, sha256, size)
    draft = releases / f".{version}.part"
    for leftover in (draft, target):
        if leftover.exists():
            shutil.rmtree(leftover)
    draft.mkdir(parents=True)
    try:
        unpack(artifact, draft)
        check_version(draft, version)
    except RefusedError:
        shutil.rmtree(draft)
        raise
    set_modes(draft)
    (draft / MARKER).write_text(f"{sha256}\n", encoding="ascii")
    os.sync()
    draft.rename(target)
    return True


def verify(artifact: Path, sha256: str, size: int) -> None:
    """Compare a file with its lock.

    Raises:
        RefusedError: it differs, or is not there.
    """
    if not artifact.is_file():
        raise RefusedError(f"{artifact} is missing: check path or url in ibc_artifacts and run again.")
    remedy = "download it again, or lock the file you trust in ibc_artifacts."
    found_size = artifact.stat().st_size
    if found_size != size:
        raise RefusedError(f"{artifact.name} has {found_size} bytes, {size} are locked: {remedy}")
    found = hashlib.sha256(artifact.read_bytes()).hexdigest()
    if found != sha256:
        raise RefusedError(f"{artifact.name} has SHA-256 {found}, {sha256} is locked: {remedy}")


def unpack(artifact: Path, folder: Path) -> None:
    """Unpack what IBC needs on Linux; the wheel's own Python code is left out.

    Raises:
        RefusedError: it is no ZIP, not IBC's, or holds a path that leaves the folder.
    """
    try:
        with zipfile.ZipFile(artifact) as archive:
            names = archive.namelist()
            prefix = WHEEL_PREFIX if f"{WHEEL_PREFIX}IBC.jar" in names else ""
            if missing := [name for name in NEEDED if prefix + name not in names]:
                raise RefusedError(f"{artifact.name} lacks {missing[0]}: {WANTED}")
            for name in names:
                if name.endswith("/") or name.endswith(NOT_FOR_LINUX) or not name.startswith(prefix):
                    continue
                inside = PurePosixPath(name.removeprefix(prefix))
                if inside.is_absolute() or ".." in inside.parts:
                    raise RefusedError(
                        f"{artifact.name} holds the path {name}, which leaves its folder: do not use it."
                    )
                file = folder / inside
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(name))
    except zipfile.BadZipFile:
        raise RefusedError(f"{artifact.name} is no ZIP file: {WANTED}") from None


def check_version(folder: Path, version: str) -> None:
    """Compare the version an unpacked IBC says it is with the one that was asked for.

    Raises:
        RefusedError: it is another.
    """
    held = (folder / "version").read_text(encoding="ascii", errors="replace").strip()
    if held != version:
        raise RefusedError(
            f"The artifact for IBC {version} holds {held}: correct ibc_artifacts or ibc_version."
        )


def set_modes(folder: Path) -> None:
    """Make a tree readable by everybody and its scripts executable; IBC's ZIP has no modes of its own."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        script = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH if path.suffix == ".sh" or path.is_dir() else 0
        path.chmod(0o644 | script)


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code. The artifact is removed at the end."""
    artifact, version, sha256, size, releases = arguments
    Path(releases).mkdir(parents=True, exist_ok=True)
    lock = os.open(releases, os.O_RDONLY)
    try:
        # Two runs at once would unpack into each other: the second waits.
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = install(Path(artifact), version, sha256, int(size), Path(releases))
    except RefusedError as refused:
        print(refused, file=sys.stderr)
        return 1
    finally:
        Path(artifact).unlink(missing_ok=True)
        os.close(lock)
    print("installed" if installed else "present")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
