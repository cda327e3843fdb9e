"""`scripts/ops lock` refuses what is not what it is taken for, now or later."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from lock_desk import GATEWAY_NAME, IBC_NAME, INSTALLER, Desk, sha256
from publisher import AARCH64, IBC_VERSION, VERSION, ibc_zip, installer


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
