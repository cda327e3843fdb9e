"""Write one archive of what makes this host's instances what they are. Changes nothing else.

Usage: backup.py ARCHIVE HOST

Gateway may run meanwhile. Each file is read once and hashed as it was read, the events under their lock, the
alerting database through SQLite's own backup. No credential is in it, and no session token: a token on two
machines is a session that two machines fight for. The manifest, with the hash of every member, comes last, so
that an archive without it is known to be cut off. Prints what it did as JSON. Exit code 1: one sentence on
standard error names the remedy, and there is no archive.
"""

from __future__ import annotations

import errno
import fcntl
import fnmatch
import hashlib
import io
import json
import os
import platform
import re
import shutil
import sqlite3
import stat
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORMAT = 1
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
CONFIGURATION = ("instance.toml", "ibc.ini")
LEFT_OUT = {
    "autorestart*": "the session's token",
    "COLDRESTART*": "a mark of the running session",
    "PAUSE*": "a mark of the running session",
    "*.log": "Gateway's own log",
    "*.ibgzenc": "Gateway's own log, encrypted",
    "*.hprof": "an image of its memory",
    "hs_err_pid*": "an image of its memory",
}
"""Files of the settings folder that stay on the host, and why. Images of memory hold the password."""
MOST = 1 << 29
"""Bytes of all files together: Ansible holds the archive in memory on its way to the controller."""
ROOM = 200 << 20
"""Bytes that must stay free beside the archive: Gateway writes to the same disk."""


class RefusedError(Exception):
    """There is no backup; the text names the remedy."""


