"""`scripts/ops lock`: what the publishers have is recorded once, and never changes unseen."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import publisher as publishing
import pytest
import yaml
from publisher import AARCH64, IBC_VERSION, VERSION, Publisher, ibc_zip, installer

from scripts.lib import ops, ops_lock
from scripts.lib.artifacts import ArtifactError, lockfile, web
from scripts.lib.artifacts.download import Patience

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 11, 24)
INSTALLER = "/stable/installer.sh"
GATEWAY_NAME = f"ibgateway-{VERSION}-standalone-linux-x64.sh"
IBC_NAME = f"IBCLinux-{IBC_VERSION}.zip"


@pytest.fixture
def server() -> Iterator[Publisher]:
    """A publisher with one IB Gateway and one IBC."""
    with publishing.running() as found:
        found.offer_gateway(VERSION, installer())
        found.offer_ibc(IBC_VERSION, ibc_zip())
        yield found


class Desk:
    """An inventory, and the verb run on it."""

    def __init__(self, folder: Path, server: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
        self.server, self._capsys = server, capsys
        self.inventory = folder / "inventories" / "mine"
        self.lock = self.inventory / "group_vars/gateways/artifacts.lock.yml"
        self.mirror = folder / "inventories" / "artifacts"
        self.downloads = folder / "downloads"
        self.inventory.mkdir(parents=True)
        self.downloads.mkdir()
        (self.inventory / "hosts.yml").write_text("gateways: {hosts: {vps1: }}\n")
        self.publishers = server.settings(folder)
        self.pauses: list[float] = []

    def run(self, *arguments: str, day: date = DAY, attempts: int = 3, stall: float = 20) -> int:
        parser = argparse.ArgumentParser()
        ops_lock.arguments(parser)
        given = parser.parse_args(
            ["-i", str(self.inventory), "--publishers", str(self.publishers), *arguments]
        )
        return ops_lock.run(given, day, Patience(stall, attempts, self.pauses.append))

    def json(self, *arguments: str, **more: Any) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the exit code, and what was told of each product's versions."""
        self._capsys.readouterr()
        code = self.run("--json", *arguments, **more)
        found = json.loads(self._capsys.readouterr().out)["artifacts"]
        return code, {f"{entry['product']} {entry['version']}": entry for entry in found}

    def said(self) -> str:
        shown = self._capsys.readouterr()
        return shown.out + shown.err

    def locked(self) -> dict[str, Any]:
        return yaml.safe_load(self.lock.read_text())

    def files(self) -> list[str]:
        return sorted(path.name for path in self.mirror.iterdir()) if self.mirror.exists() else []


@pytest.fixture
def desk(tmp_path: Path, server: Publisher, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, server, capsys)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ---- the plain way ----


def test_the_first_run_records_what_it_saw_and_keeps_the_files(desk: Desk) -> None:
    assert desk.run() == 0
    content = installer()
    assert desk.locked() == {
        "ibgateway_artifacts": {
            VERSION: {
                "path": f"../artifacts/{GATEWAY_NAME}",
                "url": f"{desk.server.url}{INSTALLER}",
                "sha256": sha256(content),
                "size": len(content),
                "first_seen": "2026-11-24",
            }
        },
        "ibc_artifacts": {
            IBC_VERSION: {
                "path": f"../artifacts/{IBC_NAME}",
                "url": f"{desk.server.url}/{IBC_NAME}",
                "sha256": sha256(ibc_zip()),
                "size": len(ibc_zip()),
                "first_seen": "2026-11-24",
            }
        },
    }
    assert desk.files() == [IBC_NAME, GATEWAY_NAME]
    assert (desk.mirror / GATEWAY_NAME).read_bytes() == content
    assert "IB Gateway 10.45.1e" in desk.said()


