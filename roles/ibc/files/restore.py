"""Put a backup's data back: settings, events, login budget and incidents, as backup.py has archived them.

Usage: restore.py ARCHIVE OPTIONS

OPTIONS is a JSON object: `instances`, the names to restore (none: all that are in the archive and configured
here), and `force`, whether newer data may be put aside. The whole archive is verified before anything is
touched. Each instance is unpacked beside its place and exchanged with what is there in one step; that stays
as NAME.before-restore-TIME. Prints what it did as JSON. Exit code 1: refused, nothing was changed, and one
sentence on standard error says why.
"""

from __future__ import annotations

import calendar
import contextlib
import ctypes
import errno
import gzip
import hashlib
import json
import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORMAT = 1
ACCOUNT = "ibgateway"
# Nothing else is ever in a backup. No part of a path begins with a dot and a dot.
MEMBER = re.compile(
    r"(?:instances/(?P<instance>[a-z][a-z0-9-]{0,30})/"
    r"(?:settings(?:/(?!\.\.?(?:/|$))[^/\0]{1,255})+|events\.jsonl(?:\.1)?|login-budget\.json)"
    r"|configuration/(?:[a-z][a-z0-9-]{0,30}/)?[a-z-]+\.(?:toml|ini|json)"
    r"|alerting/alerting\.sqlite)"
)
MANIFEST = "manifest.json"
DATABASE = "alerting/alerting.sqlite"
STAGE = ".restore"
LARGEST_MANIFEST = 16 << 20
ROOM = 200 << 20
WATCHING = ("ibgateway-watch.service", "ibgateway-notify.service", "ibgateway-digest.service")
AT_FDCWD, RENAME_EXCHANGE = -100, 2


class RefusedError(Exception):
    """Nothing was restored; the text says why."""


# --- what is in the archive ---------------------------------------------------------------------------------


def verified(archive: Path) -> dict[str, Any]:
    """Return an archive's manifest, after all of the archive was read and agrees with it.

    Args:
        archive: the file.

    Raises:
        RefusedError: truncated, tampered with, or no backup at all.
    """
    found: dict[str, dict[str, Any]] = {}
    manifest = None
    with _refusing_damage():
        for info, stream in _members(archive):
            if manifest is not None:
                raise RefusedError(f"{info.name} comes after the manifest")
            if info.name == MANIFEST:
                manifest = _manifest(stream.read(LARGEST_MANIFEST))
                continue
            if info.name in found:
                raise RefusedError(f"{info.name} is in the archive twice")
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
            found[info.name] = {"size": info.size, "sha256": digest.hexdigest()}
    if manifest is None:
        raise RefusedError("the archive is cut off: its manifest, the last member, is missing")
    wrong = sorted(name for name in {*found, *manifest["members"]}
                   if found.get(name) != manifest["members"].get(name))  # fmt: skip
    if wrong:
        raise RefusedError(f"{wrong[0]} is not what the manifest says: the archive was changed")
    return manifest


def _members(archive: Path) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    """Each member with its content, none of them anything but a plain file of a name that backups have."""
    with gzip.open(archive, "rb") as unzipped:
        with tarfile.open(fileobj=unzipped, mode="r|") as tar:
            for info in tar:
                _check(info)
                yield info, tar.extractfile(info)
        # To the very end, where gzip keeps its checksum.
        while unzipped.read(1 << 20):
            continue


@contextlib.contextmanager
def _refusing_damage() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
        raise RefusedError(f"the archive is cut off or damaged ({error})") from None


def _check(info: tarfile.TarInfo) -> None:
    name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if info.type != tarfile.REGTYPE or info.issparse():
        raise RefusedError(f"{name} is no plain file, and backups hold nothing else")
    if name != MANIFEST and not MEMBER.fullmatch(info.name):
        raise RefusedError(f"{name} is no path that a backup has")
    if (info.uid, info.gid, info.mode) != (0, 0, 0o600):
        raise RefusedError(f"{name} belongs to user {info.uid} and group {info.gid}, mode {info.mode:o}: "
                           "in a backup everything is root's, with mode 600")  # fmt: skip