class Archive:
    """An archive that is being written: its members, and what the manifest says of them.

    Args:
        tar: where to.
    """

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.members: dict[str, dict[str, Any]] = {}
        self._tar = tar
        self._size = 0

    def add(self, name: str, content: bytes, modified: float) -> None:
        """Write one member.

        Args:
            name: its path in the archive.
            content: all of it.
            modified: seconds since the epoch.

        Raises:
            RefusedError: the archive would get too large.
        """
        self._size += len(content)
        if self._size > MOST:
            raise RefusedError(
                f"the files are larger than {MOST >> 20} MiB together, {name} was the last: see what in the "
                "settings folder has grown, and move it away"
            )
        self.members[name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        self._write(name, content, modified)

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, the last member."""
        self._write("manifest.json", json.dumps(manifest, indent=1).encode() + b"\n", time.time())

    def _write(self, name: str, content: bytes, modified: float) -> None:
        # A TarInfo is a regular file of root's unless told otherwise.
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = len(content), int(modified), 0o600
        info.uname = info.gname = "root"
        self._tar.addfile(info, io.BytesIO(content))


def back_up(archive: Path, host: str, root: Path = Path("/")) -> dict[str, Any]:
    """Write the archive.

    Args:
        archive: where; must not exist yet.
        host: what the inventory calls this machine.
        root: the file system to look at.

    Returns:
        `instances`, their names; `created`; `size` and `sha256` of the archive; `members`, their number;
        `left_out`, paths of what stayed behind, with the reason.

    Raises:
        RefusedError: there is nothing to back up, or no room for it.
        OSError: something cannot be read or written.
    """
    names = sorted(file.parent.name for file in root.glob("etc/ibgateway/*/instance.toml"))
    names = [name for name in names if NAME.fullmatch(name)]
    if not names:
        raise RefusedError("no instance is configured in /etc/ibgateway: run site.yml for this host first")
    draft = os.open(archive, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(draft, "w+b") as stream:
            with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
                result = _fill(Archive(tar), archive.parent, names, host, root)
            stream.flush()
            os.fsync(stream.fileno())
            result["size"] = stream.tell()
            stream.seek(0)
            result["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
    except BaseException:
        archive.unlink(missing_ok=True)
        raise
    return result


def _fill(archive: Archive, place: Path, names: list[str], host: str, root: Path) -> dict[str, Any]:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    left_out: dict[str, str] = {}
    instances = {}
    _see_that_there_is_room(place)
    for name in names:
        state, etc = root / "var/lib/ibgateway" / name, root / "etc/ibgateway" / name
        for path, content, modified in _settings(state / "settings", left_out, name):
            archive.add(f"instances/{name}/{path}", content, modified)
            _see_that_there_is_room(place)
        for file, content, modified in [*_events(state), *_if_there(state / "login-budget.json")]:
            archive.add(f"instances/{name}/{file}", content, modified)
        for file in CONFIGURATION:
            for _, content, modified in _if_there(etc / file):
                archive.add(f"configuration/{name}/{file}", content, modified)
                if file == "instance.toml":
                    instances[name] = _about(content)
    for file in ("etc/ibgateway/reset-windows.json", "etc/ibgateway-alerting/config.toml"):
        for _, content, modified in _if_there(root / file):
            archive.add(f"configuration/{'alerting.toml' if file.endswith('toml') else Path(file).name}",
                        content, modified)  # fmt: skip
    database = root / "var/lib/ibgateway-alerting/alerting.sqlite"
    if database.exists():
        archive.add("alerting/alerting.sqlite", _database(database, place), database.stat().st_mtime)
    archive.finish(
        {
            "format": FORMAT,
            "host": host,
            "created": created,
            "system": platform.platform(),
            "python": platform.python_version(),
            "instances": instances,
            "releases": _releases(root),
            "left_out": left_out,
            "members": archive.members,
        }
    )
    return {
        "created": created,
        "instances": names,
        "members": len(archive.members),
        "left_out": left_out,
    }


def _see_that_there_is_room(place: Path) -> None:
    if shutil.disk_usage(place).free < ROOM:
        raise RefusedError(
            f"less than {ROOM >> 20} MiB are free in {place}, and Gateway needs them: free some space first"
        )


def _settings(top: Path, left_out: dict[str, str], name: str) -> Iterator[tuple[str, bytes, float]]:
    """Path, content and time of each file of a settings folder.

    The folder is the service's: no link in it is followed, not even one that is put there meanwhile.
    """
    for folder, folders, files, descriptor in os.fwalk(top, follow_symlinks=False):
        folders.sort()
        below = Path("settings") / Path(folder).relative_to(top)
        for file in sorted(files):
            reason = next((why for glob, why in LEFT_OUT.items() if fnmatch.fnmatchcase(file, glob)), None)
            if reason is None:
                found = _read(file, descriptor)
                reason = "" if found else "no regular file, or gone"
            if reason:
                left_out[f"{name}/{below / file}"] = reason
            else:
                yield (str(below / file), *found)


def _read(name: str | Path, folder: int | None = None) -> tuple[bytes, float] | None:
    """Content and time of a regular file; None when it is none, or is not there."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        # ELOOP: a link. ENXIO: a socket.
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            return None
        raise
    with os.fdopen(descriptor, "rb") as stream:
        about = os.fstat(stream.fileno())
        if not stat.S_ISREG(about.st_mode):
            return None
        if about.st_size > MOST:
            raise RefusedError(f"{name} is larger than {MOST >> 20} MiB: move it away")
        return stream.read(), about.st_mtime


def _if_there(file: Path) -> list[tuple[str, bytes, float]]:
    found = _read(file)
    return [(file.name, *found)] if found else []


def _events(state: Path) -> list[tuple[str, bytes, float]]:
    """Both events files, while nobody appends or rotates: the launcher does that under this lock."""
    file = state / "events.jsonl"
    while True:
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            try:
                rotated = file.stat().st_ino != os.fstat(descriptor).st_ino
            except FileNotFoundError:
                rotated = True
            if not rotated:
                return [*_if_there(file.with_name("events.jsonl.1")), *_if_there(file)]
        finally:
            os.close(descriptor)


def _database(file: Path, place: Path) -> bytes:
    """The database as of one moment, whatever watcher and notifier write meanwhile.

    Raises:
        RefusedError: it is damaged, or busy for longer than it ever ought to be.
    """
    with tempfile.TemporaryDirectory(dir=place) as folder:
        copy = Path(folder, "copy")
        try:
            source = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)
            target = sqlite3.connect(copy)
            try:
                source.backup(target)
                # The original writes ahead into files beside it; the copy is one file.
                target.execute("PRAGMA journal_mode=DELETE")
            finally:
                source.close()
                target.close()
        except sqlite3.Error as error:
            raise RefusedError(f"{file} cannot be copied ({error}): see `ibgatewayctl incidents`") from None
        return copy.read_bytes()


def _about(content: bytes) -> dict[str, str]:
    try:
        data = tomllib.loads(content.decode())
        return {key: str(data[key]) for key in ("mode", "gateway_version", "ibc_version")}
    except (ValueError, KeyError) as error:
        raise RefusedError(f"an instance.toml cannot be used ({error}): run site.yml again") from None


def _releases(root: Path) -> dict[str, dict[str, str]]:
    """Program to version to the SHA-256 of what it was installed from."""
    found: dict[str, dict[str, str]] = {"ibgateway": {}, "ibc": {}}
    for program, versions in found.items():
        for marker in sorted(root.glob(f"opt/{program}/releases/*/.installed")):
            text = marker.read_text(encoding="utf-8", errors="replace").strip()
            try:
                versions[marker.parent.name] = str(json.loads(text)["sha256"])
            except (ValueError, TypeError, KeyError):
                versions[marker.parent.name] = text
    return found


def main(argv: list[str]) -> int:
    """Run it; the arguments are ARCHIVE and HOST."""
    archive, host = argv
    try:
        result = back_up(Path(archive), host)
    except RefusedError as refused:
        print(f"No backup: {refused}.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"No backup: {error.filename or archive}: {error.strerror}.", file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