def test_a_second_run_writes_nothing_and_downloads_nothing(desk: Desk) -> None:
    desk.run()
    before = desk.lock.stat(), (desk.mirror / GATEWAY_NAME).stat()
    desk.server.requests.clear()
    code, found = desk.json(day=date(2027, 1, 1))
    assert code == 0
    assert {entry["action"] for entry in found.values()} == {"unchanged"}
    assert (desk.lock.stat(), (desk.mirror / GATEWAY_NAME).stat()) == before
    assert desk.server.asked(INSTALLER) == [], "size and date told that it is the same"


def test_a_new_version_is_told_and_added_on_request_only(desk: Desk) -> None:
    desk.run()
    desk.server.offer_gateway("10.46.1a", installer("10.46.1a"))
    code, found = desk.json()
    assert (code, found["ibgateway 10.46.1a"]["action"]) == (0, "not locked")
    assert list(desk.locked()["ibgateway_artifacts"]) == [VERSION]
    assert desk.run("--update", day=date(2026, 12, 1)) == 0
    assert list(desk.locked()["ibgateway_artifacts"]) == [VERSION, "10.46.1a"], (
        "the old one is for going back"
    )
    assert desk.locked()["ibgateway_artifacts"]["10.46.1a"]["first_seen"] == "2026-12-01"


def test_the_other_channel(desk: Desk) -> None:
    desk.server.offer_gateway("10.46.1a", installer("10.46.1a"), "latest")
    assert desk.run("--channel", "latest") == 0
    assert list(desk.locked()["ibgateway_artifacts"]) == ["10.46.1a"]
    assert desk.run("--channel", "beta") == 1
    assert "There is no channel beta: choose one of stable, latest." in desk.said()