def _manifest(content: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
        _check_format(manifest["format"])
        _moment(manifest["created"])
        {**manifest["instances"], manifest["host"]: 0}
        sum(member["size"] for member in manifest["members"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(f"the manifest cannot be read ({error})") from None
    return manifest


def _check_format(number: object) -> None:
    if number != FORMAT:
        raise RefusedError(f"the archive's format is {number}, this release reads {FORMAT}")


# --- whether it may be restored here ------------------------------------------------------------------------


def chosen(manifest: dict[str, Any], wanted: list[str], root: Path) -> tuple[list[str], list[str]]:
    """Return the instances to restore, and those of the archive that are left out.

    Raises:
        RefusedError: one that is wanted is missing in the archive or here, or there is none at all.
    """
    there = sorted(manifest["instances"])
    here = [name for name in there if (root / "etc/ibgateway" / name).is_dir()]
    for name in wanted:
        if name not in there:
            raise RefusedError(f"there is no instance {name!r} in the archive, it holds {', '.join(there)}")
        if name not in here:
            raise RefusedError(f"instance {name!r} is not configured here: run site.yml for this host first")
    if not here:
        raise RefusedError(
            f"none of {', '.join(there)} is configured here: name them in the inventory, and run "
            "site.yml --tags ibgateway for this host first"
        )
    names = [name for name in there if name in (wanted or here)]
    return names, [name for name in there if name not in names]


def refuse_running(names: list[str]) -> None:
    """Raise RefusedError when one of these instances runs, or is about to."""
    running = [
        name for name in names if _active(f"ibgateway@{name}.service") not in ("inactive", "failed", "")
    ]
    if running:
        raise RefusedError(
            f"{', '.join(running)} runs: stop it first, `ibgatewayctl stop {running[0]}`; that logs out"
        )


def newer(manifest: dict[str, Any], names: list[str], root: Path, *, alerting: bool) -> list[str]:
    """Return what is newer here than the backup, one phrase each; `alerting`: of the incidents, too."""
    created = _moment(manifest["created"])
    found = []
    for name in names:
        last = _last_event(root / "var/lib/ibgateway" / name / "events.jsonl")
        if last and _moment(last) > created:
            found.append(f"{name} has events up to {last[:16].replace('T', ' ')} UTC")
    database = root / "var/lib/ibgateway-alerting/alerting.sqlite"
    if alerting and _last_incident(database) > created:
        found.append("there are incidents that began after it")
    return found


def _last_event(file: Path) -> str:
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return ""
    for line in reversed(lines):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            stamp = json.loads(line)["time"]
            _moment(stamp)
            return stamp
    return ""


def _last_incident(file: Path) -> float:
    if not file.exists():
        return 0.0
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as database:
            return float(database.execute("SELECT max(opened) FROM incidents").fetchone()[0] or 0)
    except sqlite3.Error:
        return 0.0  # damaged, or none of ours: it is kept beside all the same


def _moment(stamp: str) -> float:
    return calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))


# --- restoring it -------------------------------------------------------------------------------------------


def restore(archive: Path, wanted: list[str], *, force: bool, root: Path = Path("/")) -> dict[str, Any]:
    """Restore a backup.

    Args:
        archive: the file.
        wanted: instances; none means all that are in it and configured here.
        force: put newer data aside, too.
        root: the file system to work on.

    Returns:
        `restored` and `left_out`, names of instances; `alerting`, whether the incidents were restored;
        `kept`, the paths of what was there before; `host` and `created` of the backup, and its `instances`.

    Raises:
        RefusedError: nothing was changed.
        OSError: the disk is full or broken; instances that had not been exchanged are as they were.
    """
    manifest = verified(archive)
    names, left_out = chosen(manifest, wanted, root)
    account = _account(ACCOUNT)
    refuse_running(names)
    # Incidents are the whole host's: they come with all of it, not with one instance of several.
    alerting = DATABASE in manifest["members"] and not wanted
    if not force and (found := newer(manifest, names, root, alerting=alerting)):
        raise RefusedError(
            f"the backup is of {manifest['created']}, and {'; '.join(found)}: restore a newer backup, or add "
            "-e restore_force=true, which keeps what is here beside it"
        )
    state = root / "var/lib/ibgateway"
    stage = state / STAGE
    if stage.exists():
        shutil.rmtree(stage)  # of a run that was interrupted: nothing in it was in use
    _see_that_there_is_room(state, manifest)
    stage.mkdir(mode=0o700)
    kept: list[str] = []
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        _unpack(archive, stage, names, account, alerting=alerting)
        if alerting:
            _check_database(stage / DATABASE)
        for name in names:
            kept += _exchange(stage / "instances" / name, state / name, stamp)
        if alerting:
            kept += _place_database(stage / DATABASE, root / "var/lib/ibgateway-alerting", stamp)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return {
        "host": manifest["host"],
        "created": manifest["created"],
        "instances": manifest["instances"],
        "restored": names,
        "left_out": left_out,
        "alerting": alerting,
        "kept": [f"/{Path(path).relative_to(root)}" for path in kept],
    }


def _see_that_there_is_room(place: Path, manifest: dict[str, Any]) -> None:
    needed = sum(member["size"] for member in manifest["members"].values()) + ROOM
    free = shutil.disk_usage(place).free
    if free < needed:
        raise RefusedError(f"{needed >> 20} MiB are needed in {place}, {free >> 20} are free")


def _unpack(
    archive: Path, stage: Path, names: list[str], account: tuple[int, int], *, alerting: bool
) -> None:
    """Write these instances' members, and the incidents, below the stage; on disk when it returns."""
    for name in names:
        _make(stage / "instances" / name / "settings", stage, account)
        (stage / "instances" / name).chmod(0o750)
    with _refusing_damage():
        for info, stream in _members(archive):
            match = MEMBER.fullmatch(info.name)
            if (info.name == DATABASE and alerting) or (match and match["instance"] in names):
                _make((stage / info.name).parent, stage, account)
                _write(stage / info.name, info, stream)
                _own(stage / info.name, account)


def _make(folder: Path, stage: Path, account: tuple[int, int]) -> None:
    """Make a folder below the stage, and those above it."""
    for place in [*reversed(folder.relative_to(stage).parents), folder.relative_to(stage)]:
        if not (stage / place).exists():
            (stage / place).mkdir(mode=0o700)
            _own(stage / place, account)


def _write(target: Path, info: tarfile.TarInfo, stream: Any) -> None:
    mode = 0o600 if "/settings/" in info.name else 0o640
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    os.utime(target, (info.mtime, info.mtime))


def _exchange(fresh: Path, place: Path, stamp: str) -> list[str]:
    """Put a folder in another one's place; return where that one is now."""
    if not place.exists():
        fresh.rename(place)
        _sync(place.parent)
        return []
    aside = _aside(place, stamp)
    # Under its later name first: whenever this is interrupted, place is whole, and no data is where the next
    # run would remove it.
    fresh.rename(aside)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, bytes(aside), AT_FDCWD, bytes(place), RENAME_EXCHANGE):
        code = ctypes.get_errno()
        shutil.rmtree(aside)
        more = ": this file system cannot exchange folders" if code == errno.EINVAL else ""
        raise OSError(code, os.strerror(code) + more, str(place))
    _sync(place.parent)
    return [str(aside)]


