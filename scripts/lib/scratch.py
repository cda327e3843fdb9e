"""Where tests write: in memory, if there is room. A small file costs a tenth there of what a disk takes."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder with a new name is made there
ROOM = 1 << 30  # bytes; the unit tests write 0.13 GB


@contextlib.contextmanager
def in_memory(place: Path = MEMORY, room: int = ROOM) -> Iterator[dict[str, str]]:
    """Have a folder in memory for the files of tests, and remove it in the end.

    Args:
        place: a file system in memory.
        room: bytes that shall be free there.

    Yields:
        What the tests' environment needs. It is nothing where there is no such place or no room, or where no
        program may run, as containers have it by default: tests write programs, too.
    """
    if not _is_usable(place, room):
        yield {}
        return
    # A short name, for the paths of sockets have at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ibgw-", dir=place, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # some tests become another user
        yield {"TMPDIR": folder}


def _is_usable(place: Path, room: int) -> bool:
    try:
        about = os.statvfs(place)
    except OSError:
        return False
    free = about.f_bavail * about.f_frsize
    return free >= room and not about.f_flag & os.ST_NOEXEC and os.access(place, os.W_OK)