def test_ansible_reads_the_lock_as_the_inventorys_variables(desk: Desk) -> None:
    desk.run()
    command = [Path(sys.executable).parent / "ansible-inventory", "-i", desk.inventory, "--host", "vps1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout).items() >= desk.locked().items()


# ---- what the publisher may do to a download ----


def test_a_truncated_download_goes_on_where_it_ended(desk: Desk) -> None:
    desk.server.faults[INSTALLER] = [("cut", 100_000), ("cut", 100_000)]
    assert desk.run() == 0
    assert desk.server.asked(INSTALLER) == ["", "bytes=100000-", "bytes=200000-"]
    assert (desk.mirror / GATEWAY_NAME).read_bytes() == installer()


def test_an_interrupted_download_goes_on_in_the_next_run(desk: Desk) -> None:
    desk.server.faults[INSTALLER] = [("cut", 160_000)] + [("status", 503)] * 2
    assert desk.run() == 1
    assert "0.2 MB are kept): run again to go on" in desk.said()
    assert "ibgateway_artifacts: {}" in desk.lock.read_text(), "IBC was locked all the same"
    assert list(desk.locked()["ibc_artifacts"]) == [IBC_VERSION]
    desk.server.requests.clear()
    assert desk.run() == 0
    assert desk.server.asked(INSTALLER) == ["bytes=160000-"]
    assert desk.files() == [IBC_NAME, GATEWAY_NAME]


def test_control_c_keeps_what_came(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_title: str) -> Callable[[int, int | None], None]:
        def report(done: int, _total: int | None) -> None:
            if done:
                raise KeyboardInterrupt

        return report

    with monkeypatch.context() as patched:
        patched.setattr(ops_lock, "_plain_report", interrupt)
        assert desk.run() == 130
    assert "run again to go on where it ended" in desk.said()
    (part,) = [path for path in desk.mirror.iterdir() if path.suffix == ".part"]
    came = part.stat().st_size
    assert came > 0
    desk.server.requests.clear()
    assert desk.run() == 0
    wanted = [] if came == len(installer()) else [f"bytes={came}-"]
    assert desk.server.asked(INSTALLER) == wanted


def test_a_file_that_changed_meanwhile_is_not_pieced_together(desk: Desk) -> None:
    desk.server.faults[INSTALLER] = [("cut", 150_000)] + [("status", 503)] * 3
    assert desk.run() == 1
    desk.server.offer_gateway(VERSION, installer(seed=1))
    assert desk.run() == 0
    assert (desk.mirror / GATEWAY_NAME).read_bytes() == installer(seed=1)


def test_a_version_published_during_the_download_is_not_taken_for_the_old_one(desk: Desk) -> None:
    desk.server.faults[INSTALLER] = [("change", ("10.45.1f", installer(seed=2)))]
    assert desk.run() == 1
    assert "IB Gateway 10.45.1f was published while 10.45.1e was being downloaded: run again." in desk.said()
    assert desk.files() == [IBC_NAME]
    assert desk.run() == 0
    assert list(desk.locked()["ibgateway_artifacts"]) == ["10.45.1f"]


def test_what_came_of_a_version_that_is_gone_does_not_stay(desk: Desk) -> None:
    desk.server.faults[INSTALLER] = [("cut", 150_000)] + [("status", 503)] * 3
    assert desk.run() == 1
    (desk.mirror / ".seen-killed").mkdir()
    desk.server.offer_gateway("10.46.1a", installer("10.46.1a"))
    assert desk.run() == 0
    assert desk.files() == [IBC_NAME, "ibgateway-10.46.1a-standalone-linux-x64.sh"]


def test_an_address_that_leads_elsewhere_is_followed_and_continued(desk: Desk) -> None:
    elsewhere = f"{desk.server.url}/elsewhere"
    desk.server.files["/elsewhere"] = installer()
    desk.server.faults[INSTALLER] = [("redirect", elsewhere)] * 2
    desk.server.faults["/elsewhere"] = [("cut", 100_000)]
    assert desk.run() == 0
    assert desk.server.asked("/elsewhere") == ["", "bytes=100000-"]
    assert desk.locked()["ibgateway_artifacts"][VERSION]["url"] == f"{desk.server.url}{INSTALLER}"


def test_no_way_leads_from_an_encrypted_address_to_a_plain_one() -> None:
    request = urllib.request.Request("https://publisher.example/file")
    with pytest.raises(ArtifactError, match="is not encrypted: not followed"):
        web._Redirects().redirect_request(request, None, 302, "", {}, "http://publisher.example/file")


def test_a_person_sees_a_live_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert desk.run() == 0
    assert "\x1b[" in desk.said()
    monkeypatch.delenv("FORCE_COLOR")
    assert desk.run("--plain") == 0
    assert "\x1b[" not in desk.said()


def test_a_server_without_ranges_begins_anew(desk: Desk) -> None:
    desk.server.ranges = False
    desk.server.faults[INSTALLER] = [("cut", 100_000)]
    assert desk.run() == 0
    assert (desk.mirror / GATEWAY_NAME).read_bytes() == installer()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_never_sends_the_rest_is_given_up(desk: Desk, ranges: bool) -> None:
    desk.server.ranges = ranges
    desk.server.faults[INSTALLER] = [("cut", 100_000)] + [("cut", 0 if ranges else 100_000)] * 9
    assert desk.run() == 1
    said = desk.said()
    assert f"{INSTALLER} could not be downloaded" in said
    assert "of 4" in said, "how many bytes of how many"
    assert len(desk.server.asked(INSTALLER)) == 3
    assert desk.pauses == [2, 4]


@pytest.mark.parametrize("kind", ["stall", "trickle"])
def test_a_server_that_stalls_is_left_and_asked_again(desk: Desk, kind: str) -> None:
    desk.server.faults[INSTALLER] = [(kind, 5_000)]
    assert desk.run(stall=0.5) == 0
    assert len(desk.server.asked(INSTALLER)) >= 2


def test_a_stall_for_good_ends(desk: Desk) -> None:
    desk.server.faults[INSTALLER] = [("stall", 0)] * 9
    assert desk.run(attempts=2, stall=0.2) == 1
    assert "could not be downloaded (no answer in time" in desk.said()


@pytest.mark.parametrize(("more", "sentence"), [(1000, "the connection ended after"), (-1000, "is damaged")])
def test_a_server_that_lies_about_the_length_is_found_out(desk: Desk, more: int, sentence: str) -> None:
    desk.server.faults[INSTALLER] = [("length", more)] * 9
    assert desk.run() == 1
    assert sentence in desk.said()
    assert desk.locked()["ibgateway_artifacts"] == {}
    assert GATEWAY_NAME not in desk.files()


@pytest.mark.parametrize(
    ("path", "fault", "sentence"),
    [
        (INSTALLER, ("status", 404), "HTTP status 404): correct the address"),
        (INSTALLER, ("status", 500), "HTTP status 500; 0.0 MB are kept): run again"),
        ("/stable/version.json", ("status", 404), "HTTP status 404): correct the address"),
        ("/stable/version.json", ("status", 500), "HTTP status 500): try again later"),
        ("/release", ("status", 403), "the publisher wants fewer requests"),
        ("/release", ("stall", 5), "no answer in time): try again later"),
        ("/release", ("redirect", "file:///etc/passwd"), "cannot be read (HTTP status 302"),
    ],
)
def test_an_error_is_told_with_its_remedy(
    desk: Desk, path: str, fault: tuple[str, Any], sentence: str
) -> None:
    desk.server.faults[path] = [fault] * 9
    code, found = desk.json(stall=0.5 if fault[0] == "stall" else 20)
    (failed,) = [entry for entry in found.values() if entry["action"] == "failed"]
    assert (code, sentence in failed["text"]) == (1, True), failed["text"]
    assert sum(entry["action"] == "locked" for entry in found.values()) == 1, "the other one was locked"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>maintenance</html>",
        b"callback({);",
        b'{"buildVersion": "../../etc"}',
        b'["10.45"]',
        b"\xff\xfe",
    ],
)
def test_a_garbage_version_json_locks_nothing(desk: Desk, answer: bytes) -> None:
    desk.server.files["/stable/version.json"] = answer
    assert desk.run() == 1
    assert "look at it in a browser" in desk.said()
    assert desk.locked()["ibgateway_artifacts"] == {}


