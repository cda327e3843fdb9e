"""What can be verified of an artifact without its publisher's word: kind, wholeness, architecture.

IBKR's installer is install4j's: a shell script, the program's files, and at the end a gzipped tar of LENGTH
bytes, which the script cuts off with `tail -c LENGTH`. That holds the Java (jre.tar.gz) and i4jparams.conf,
where IBKR names the build. Source: public package definitions that take these installers apart.
"""

from __future__ import annotations

import gzip
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from scripts.lib.artifacts import ArtifactError

HEAD = 256 << 10
TAIL_BYTES = re.compile(rb"^\s*tail -c (\d+)", re.MULTILINE)
TAIL_LINES = re.compile(rb"^\s*tail -n \+(\d+)", re.MULTILINE)
BUILD = re.compile(rb'name="buildInfo"\s+value="Build (\d+(?:\.\d+)+[a-z]?)')
GZIP = b"\x1f\x8b"
MACHINES = {0x03: "i386", 0x28: "arm", 0x3E: "x86_64", 0xB7: "aarch64"}
WANTED = "IBKR's offline Linux installer, ibgateway-…-standalone-linux-x64.sh"

IBC_WHEEL = "ibc2/_ibc/"
IBC_NEEDED = ("IBC.jar", "version", "config.ini", "scripts/ibcstart.sh")
IBC_WANTED = "IBC's Linux release, IBCLinux-….zip, or the wheel ibc2"

DAMAGE = (EOFError, OSError, zlib.error, tarfile.TarError)


@dataclass(frozen=True)
class Installer:
    """What an IB Gateway installer says of itself.

    Attributes:
        build: the version in it; empty when it names none.
        machine: what its Java runs on; empty when that could not be looked at.
    """

    build: str
    machine: str


def installer(path: Path) -> Installer:
    """Look into an IB Gateway installer.

    Args:
        path: the file.

    Raises:
        ArtifactError: it is no install4j installer, damaged, or for another architecture.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD)
        if not head.startswith(b"#!") or b"install4j" not in head.lower():
            raise ArtifactError(f"{path.name} is {_kind(head)}, not {WANTED}: get that one.")
        start = _payload(head, size)
        if start is None:
            return Installer("", "")
        file.seek(max(start, 0))
        if start < 0 or file.read(2) != GZIP:
            raise _damaged(path)
        file.seek(start)
        try:
            found = _look_into(file)
        except DAMAGE:
            raise _damaged(path) from None
    if found.machine not in ("", "x86_64"):
        raise ArtifactError(f"{path.name} brings a Java for {found.machine}, not x86_64: get {WANTED}.")
    return found


def ibc(path: Path) -> str:
    """Look into an IBC release and return its version.

    Args:
        path: the ZIP, or the wheel.

    Raises:
        ArtifactError: it is no ZIP, damaged, or not IBC for Linux.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            prefix = IBC_WHEEL if f"{IBC_WHEEL}IBC.jar" in names else ""
            if missing := [name for name in IBC_NEEDED if prefix + name not in names]:
                raise ArtifactError(f"{path.name} lacks {missing[0]}: get {IBC_WANTED}.")
            if archive.testzip():
                raise _damaged(path)
            return archive.read(f"{prefix}version").decode("ascii", errors="replace").strip()
    except zipfile.BadZipFile:
        with path.open("rb") as file:
            kind = _kind(file.read(HEAD))
        raise ArtifactError(f"{path.name} is {kind}, or damaged, not {IBC_WANTED}: get that one.") from None
    except DAMAGE:
        raise _damaged(path) from None


def same_build(version: str, build: str) -> bool:
    """Tell whether a version may be the build that an installer names: the first two numbers count.

    Args:
        version: such as 10.45.1e.
        build: from `installer`.
    """
    return version.split(".")[:2] == build.split(".")[:2]


def _payload(head: bytes, size: int) -> int | None:
    """Return at which byte the archive begins; None when the script does not tell."""
    if found := TAIL_BYTES.search(head):
        return size - int(found[1])
    if found := TAIL_LINES.search(head):
        before = head.split(b"\n", int(found[1]) - 1)
        return len(head) - len(before[-1]) if len(before) == int(found[1]) else None
    return None


def _look_into(file: IO[bytes]) -> Installer:
    """Read the archive to its end, so that its checksum is compared."""
    build = machine = ""
    for name, content in _members(file):
        if name == "i4jparams.conf" and (found := BUILD.search(content.read())):
            build = found[1].decode()
        elif name == "jre.tar.gz":
            machine = next((_machine(java) for inner, java in _members(content) if _is_java(inner)), "")
        elif _is_java(name):
            machine = _machine(content)
    return Installer(build, machine)


def _members(file: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    with gzip.GzipFile(fileobj=file) as plain:
        with tarfile.open(fileobj=plain, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is not None:
                    yield member.name.removeprefix("./"), content
        while plain.read(HEAD):
            pass


def _is_java(name: str) -> bool:
    return f"/{name}".endswith("/bin/java")


def _machine(java: IO[bytes]) -> str:
    """Return what a program runs on, by its ELF header (e_machine, two bytes at 18); empty for a script."""
    start = java.read(20)
    if start.startswith(b"\x7fELF") and len(start) == 20:
        number = struct.unpack_from("<H" if start[5] == 1 else ">H", start, 18)[0]
        return MACHINES.get(number, f"machine {number}")
    return "" if start.startswith(b"#!") else "another system"


def _kind(head: bytes) -> str:
    start = head[:2048].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page"
    if not head:
        return "empty"
    return "a script of another kind" if head.startswith(b"#!") else "another kind of file"


def _damaged(path: Path) -> ArtifactError:
    return ArtifactError(f"{path.name} is damaged or incomplete: get it again.")