def _aside(path: Path, stamp: str) -> Path:
    """A name for what was there, which nothing else has."""
    aside = path.with_name(f"{path.name}.before-restore-{stamp}")
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.before-restore-{stamp}-{number}")
    return aside


def _check_database(file: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            if database.execute("PRAGMA integrity_check").fetchone()[0] == "ok":
                return
    except sqlite3.Error:
        pass
    raise RefusedError("the incidents' database in the archive is damaged")


def _place_database(fresh: Path, folder: Path, stamp: str) -> list[str]:
    """Put the database in place while watcher and notifier stand still; return where the old files are."""
    stopped = [unit for unit in WATCHING if _active(unit) not in ("inactive", "failed", "")]
    kept = []
    try:
        if stopped:
            subprocess.run(["systemctl", "stop", *stopped], check=True, capture_output=True)
        # Where it is new, systemd hands it to the watcher at its first start, with all that is in it.
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.stat()
        for name in ("alerting.sqlite", "alerting.sqlite-wal", "alerting.sqlite-shm"):
            if (old := folder / name).exists():
                kept.append(str(old.rename(_aside(old, stamp))))
        fresh.chmod(0o660)
        _own(fresh, (owner.st_uid, owner.st_gid))
        fresh.rename(folder / "alerting.sqlite")
        _sync(folder)
    finally:
        if stopped:
            subprocess.run(["systemctl", "start", "--no-block", *stopped[:2]], check=False)
    return kept


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _own(path: Path, account: tuple[int, int]) -> None:
    if os.geteuid() == 0:
        os.chown(path, *account)


def _account(name: str) -> tuple[int, int]:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise RefusedError(
            f"there is no user {name}: run site.yml --tags ibgateway for this host first"
        ) from None
    return entry.pw_uid, entry.pw_gid


def _active(unit: str) -> str:
    """A unit's ActiveState; empty where there is no systemd or no such unit."""
    try:
        done = subprocess.run(
            ["systemctl", "show", "--property=ActiveState", "--value", unit],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip()


def main(argv: list[str]) -> int:
    """Run it; the arguments are ARCHIVE and OPTIONS."""
    options = json.loads(argv[1])
    try:
        result = restore(Path(argv[0]), options["instances"], force=options["force"])
    except RefusedError as refused:
        print(f"Nothing was restored: {refused}.", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"Not restored: {error.filename or argv[0]}: {error.strerror}. `ls /var/lib/ibgateway` shows "
            "what was exchanged before; run this again once the disk is well.",
            file=sys.stderr,
        )
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