@pytest.mark.parametrize("answer", [b"[]", b"{}", b'{"tag_name": "3.24.1", "assets": []}', b"nonsense"])
def test_a_garbage_release_locks_nothing(desk: Desk, answer: bytes) -> None:
    desk.server.files["/release"] = answer
    assert desk.run() == 1
    assert "does not answer with" in desk.said()
    assert desk.locked()["ibc_artifacts"] == {}


def test_an_endless_version_json_is_left(desk: Desk) -> None:
    desk.server.files["/stable/version.json"] = b" " * (2 << 20)
    assert desk.run() == 1
    assert "answers with more than a short text" in desk.said()


# ---- the publisher's word against the file's ----


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<!DOCTYPE html><title>Sorry</title>", "is a web page, not IBKR's offline Linux installer"),
        (b"#!/bin/sh\necho hello\n", "is a script of another kind, not"),
        (b"MZ\x90", "is another kind of file, not"),
        (installer(machine=AARCH64), "brings a Java for aarch64, not x86_64"),
        (installer("10.37.1"), "holds build 10.37.1, not 10.45.1e"),
        (installer()[:-50], "is damaged or incomplete"),
        (installer()[:-5000] + bytes(5000), "is damaged or incomplete"),
    ],
)
def test_what_is_no_installer_is_refused(desk: Desk, content: bytes, sentence: str) -> None:
    desk.server.offer_gateway(VERSION, content)
    assert desk.run() == 1
    assert sentence in desk.said()
    assert desk.locked()["ibgateway_artifacts"] == {}
    assert desk.files() == [IBC_NAME], "nothing of it is left"


