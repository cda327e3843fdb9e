"""Replacing a small file so that it survives a crash or power failure: old or new, never half of it."""

from __future__ import annotations

import os
from pathlib import Path


def replace(file: Path, data: bytes, mode: int) -> None:
    """Replace a file's content, and return only when it is on the disk.

    Written by root, the file belongs to the directory's owner all the same, who replaces it later. That owner
    could have prepared a link under the draft's name, so the draft is never opened but made.

    Args:
        file: which; its directory must exist.
        data: the whole new content.
        mode: its permissions.

    Raises:
        OSError: it cannot be written; the old file is still whole.
    """
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            os.fchmod(descriptor, mode)
            if os.geteuid() == 0:
                owner = file.parent.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def small(file: Path, largest: int = 1 << 18) -> bytes | None:
    """Read a file that ought to be small.

    Returns:
        its content; None when there is no such file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than `largest` bytes, or no regular file.
    """
    try:
        # Not blocking: in place of the file there might be a pipe.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(largest + 1)
    if data is None or len(data) > largest:
        raise ValueError("it is too large")
    return data
