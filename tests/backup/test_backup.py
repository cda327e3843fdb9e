"""What a backup holds and what not, and that it is whole or not there."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import threading
from pathlib import Path
from types import SimpleNamespace

import backup
import pytest
from host_folder import HostFolder


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "backup.tar.gz"


def test_it_holds_what_makes_the_instances(host: HostFolder, archive: Path):
    result = backup.back_up(archive, "vps1", host.root)

    found = members(archive)
    for name in ("live", "paper"):
        state = host.root / "var/lib/ibgateway" / name
        for path in ("settings/jts.ini", "settings/darykq/ibg.xml", "events.jsonl", "login-budget.json"):
            assert found[f"instances/{name}/{path}"] == (state / path).read_bytes()
        assert found[f"configuration/{name}/ibc.ini"] == b"ReadOnlyApi=yes\n"
    assert result["instances"] == ["live", "paper"]
    assert result["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert result["size"] == archive.stat().st_size


def test_the_manifest_comes_last_and_names_every_member(host: HostFolder, archive: Path):
    backup.back_up(archive, "vps1", host.root)

    found = members(archive)
    assert list(found)[-1] == "manifest.json"
    manifest = json.loads(found.pop("manifest.json"))
    assert manifest["members"] == {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in found.items()
    }
    assert manifest["releases"] == {"ibgateway": {"10.45.1": "a" * 64}, "ibc": {"3.25.0": "b" * 64}}
    assert manifest["instances"]["live"]["gateway_version"] == "10.45.1"


def test_no_secret_is_in_it(host: HostFolder, archive: Path):
    result = backup.back_up(archive, "vps1", host.root)

    assert archive.stat().st_mode & 0o777 == 0o600
    assert not [
        name for name, data in members(archive).items() if name != "manifest.json" and b"canary" in data
    ]
    assert result["left_out"]["live/settings/darykq/autorestart"] == "the session's token"
    assert "live/settings/darykq/autorestart.unused" in result["left_out"]
    assert "paper/settings/launcher.log" in result["left_out"]


def test_links_of_the_service_lead_nowhere(host: HostFolder, archive: Path, tmp_path: Path):
    secret = tmp_path / "secrets"
    secret.mkdir()
    (secret / "shadow").write_text("canary")
    settings = host.root / "var/lib/ibgateway/live/settings"
    (settings / "link").symlink_to(secret / "shadow")
    (settings / "folder").symlink_to(secret)
    os.mkfifo(settings / "pipe")
    shutil.rmtree(host.root / "var/lib/ibgateway/paper/settings")
    (host.root / "var/lib/ibgateway/paper/settings").symlink_to(secret)

    result = backup.back_up(archive, "vps1", host.root)

    assert not [
        name for name, data in members(archive).items() if name != "manifest.json" and b"canary" in data
    ]
    assert {"live/settings/link", "live/settings/pipe"} <= set(result["left_out"])


def test_the_database_is_copied_while_it_is_written(host: HostFolder, archive: Path, tmp_path: Path):
    # A connection that stays open keeps what was written in the file beside it.
    watcher = sqlite3.connect(host.database)
    watcher.execute("PRAGMA journal_mode=WAL")
    watcher.execute("INSERT INTO incidents(opened) VALUES(1)")
    watcher.commit()
    watcher.execute("INSERT INTO incidents(opened) VALUES(2)")  # not committed

    backup.back_up(archive, "vps1", host.root)

    watcher.rollback()
    watcher.close()
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(members(archive)["alerting/alerting.sqlite"])
    found = sqlite3.connect(copy)
    assert found.execute("SELECT count(*) FROM incidents").fetchone() == (2,)
    assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found.close()


def test_events_are_read_while_nobody_writes_them(host: HostFolder, archive: Path):
    file = host.root / "var/lib/ibgateway/live/events.jsonl"
    with file.open("r+b") as launcher:
        fcntl.flock(launcher, fcntl.LOCK_EX)
        thread = threading.Thread(target=backup.back_up, args=(archive, "vps1", host.root))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive(), "it did not wait"
        # Rotated meanwhile, as the launcher does.
        file.rename(file.with_name("events.jsonl.1"))
        host.event("live", "stopped", 0)
    thread.join(10)
    found = members(archive)
    assert b"ready" in found["instances/live/events.jsonl.1"]
    assert b"stopped" in found["instances/live/events.jsonl"]
    assert b"ready" not in found["instances/live/events.jsonl"]


def test_a_full_disk_leaves_nothing_behind(host: HostFolder, archive: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=backup.ROOM - 1))
    with pytest.raises(backup.RefusedError, match="free some space"):
        backup.back_up(archive, "vps1", host.root)
    assert not archive.exists()


def test_a_write_that_fails_leaves_nothing_behind(
    host: HostFolder, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        backup.back_up(archive, "vps1", host.root)
    assert not archive.exists()


def test_what_is_too_large_is_named(host: HostFolder, archive: Path, monkeypatch: pytest.MonkeyPatch):
    for most, reason in ((5, r"(jts\.ini|ibg\.xml) is larger"), (90, "instances/live/.* was the last")):
        monkeypatch.setattr(backup, "MOST", most)
        with pytest.raises(backup.RefusedError, match=reason):
            backup.back_up(archive, "vps1", host.root)
        assert not archive.exists()


def test_a_damaged_database_is_no_backup(host: HostFolder, archive: Path):
    host.database.write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    with pytest.raises(backup.RefusedError, match="cannot be copied"):
        backup.back_up(archive, "vps1", host.root)
    assert not archive.exists()


def test_a_host_without_instances_says_so(tmp_path: Path, archive: Path):
    with pytest.raises(backup.RefusedError, match=r"site\.yml"):
        backup.back_up(archive, "vps1", tmp_path)


def test_an_archive_that_is_there_is_not_overwritten(host: HostFolder, archive: Path):
    archive.write_text("mine")
    with pytest.raises(FileExistsError):
        backup.back_up(archive, "vps1", host.root)
    assert archive.read_text() == "mine"