@pytest.mark.parametrize(
    ("content", "changes", "sentence"),
    [
        (ibc_zip(), {"size": 1}, "its publisher says 1: not locked"),
        (ibc_zip(), {"digest": f"sha256:{'0' * 64}"}, "its publisher says 0000"),
        (ibc_zip("3.23.0"), {}, "holds IBC 3.23.0, not 3.24.1"),
        (ibc_zip(**{"IBC.jar": None}), {}, "lacks IBC.jar"),
        (b"<html>", {}, "is a web page, or damaged"),
        (ibc_zip()[:-40], {}, "is another kind of file, or damaged"),
    ],
)
def test_what_is_no_ibc_is_refused(
    desk: Desk, content: bytes, changes: dict[str, Any], sentence: str
) -> None:
    desk.server.offer_ibc(IBC_VERSION, content, **changes)
    assert desk.run() == 1
    assert sentence in desk.said()
    assert desk.locked()["ibc_artifacts"] == {}
    assert desk.files() == [GATEWAY_NAME]


# ---- later differences ----


@pytest.mark.parametrize("size", [400_000, 400_001])
@pytest.mark.parametrize("arguments", [(), ("--update",), ("--check",)])
def test_another_file_for_a_locked_version_is_refused_and_shown(
    desk: Desk, size: int, arguments: tuple[str, ...]
) -> None:
    desk.run()
    before = desk.lock.read_text(), (desk.mirror / GATEWAY_NAME).read_bytes()
    other = installer(seed=5, size=size)
    desk.server.offer_gateway(VERSION, other)
    desk.server.modified = "Fri, 27 Nov 2026 10:00:00 GMT"
    desk.said()
    assert desk.run(*arguments) == (3 if arguments == ("--check",) else 1)
    said = desk.said()
    assert "is not the one that was locked; nothing was overwritten" in said
    for word in (sha256(installer()), sha256(other), str(len(other)), "2026-11-24", "2026-11-27"):
        assert word in said
    assert (desk.lock.read_text(), (desk.mirror / GATEWAY_NAME).read_bytes()) == before
    assert desk.files() == [IBC_NAME, GATEWAY_NAME]


@pytest.mark.parametrize(("modified", "head"), [("", 0), ("Fri, 27 Nov 2026 10:00:00 GMT", 0), ("", 405)])
def test_headers_that_leave_a_doubt_have_the_file_read(desk: Desk, modified: str, head: int) -> None:
    desk.run()
    desk.server.modified, desk.server.head = modified, head
    desk.server.requests.clear()
    assert desk.run("--check") == 0
    assert len(desk.server.asked(INSTALLER)) == 1


def test_another_ibc_for_a_locked_version_is_refused_by_its_digest(desk: Desk) -> None:
    desk.run()
    desk.server.offer_ibc(IBC_VERSION, ibc_zip(**{"IBC.jar": "other"}))
    code, found = desk.json()
    assert (code, found[f"ibc {IBC_VERSION}"]["action"]) == (1, "refused")


def test_a_mirror_that_changed_is_refused(desk: Desk) -> None:
    desk.run()
    (desk.mirror / GATEWAY_NAME).write_bytes(installer(seed=9))
    assert desk.run() == 1
    assert (
        "the file in the mirror is not the one that was locked; nothing was overwritten. Move it away"
        in desk.said()
    )
    assert (desk.mirror / GATEWAY_NAME).read_bytes() == installer(seed=9)


def test_a_mirror_that_is_gone_is_filled_with_the_locked_files(desk: Desk) -> None:
    desk.run()
    before = desk.lock.read_text()
    shutil.rmtree(desk.mirror)
    code, found = desk.json()
    assert (code, {entry["action"] for entry in found.values()}) == (0, {"fetched"})
    assert desk.files() == [IBC_NAME, GATEWAY_NAME]
    assert desk.lock.read_text() == before


def test_a_mirror_that_is_gone_is_not_filled_with_others(desk: Desk) -> None:
    desk.run()
    shutil.rmtree(desk.mirror)
    desk.server.offer_gateway(VERSION, installer(seed=3))
    assert desk.run() == 1
    assert desk.files() == [IBC_NAME]


