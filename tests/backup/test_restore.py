"""A backup comes back whole, or not at all; what was there stays; nothing else gets in."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pwd
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import backup
import pytest
import restore
from forks import Forks
from host_folder import ROOT, HostFolder

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has no user ibgateway."""
    monkeypatch.setattr(restore, "ACCOUNT", ME)


@pytest.fixture
def archive(host: HostFolder, tmp_path: Path) -> Path:
    file = tmp_path / "backup.tar.gz"
    backup.back_up(file, "vps1", host.root)
    return file


def rewritten(archive: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], Any]) -> Path:
    """The archive with other members; `change` works on the list of them."""
    with tarfile.open(archive) as tar:
        content = [(info, tar.extractfile(info).read()) for info in tar]
    change(content)
    with tarfile.open(archive, "w:gz") as tar:
        for info, data in content:
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return archive


def member(name: str, data: bytes = b"x", **attributes: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def with_member(archive: Path, name: str, data: bytes = b"x", **attributes: Any) -> Path:
    """The archive with one more member, which the manifest knows, too."""

    def change(content: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest = json.loads(content[-1][1])
        manifest["members"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        content[-1] = (content[-1][0], json.dumps(manifest).encode())
        content.insert(0, member(name, data, **attributes))

    return rewritten(archive, change)


def settings_of(host: HostFolder, name: str) -> dict[str, bytes]:
    return host.snapshot(f"var/lib/ibgateway/{name}/settings")


def test_another_host_gets_the_same_instances(host: HostFolder, another: HostFolder, archive: Path):
    result = restore.restore(archive, [], force=False, root=another.root)

    for name in ("live", "paper"):
        kept = {path: data for path, data in settings_of(host, name).items() if b"canary" not in data}
        assert settings_of(another, name) == kept
        for file in ("events.jsonl", "login-budget.json"):
            path = f"var/lib/ibgateway/{name}/{file}"
            assert (another.root / path).read_bytes() == (host.root / path).read_bytes()
            assert (another.root / path).stat().st_mode & 0o777 == 0o640
        state = another.root / "var/lib/ibgateway" / name
        assert state.stat().st_mode & 0o777 == 0o750
        assert (state / "settings").stat().st_mode & 0o777 == 0o700
        assert (state / "settings/jts.ini").stat().st_mode & 0o777 == 0o600
    assert another.incidents() == 1
    assert (result["restored"], result["left_out"], result["host"]) == (["live", "paper"], [], "vps1")
    assert len(result["kept"]) == 2
    assert not (another.root / "var/lib/ibgateway/.restore").exists()


def test_what_was_there_is_kept(another: HostFolder, archive: Path):
    another.write("var/lib/ibgateway/live/settings/mine.xml", "mine")

    another.incident(4102444800)
    result = restore.restore(archive, ["live"], force=False, root=another.root)

    # The incidents are the whole host's, and stay.
    assert (result["alerting"], another.incidents()) == (False, 1)
    (kept,) = result["kept"]
    assert kept.startswith("/var/lib/ibgateway/live.before-restore-")
    assert (another.root / kept.lstrip("/") / "settings/mine.xml").read_text() == "mine"
    assert not (another.root / "var/lib/ibgateway/live/settings/mine.xml").exists()
    assert result["left_out"] == ["paper"]
    assert not (another.root / "var/lib/ibgateway/paper/events.jsonl").exists()


def test_the_database_is_changed_while_nobody_uses_it(another: HostFolder, archive: Path):
    another.incident(1)
    another.runs("ibgateway-watch.service")

    result = restore.restore(archive, [], force=False, root=another.root)

    calls = [call for call in another.calls() if "show" not in call]
    assert calls == [
        "systemctl stop ibgateway-watch.service",
        "systemctl start --no-block ibgateway-watch.service",
    ]
    assert any("alerting.sqlite.before-restore-" in path for path in result["kept"])
    assert another.database.stat().st_mode & 0o777 == 0o660


# --- refusals -----------------------------------------------------------------------------------------------


def refused(archive: Path, host: HostFolder, reason: str, **options: Any) -> None:
    """It is refused for that reason, and nothing was changed."""
    before = host.snapshot()
    with pytest.raises(restore.RefusedError, match=reason):
        restore.restore(archive, options.get("names", []), force=options.get("force", False), root=host.root)
    assert host.snapshot() == before
    assert not (host.root / "var/lib/ibgateway/.restore").exists()


def test_a_running_instance_is_not_touched(another: HostFolder, archive: Path):
    another.runs("ibgateway@paper.service")
    refused(archive, another, "paper runs", force=True)


def test_newer_events_must_be_meant(another: HostFolder, archive: Path):
    another.event("paper", "ready", -60)
    refused(archive, another, "paper has events up to")
    restore.restore(archive, [], force=True, root=another.root)
    assert b"ready" in (another.root / "var/lib/ibgateway/paper/events.jsonl").read_bytes()


def test_newer_incidents_must_be_meant(another: HostFolder, archive: Path):
    another.incident(4102444800)
    refused(archive, another, "incidents that began after it")


def test_an_unknown_instance_is_named(another: HostFolder, archive: Path):
    refused(archive, another, "no instance 'lvie'", names=["lvie"])


def test_a_host_that_is_not_prepared_says_what_to_run(
    another: HostFolder, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(restore, "ACCOUNT", "no-such-user-here")
    refused(archive, another, "site.yml --tags ibgateway")
    shutil.rmtree(another.root / "etc/ibgateway")
    refused(archive, another, "site.yml --tags ibgateway")


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.7, 0.99])
def test_a_truncated_archive_is_refused(another: HostFolder, archive: Path, share: float):
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    refused(archive, another, "cut off")


def test_a_cut_between_two_members_is_noticed(another: HostFolder, archive: Path):
    rewritten(archive, lambda content: content.pop())
    refused(archive, another, "its manifest, the last member, is missing")


def test_damage_in_the_checksum_is_noticed(another: HostFolder, archive: Path):
    data = bytearray(archive.read_bytes())
    data[-6] ^= 1
    archive.write_bytes(data)
    refused(archive, another, "damaged")


def test_another_content_is_noticed(another: HostFolder, archive: Path):
    def change(content: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        content[0] = (content[0][0], content[0][1].swapcase())

    rewritten(archive, change)
    refused(archive, another, "is not what the manifest says")


def test_a_missing_and_an_additional_member_are_noticed(another: HostFolder, archive: Path):
    rewritten(archive, lambda content: content.pop(0))
    refused(archive, another, "is not what the manifest says")


def test_a_member_that_comes_twice_is_refused(another: HostFolder, archive: Path):
    rewritten(archive, lambda content: content.insert(1, content[0]))
    refused(archive, another, "twice")


def test_nothing_comes_after_the_manifest(another: HostFolder, archive: Path):
    rewritten(archive, lambda content: content.append(member("instances/live/settings/x")))
    refused(archive, another, "after the manifest")


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/cron.d/x",
        "/etc/cron.d/x",
        "instances/live/settings/../../../../etc/passwd",
        "instances/live/settings/..",
        "instances/live/settings/./x",
        "instances/live/settings//x",
        "instances/live/other",
        "instances/../settings/x",
        "instances/live/events.jsonl.2",
        "etc/passwd",
        "",
    ],
)
def test_no_path_leads_out(another: HostFolder, archive: Path, name: str):
    with_member(archive, name)
    refused(archive, another, "no path that a backup has|cut off or damaged|no plain file")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_only_plain_files_get_in(another: HostFolder, archive: Path, kind: bytes):
    with_member(archive, "instances/live/settings/x", type=kind, linkname="/etc/shadow")
    refused(archive, another, "no plain file")


@pytest.mark.parametrize("attribute", [{"uid": 1000}, {"gid": 1000}, {"mode": 0o4755}, {"mode": 0o644}])
def test_foreign_owners_and_modes_are_refused(another: HostFolder, archive: Path, attribute: dict[str, int]):
    with_member(archive, "instances/live/settings/x", **attribute)
    refused(archive, another, "in a backup everything is root's")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("format", 2, "format is 2"),
        ("created", "yesterday", "cannot be read"),
        ("members", [], "cannot be read"),
        ("instances", ["live"], "cannot be read"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(
    another: HostFolder, archive: Path, key: str, value: Any, reason: str
):
    def change(content: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        content[-1] = (content[-1][0], json.dumps(json.loads(content[-1][1]) | {key: value}).encode())

    rewritten(archive, change)
    refused(archive, another, reason)


def test_something_else_than_an_archive_is_refused(another: HostFolder, tmp_path: Path):
    file = tmp_path / "note.tar.gz"
    file.write_text("no archive at all")
    refused(file, another, "cut off or damaged")
    file.write_bytes(gzip.compress(b"no archive at all" * 100))
    refused(file, another, "cut off or damaged")


def test_a_damaged_database_is_refused(another: HostFolder, archive: Path):
    def change(content: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        (index,) = [index for index, (info, _) in enumerate(content) if info.name == restore.DATABASE]
        data = b"SQLite format 3\0" + b"x" * 4096
        content[index] = (content[index][0], data)
        manifest = json.loads(content[-1][1])
        manifest["members"][restore.DATABASE] = {
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        content[-1] = (content[-1][0], json.dumps(manifest).encode())

    rewritten(archive, change)
    refused(archive, another, "database in the archive is damaged")


# --- interruptions ------------------------------------------------------------------------------------------


def test_a_full_disk_is_noticed_first(another: HostFolder, archive: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=restore.ROOM))
    refused(archive, another, "MiB are needed")


def test_a_disk_that_gets_full_changes_nothing(
    another: HostFolder, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    before = another.snapshot()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(restore.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space"):
        restore.restore(archive, [], force=False, root=another.root)
    assert another.snapshot() == before


def test_a_file_system_that_cannot_exchange_changes_nothing(
    another: HostFolder, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    before = another.snapshot()

    def refuse(*_: object) -> int:
        restore.ctypes.set_errno(22)
        return -1

    monkeypatch.setattr(restore.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(renameat2=refuse))
    with pytest.raises(OSError, match="cannot exchange folders"):
        restore.restore(archive, [], force=False, root=another.root)
    assert another.snapshot() == before


KILLED = """
import os, sys
sys.path.insert(0, {files!r})
import restore
restore.ACCOUNT = {me!r}

def main(archive, root, left):
    def step(function):
        def counted(*arguments, **more):
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)
            return function(*arguments, **more)
        return counted
    for name in ("_make", "_write", "_exchange", "_sync", "_place_database", "_check_database"):
        setattr(restore, name, step(getattr(restore, name)))
    restore.Path.rename = step(restore.Path.rename)
    restore.restore(restore.Path(archive), [], force=False, root=restore.Path(root))
"""


@pytest.mark.processes
def test_killed_anywhere_each_instance_is_old_or_new_and_the_next_run_heals(
    host: HostFolder, another: HostFolder, archive: Path, tmp_path: Path
):
    another.incident(1)
    names = ("live", "paper")
    for name in names:
        another.write(f"var/lib/ibgateway/{name}/settings/mine.xml", "mine")
    pristine = tmp_path / "pristine"
    shutil.copytree(another.root, pristine)
    old = {name: settings_of(another, name) for name in names}
    new: dict[str, dict[str, bytes]] = {}
    with Forks(KILLED.format(files=str(ROOT / "roles/ibc/files"), me=ME)) as forks:
        for steps in range(100):
            shutil.rmtree(another.root)
            shutil.copytree(pristine, another.root)
            log = tmp_path / "log"
            code = forks.start(str(archive), str(another.root), steps, log=log).wait(60)
            assert code in (0, 9), log.read_text()
            found = {name: settings_of(another, name) for name in names}
            for name in names:
                kept = {path: data for path, data in settings_of(host, name).items() if b"canary" not in data}
                assert found[name] in (old[name], kept), (steps, name)
                new[name] = kept
            # What was there is still somewhere.
            assert len(list(another.root.glob("var/lib/ibgateway/*/settings/mine.xml"))) == 2, steps
            if code == 0:
                break
            restore.restore(archive, [], force=True, root=another.root)
            assert {name: settings_of(another, name) for name in names} == new, steps
            assert another.incidents() == 1
    assert code == 0
    assert steps > 15
