"""Fetch a large file: watched for stalls, begun again where it ended, in this run or the next.

What has come lies in PART; PART.json beside it says of which file that is (address, ETag or Last-Modified,
length), so that two files are never pieced together (RFC 9110, If-Range).
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from scripts.lib.artifacts import ArtifactError, web

CHUNK = 1 << 20
# Fewer bytes than this in the seconds of a stall are none.
LEAST = 16 << 10
SPARE = 64 << 20
MEGABYTE = 1_000_000
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")

# Called with the bytes so far, and all of them where that is known.
Report = Callable[[int, int | None], None]


class _CutShortError(OSError):
    """The server sent less than it announced."""


class _AnewError(OSError):
    """What is there cannot be continued."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often.

    Attributes:
        stall: seconds in which something must come.
        attempts: how many may bring nothing new, one after the other.
        pause: sleeps for so many seconds between two of them.
    """

    stall: float = 30.0
    attempts: int = 5
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Seen:
    """What a server says of a file without sending it.

    Attributes:
        size: bytes, or None.
        changed: the day of its last change, or None.
    """

    size: int | None
    changed: date | None


def look(url: str, seconds: float) -> Seen:
    """Ask for a file's length and date alone.

    Args:
        url: where it is.
        seconds: how long an answer may take.

    Raises:
        ArtifactError: no answer, or none that helps.
    """
    try:
        with web.ask(url, seconds, method="HEAD") as response:
            return Seen(_length(response), _changed(response))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (405, 501):  # this server knows no HEAD
            return Seen(None, None)
        raise ArtifactError(f"{url} cannot be had ({web.reason(error)}): {web.remedy(error)}") from None
    except web.FAILURES as error:
        raise ArtifactError(f"{url} cannot be had ({web.reason(error)}): {web.remedy(error)}") from None


def fetch(url: str, part: Path, report: Report, patience: Patience) -> None:
    """Bring a file to PART, whole.

    Args:
        url: where it is.
        part: where it goes; what is there already of the same file is kept.
        report: told of the progress.
        patience: how long to try.

    Raises:
        ArtifactError: it could not be had, or the disk is full; what came is kept for the next run.
    """
    furthest, tries = _size(part), 0
    while True:
        try:
            _attempt(url, part, report, patience)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:
                discard(part)
            elif error.code not in web.PASSING:
                raise ArtifactError(
                    f"{url} cannot be had ({web.reason(error)}): {web.remedy(error)}"
                ) from None
            failure: Exception = error
        except web.FAILURES as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise ArtifactError(
                    f"The disk of {part.parent} is full: make room and run again; what came is kept."
                ) from None
            failure = error
        else:
            _memory(part).unlink(missing_ok=True)
            return
        tries = 1 if _size(part) > furthest else tries + 1
        furthest = max(furthest, _size(part))
        if tries >= patience.attempts:
            raise ArtifactError(
                f"{url} could not be downloaded ({web.reason(failure)}; {_size(part) / MEGABYTE:.1f} MB are "
                "kept): run again to go on, or lock a file you have with --from."
            )
        patience.pause(min(2**tries, 30))


def discard(part: Path) -> None:
    """Remove what came of a file.

    Args:
        part: as given to `fetch`.
    """
    part.unlink(missing_ok=True)
    _memory(part).unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Return a file's hash in hexadecimal.

    Args:
        path: the file.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _attempt(url: str, part: Path, report: Report, patience: Patience) -> None:
    memory = _left_over(url, part)
    done = _size(part) if memory else 0
    if memory and done == memory["total"]:
        return
    headers = {"Range": f"bytes={done}-", "If-Range": memory["validator"]} if done else {}
    with web.ask(url, patience.stall, headers) as response:
        total = _length(response)
        if response.status == 206:
            found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if not found or int(found[1]) != done or int(found[2]) != memory["total"]:
                discard(part)
                raise _AnewError("the server continues another file")
            total = memory["total"]
        else:
            done = 0
            _remember(url, part, response, total)
        _check_room(part, (total or 0) - done)
        with part.open("ab" if done else "wb") as file:
            done = _receive(response, file, done, total, report, patience)
    if total is not None and done != total:
        raise _CutShortError(f"the connection ended after {done} of {total} bytes")


def _receive(
    response: HTTPResponse, file: Any, done: int, total: int | None, report: Report, patience: Patience
) -> int:
    begin, came = time.monotonic(), 0
    report(done, total)
    while chunk := response.read1(CHUNK):
        file.write(chunk)
        file.flush()  # a full disk is told here, not at the end
        done += len(chunk)
        came += len(chunk)
        report(done, total)
        # A trickle never lets the socket time out.
        if time.monotonic() - begin > patience.stall:
            if came < LEAST:
                raise TimeoutError
            begin, came = time.monotonic(), 0
    return done


def _left_over(url: str, part: Path) -> dict[str, Any] | None:
    """Return what is known of the file that PART holds a piece of; None: nothing that could be continued."""
    try:
        found = json.loads(_memory(part).read_text(encoding="utf-8"))
        if found["url"] == url and found["validator"] and 0 < _size(part) <= found["total"]:
            return found
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return None


def _remember(url: str, part: Path, response: HTTPResponse, total: int | None) -> None:
    etag = response.headers.get("ETag", "")
    # If-Range takes no weak tag.
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
    memory = {"url": url, "validator": validator, "total": total}
    _memory(part).write_text(json.dumps(memory), encoding="utf-8")


def _check_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed + SPARE > free:
        raise ArtifactError(
            f"{part.parent} has {free / MEGABYTE:.0f} MB left, {(needed + SPARE) / MEGABYTE:.0f} MB are "
            "needed: make room, or name another folder with --mirror."
        )


def _length(response: HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _changed(response: HTTPResponse) -> date | None:
    try:
        return parsedate_to_datetime(response.headers.get("Last-Modified", "")).date()
    except (ValueError, TypeError):
        return None


def _memory(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