def test_an_old_gateway_that_the_mirror_lost_cannot_be_had_again(desk: Desk) -> None:
    desk.run()
    desk.server.offer_gateway("10.46.1a", installer("10.46.1a"))
    desk.server.offer_ibc("3.25.0", ibc_zip("3.25.0"))
    shutil.rmtree(desk.mirror)
    code, found = desk.json("--update")
    assert code == 1
    assert found[f"ibgateway {VERSION}"]["action"] == "missing"
    assert "bring it from another controller with --from" in found[f"ibgateway {VERSION}"]["text"]
    assert found[f"ibc {IBC_VERSION}"]["action"] == "fetched", "its address names the version"


# ---- --check ----


def test_check_changes_nothing_and_says_what_is_not_locked(desk: Desk) -> None:
    code, found = desk.json("--check")
    assert (code, {entry["action"] for entry in found.values()}) == (3, {"not locked"})
    assert not desk.lock.exists()
    assert not desk.mirror.exists()
    desk.run()
    assert desk.run("--check") == 0
    (desk.mirror / IBC_NAME).unlink()
    code, found = desk.json("--check")
    assert (code, found[f"ibc {IBC_VERSION}"]["action"]) == (3, "missing")
    assert desk.files() == [GATEWAY_NAME]


def test_check_tells_of_a_publisher_that_cannot_be_reached(desk: Desk) -> None:
    desk.run()
    desk.server.faults["/stable/version.json"] = [("status", 500)]
    assert desk.run("--check") == 1


# ---- --from ----


def test_files_at_hand_are_locked_without_a_publisher(desk: Desk) -> None:
    (desk.downloads / "ibgateway-stable-standalone-linux-x64.sh").write_bytes(installer())
    (desk.downloads / IBC_NAME).write_bytes(ibc_zip())
    (desk.downloads / "holiday.jpg").write_bytes(b"x")
    assert desk.run("--from", str(desk.downloads)) == 0
    assert desk.server.requests == []
    (gateway,) = desk.locked()["ibgateway_artifacts"].items()
    assert gateway == (
        VERSION,
        {
            "path": f"../artifacts/{GATEWAY_NAME}",
            "sha256": sha256(installer()),
            "size": len(installer()),
            "first_seen": "2026-11-24",
        },
    )
    assert desk.files() == [IBC_NAME, GATEWAY_NAME]
    assert desk.run("--from", str(desk.downloads), "--check") == 0
    assert desk.run("--from", str(desk.mirror)) == 0, "the mirror itself"


def test_files_that_lie_in_the_mirror_already_are_locked_there(desk: Desk) -> None:
    desk.mirror.mkdir()
    (desk.mirror / GATEWAY_NAME).write_bytes(installer())
    assert desk.run("--from", str(desk.mirror)) == 0
    assert list(desk.locked()["ibgateway_artifacts"]) == [VERSION]
    assert desk.files() == [GATEWAY_NAME]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (GATEWAY_NAME, b"<html><body>404</body></html>", "is a web page, not IBKR's offline Linux installer"),
        (GATEWAY_NAME, b"", "is empty, not"),
        (GATEWAY_NAME, installer(machine=AARCH64), "brings a Java for aarch64"),
        (f"ibgateway-{VERSION}-standalone-linux-arm.sh", installer(), "is not for Linux on x86_64"),
        (f"ibgateway-{VERSION}-standalone-windows-x64.exe", b"MZ", "is not for Linux on x86_64"),
        (f"IBCWin-{IBC_VERSION}.zip", ibc_zip(), "is not for Linux on x86_64"),
        (IBC_NAME, b"<html>", "is a web page, or damaged, not IBC's Linux release"),
        ("ibgateway-stable-standalone-linux-x64.sh", installer("soon"), "does not tell its version: name it"),
        ("ibgateway-10.37.1-standalone-linux-x64.sh", installer(), "holds build 10.45.1e, not 10.37.1"),
    ],
)
def test_a_wrong_file_at_hand_is_refused(desk: Desk, name: str, content: bytes, sentence: str) -> None:
    (desk.downloads / name).write_bytes(content)
    assert desk.run("--from", str(desk.downloads)) == 1
    assert sentence in desk.said()
    assert not desk.lock.exists()
    assert desk.files() == []


