"""`scripts/ops lock` against a publisher, a disk and an operator that interrupt it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lock_desk import GATEWAY_NAME, IBC_NAME, INSTALLER, Desk
from publisher import IBC_VERSION, VERSION, installer

from scripts.lib import ops_lock
from scripts.lib.artifacts import ArtifactError, lockfile, web

ROOT = Path(__file__).resolve().parents[2]


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
