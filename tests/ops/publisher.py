"""A publisher on this machine, as faulty as the real world, and artifacts in small."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import struct
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

X86_64, AARCH64 = 0x3E, 0xB7
VERSION = "10.45.1e"
IBC_VERSION = "3.24.1"


def tar(members: Mapping[str, bytes]) -> bytes:
    """Return a gzipped tar."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def elf(machine: int) -> bytes:
    """Return the begin of a program for a machine."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine) + bytes(100)


def installer(build: str = VERSION, machine: int = X86_64, seed: int = 0, size: int = 400_000) -> bytes:
    """Return an install4j installer in small: a script, the program's data, the archive at the end."""
    params = f'<variable name="buildInfo" value="Build {build}, May 7, 2026 5:00:06 AM" />'
    jre = tar({"bin/java": elf(machine), "lib/modules": b"m" * 1000})
    archive = tar(
        {"i4jparams.conf": params.encode(), "./jre.tar.gz": jre, "stats.properties": b"file.size.0=1"}
    )
    script = (
        "#!/bin/sh\n# Uncomment the following line to override the JVM search sequence\n"
        "# INSTALL4J_JAVA_HOME_OVERRIDE=\n"
        f'tail -c {len(archive)} "$prg_dir/${{progname}}" > sfx_archive.tar.gz 2> /dev/null\nexit 0\n'
    )
    return script.encode() + random.Random(seed).randbytes(size) + archive  # noqa: S311


def ibc_zip(version: str = IBC_VERSION, **changes: str | None) -> bytes:
    """Return IBC's release in small; None leaves a file out."""
    content = {
        "IBC.jar": "jar",
        "version": version,
        "config.ini": "FIX=no",
        "scripts/ibcstart.sh": "#!/bin/sh",
    }
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        for name, text in (content | changes).items():
            if text is not None:
                archive.writestr(zipfile.ZipInfo(name), text)
    return plain.getvalue()


@dataclass
class Publisher:
    """What the server has, and how it misbehaves.

    Attributes:
        url: its address.
        files: path to content.
        faults: path to what goes wrong with the coming GET requests, one after the other.
        requests: method, path and Range of each request.
        modified: the date of all files, as HTTP writes it; empty: none is told.
        ranges: whether Range is understood.
        head: the status with which HEAD is refused; 0: it is not.
        over: set when the test is, so that nothing waits any longer.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    modified: str = "Thu, 07 May 2026 05:00:06 GMT"
    ranges: bool = True
    head: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def offer_gateway(self, version: str, content: bytes, channel: str = "stable") -> None:
        """Publish an IB Gateway."""
        call = json.dumps({"buildVersion": version, "buildDateTime": "20260507 05:00:06"})
        self.files[f"/{channel}/version.json"] = f"ibgateway{channel}_callback({call});".encode()
        self.files[f"/{channel}/installer.sh"] = content

    def offer_ibc(self, version: str, content: bytes, **changes: Any) -> None:
        """Publish an IBC."""
        name = f"IBCLinux-{version}.zip"
        digest = hashlib.sha256(content).hexdigest()
        file = {
            "name": name,
            "size": len(content),
            "digest": f"sha256:{digest}",
            "browser_download_url": f"{self.url}/{name}",
        } | changes
        other = file | {"name": f"IBCWin-{version}.zip"}
        self.files["/release"] = json.dumps({"tag_name": version, "assets": [other, file]}).encode()
        self.files[f"/{name}"] = content

    def settings(self, folder: Path) -> Path:
        """Write where this publisher is, in the shape of publishers.yml."""
        file = folder / "publishers.json"
        gateway = {
            "channels": ["stable", "latest"],
            "version": f"{self.url}/{{channel}}/version.json",
            "installer": f"{self.url}/{{channel}}/installer.sh",
        }
        file.write_text(json.dumps({"ibgateway": gateway, "ibc": {"release": f"{self.url}/release"}}))
        return file

    def asked(self, path: str, method: str = "GET") -> list[str]:
        """Return the Range of each request for a path."""
        return [found for how, where, found in self.requests if (how, where) == (method, path)]


class _Handler(BaseHTTPRequestHandler):
    publisher: Publisher
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._note()
        if self.publisher.head:
            self._status(self.publisher.head)
        elif (content := self.publisher.files.get(self.path)) is None:
            self._status(404)
        else:
            self._begin(200, len(content), content)

    def do_GET(self) -> None:
        self._note()
        here = self.publisher
        faults = here.faults.get(self.path, [])
        kind, value = faults.pop(0) if faults else ("", 0)
        content = here.files.get(self.path)
        if kind == "status":
            return self._status(value)
        if content is None:
            return self._status(404)
        if kind == "redirect":
            self.send_response(302)
            self.send_header("Location", value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        start = self._start(content)
        body = content[start:]
        if start and start >= len(content):
            return self._status(416)
        length = len(body) + (value if kind == "length" else 0)
        self._begin(206 if start else 200, length, content, start)
        if kind == "change":  # the file is another one while it is being sent
            here.offer_gateway(*value)
        if kind in ("cut", "stall", "trickle"):
            self.wfile.write(body[:value])
            self.wfile.flush()
            if kind == "stall":
                here.over.wait()
            while kind == "trickle" and not here.over.wait(0.02):
                self.wfile.write(b"x")
        else:
            self.wfile.write(body[:length])
        self.close_connection = True
        return None

    def _start(self, content: bytes) -> int:
        asked = self.headers.get("Range", "")
        if not self.publisher.ranges or not asked:
            return 0
        if self.headers.get("If-Range") not in (_etag(content), self.publisher.modified):
            return 0
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def _begin(self, status: int, length: int, content: bytes, start: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", _etag(content))
        if self.publisher.modified:
            self.send_header("Last-Modified", self.publisher.modified)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()

    def _status(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _note(self) -> None:
        self.publisher.requests.append((self.command, self.path, self.headers.get("Range", "")))


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'  # noqa: S324 - a tag, no protection


@contextmanager
def running() -> Iterator[Publisher]:
    """Run a publisher for as long as the block lasts."""
    publisher = Publisher()
    handler = type("Handler", (_Handler,), {"publisher": publisher})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # a client that hangs up is no news
    publisher.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield publisher
    finally:
        publisher.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