def test_a_file_at_hand_that_is_not_the_locked_one_is_refused(desk: Desk) -> None:
    desk.run()
    (desk.downloads / GATEWAY_NAME).write_bytes(installer(seed=4))
    assert desk.run("--from", str(desk.downloads)) == 1
    assert "is not the one that was locked" in desk.said()
    assert (desk.mirror / GATEWAY_NAME).read_bytes() == installer()


def test_a_folder_without_files_is_told(desk: Desk) -> None:
    assert desk.run("--from", str(desk.downloads)) == 1
    assert "put one there" in desk.said()
    assert desk.run("--from", str(desk.downloads / "no")) == 1
    assert "cannot be read (No such file or directory)" in desk.said()


def test_a_file_of_a_colleague_gets_its_address_later(desk: Desk) -> None:
    (desk.downloads / GATEWAY_NAME).write_bytes(installer())
    assert desk.run("--from", str(desk.downloads)) == 0
    (desk.mirror / GATEWAY_NAME).unlink()
    assert desk.run(day=date(2027, 1, 1)) == 0
    entry = desk.locked()["ibgateway_artifacts"][VERSION]
    assert (entry["url"], entry["first_seen"]) == (f"{desk.server.url}{INSTALLER}", "2026-11-24")


# ---- the machine ----


def test_a_disk_without_room_is_told_before_the_download(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(desk.inventory)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    assert desk.run() == 1
    assert "has 1 MB left, 68 MB are needed: make room" in desk.said()
    assert GATEWAY_NAME not in desk.files()


def test_a_disk_that_becomes_full_is_told(desk: Desk) -> None:
    desk.mirror.mkdir()
    (desk.mirror / f"{GATEWAY_NAME}.part").symlink_to("/dev/full")
    assert desk.run() == 1
    assert "is full: make room and run again; what came is kept." in desk.said()
    assert desk.locked()["ibgateway_artifacts"] == {}


def test_a_lock_that_cannot_be_replaced_stays_as_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run()
    before = desk.lock.read_text()
    desk.server.offer_gateway("10.46.1a", installer("10.46.1a"))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lockfile.os, "fsync", full)
    with pytest.raises(ArtifactError, match="nothing was locked"):
        lockfile.write(desk.lock, {"ibgateway": {}, "ibc": {}})
    assert desk.lock.read_text() == before
    assert [path.name for path in desk.lock.parent.iterdir()] == [desk.lock.name]


def test_a_second_run_at_once_is_refused(desk: Desk) -> None:
    with lockfile.alone([desk.lock.parent, desk.mirror]):
        assert desk.run() == 1
        assert "Another run is at work in" in desk.said()
        assert desk.run("--check") == 3, "looking is free"
    assert desk.run() == 0


def test_a_second_process_at_once_is_refused(desk: Desk) -> None:
    desk.server.faults[INSTALLER] = [("stall", 1000)]
    command = [sys.executable, "-m", "scripts.lib.ops", "lock", "--plain", "-i", str(desk.inventory)]
    command += ["--publishers", str(desk.publishers)]
    folders = (ROOT, ROOT / "roles/ibc/files", ROOT / "plugins/filter")  # as scripts/ops sets it
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as first:
        try:
            assert first.stderr is not None
            assert first.stderr.readline().startswith("IB Gateway 10.45.1e: 0.0 of 0.4 MB")
            assert desk.run() == 1
            assert "Another run is at work in" in desk.said()
        finally:
            first.terminate()


# ---- the lock file, and the command line ----


