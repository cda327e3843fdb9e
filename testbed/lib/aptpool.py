"""One archive of downloaded Debian packages per release, shared by all hosts without a lock between them.

Every host gets a folder of its own as /var/cache/apt/archives, filled with hard links from the pool; what it
downloads beyond that is linked back into the pool. No two hosts write in one folder; the bytes exist once.
"""

import contextlib
import os
import shutil
from pathlib import Path

from testbed.lib.lock import only_one
from testbed.lib.paths import TESTBED


def host_folder(release: str, name: str, base: Path = TESTBED) -> Path:
    """Name the folder that one host uses as its package archive.

    Args:
        release: code name.
        name: the host.
        base: the testbed's cache.

    Returns:
        The folder; it need not exist.
    """
    return base / "apt" / release / "hosts" / name


def _pool(release: str, base: Path) -> Path:
    return base / "apt" / release / "pool"


def fill(release: str, name: str, base: Path = TESTBED) -> Path:
    """Make a host's archive and link everything known into it.

    Args:
        release: code name.
        name: the host.
        base: the testbed's cache.

    Returns:
        The folder to mount.
    """
    folder, pool = host_folder(release, name, base), _pool(release, base)
    pool.mkdir(parents=True, exist_ok=True)
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    with only_one(f"apt-{release}"):
        for package in pool.glob("*.deb"):
            with contextlib.suppress(FileExistsError):
                os.link(package, folder / package.name)
    return folder


def collect(release: str, name: str, base: Path = TESTBED) -> int:
    """Link a host's new packages into the pool. apt puts a file there by rename, so each is whole.

    Args:
        release: code name.
        name: the host.
        base: the testbed's cache.

    Returns:
        How many packages were new.
    """
    folder, pool = host_folder(release, name, base), _pool(release, base)
    if not folder.is_dir():
        return 0
    pool.mkdir(parents=True, exist_ok=True)
    new = 0
    with only_one(f"apt-{release}"):
        for package in folder.glob("*.deb"):
            target = pool / package.name
            if not target.exists():
                try:
                    os.link(package, target)
                except PermissionError:
                    continue  # still root's own: downloaded by a host that has stopped
                _drop_older(pool, package.name)
                new += 1
    return new


def _drop_older(pool: Path, name: str) -> None:
    """Keep two builds of a package (two sources may disagree for a day), so that the pool stays small.

    apt gives a package the time at which it was published; an older build that a host still has never drives
    out a newer one.
    """
    package, _, rest = name.partition("_")
    architecture = rest.rpartition("_")[2]
    same = sorted(pool.glob(f"{package}_*_{architecture}"), key=lambda path: path.stat().st_mtime_ns)
    for old in same[:-2]:
        old.unlink()


def forget(release: str, name: str, base: Path = TESTBED) -> None:
    """Remove a host's archive; the pool keeps what was collected.

    Args:
        release: code name.
        name: the host.
        base: the testbed's cache.
    """
    shutil.rmtree(host_folder(release, name, base), ignore_errors=True)