def test_the_text_is_stable_and_its_order_is_that_of_versions(tmp_path: Path) -> None:
    entry = {"size": 5, "sha256": "ab" * 32, "first_seen": "2026-11-24", "note": "mine", "path": "a"}
    lock = {"ibgateway": {"10.9.1": entry, "10.45.1e": entry, "10.45.1": entry}, "ibc": {}}
    text = lockfile.render(lock)
    assert list(yaml.safe_load(text)["ibgateway_artifacts"]) == ["10.9.1", "10.45.1", "10.45.1e"]
    assert list(yaml.safe_load(text)["ibgateway_artifacts"]["10.9.1"]) == [
        *("path", "sha256", "size", "first_seen", "note")
    ]
    file = tmp_path / "lock.yml"
    file.write_text(text)
    file.chmod(0o640)
    assert lockfile.render(lockfile.read(file)) == text
    lockfile.write(file, {"ibgateway": {}, "ibc": {}})
    assert file.stat().st_mode & 0o777 == 0o640


def test_the_examples_lock_is_an_empty_one() -> None:
    example = ROOT / "inventories/example/group_vars/gateways/artifacts.lock.yml"
    assert example.read_text() == lockfile.render({"ibgateway": {}, "ibc": {}})


def test_a_lock_written_by_hand_stays_valid(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "gateway.sh").write_bytes(installer())
    monkeypatch.chdir(tmp_path)
    desk.lock.parent.mkdir(parents=True)
    entry = {"path": "old/gateway.sh", "sha256": sha256(installer()).upper(), "size": len(installer())}
    desk.lock.write_text(yaml.safe_dump({"ibgateway_artifacts": {VERSION: entry}}))
    assert desk.run() == 0
    assert desk.locked()["ibgateway_artifacts"] == {VERSION: entry}
    assert desk.files() == [IBC_NAME]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[", "cannot be read"),
        ("other: 1\n", "holds more than ibgateway_artifacts and ibc_artifacts"),
        ("ibgateway_artifacts: {10.45: {}}\n", "must be versions, in quotes"),
        ("ibgateway_artifacts: {'10.45': {size: 1}}\n", "needs sha256"),
        (
            f"ibc_artifacts: {{'3.24.1': {{sha256: '{'0' * 64}', size: 0}}}}\n",
            "or remove the entry and run again",
        ),
    ],
)
def test_a_lock_that_cannot_be_understood_is_left_alone(desk: Desk, text: str, sentence: str) -> None:
    desk.lock.parent.mkdir(parents=True)
    desk.lock.write_text(text)
    assert desk.run() == 1
    assert sentence in desk.said()
    assert desk.lock.read_text() == text


def test_a_group_file_is_not_put_out_of_action(desk: Desk) -> None:
    (desk.inventory / "group_vars").mkdir()
    (desk.inventory / "group_vars/gateways.yml").write_text("a: 1\n")
    assert desk.run() == 1
    assert "would not be read any more beside a folder gateways/" in desk.said()
    assert not desk.lock.parent.exists()


def test_a_mirror_elsewhere_is_named_in_full(desk: Desk, tmp_path: Path) -> None:
    assert desk.run("--mirror", str(tmp_path / "m"), "--lock", str(tmp_path / "l.yml")) == 0
    entry = yaml.safe_load((tmp_path / "l.yml").read_text())["ibc_artifacts"][IBC_VERSION]
    assert entry["path"] == str(tmp_path / "m" / IBC_NAME)


def test_usage(desk: Desk, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert desk.run("--update", "--check") == 2
    assert ops.main(["lock"]) == 2
    assert "name your inventory" in capsys.readouterr().err
    assert ops.main(["lock", "-i", str(tmp_path / "none")]) == 1
    assert "There is no inventory" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        ops.main(["lock", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for words in ("scripts/ops lock -i inventories/mine --update", "Exit codes", "--from DIR"):
        assert words in shown


def test_publishers_are_named_in_full(desk: Desk) -> None:
    desk.publishers.write_text('{"ibgateway": {"channels": ["stable"]}}')
    assert desk.run() == 1
    assert "must name ibgateway.channels" in desk.said()


def test_an_address_that_is_no_web_address_is_refused(desk: Desk) -> None:
    desk.publishers.write_text(desk.publishers.read_text().replace("http://", "file://"))
    assert desk.run() == 1
    assert "is no http or https address" in desk.said()
