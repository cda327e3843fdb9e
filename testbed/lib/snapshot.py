"""Snapshots of converged hosts, found again by a hash of everything that made them."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from testbed.lib import docker, image
from testbed.lib.paths import ROOT
from testbed.lib.progress import UserError

REPOSITORY = "ibgw-snapshot"
KEY = re.compile(r"[a-z0-9][a-z0-9_.-]{0,100}")
LEFT_OUT = {"__pycache__", ".cache", ".git"}


class NoSnapshotError(UserError):
    """There is no snapshot with that key (yet)."""


def take(box: str, release: str, name: str, key: str) -> None:
    """Commit a container under a key and let older snapshots of the same host go.

    Args:
        box: container.
        release: code name, kept as a label.
        name: the host, kept as a label.
        key: tag.

    Raises:
        UserError: bad key, or the engine refuses.
    """
    target = _tag(key)
    docker.run(
        "commit",
        "--change=LABEL ibgw=snapshot",
        f"--change=LABEL ibgw.snapshot-of={name}",
        f"--change=LABEL ibgw.release={release}",
        box,
        target,
    )
    older = docker.run(
        "images", f"--filter=label=ibgw.snapshot-of={name}", "--format={{.Repository}}:{{.Tag}}", REPOSITORY
    ).stdout.split()
    for other in [*older, *unnamed()]:
        if other != target:
            # One that a host still runs from cannot go; the next snapshot tries again.
            docker.run("rmi", other, check=False)


def unnamed() -> list[str]:
    """Find the snapshots whose key a later one has taken: the same sources, and another run.

    Returns:
        The images' ids.
    """
    filters = ["--filter=label=ibgw=snapshot", "--filter=dangling=true"]
    return docker.run("images", "--quiet", *filters).stdout.split()


def image_name(key: str) -> str:
    """Find a snapshot.

    Args:
        key: as given to take().

    Returns:
        The image's name.

    Raises:
        NoSnapshotError: there is none.
    """
    name = _tag(key)
    if not docker.image_exists(name):
        raise NoSnapshotError(
            f"there is no snapshot {key}: testbed/host snapshot NAME {key} takes one of a running host."
        )
    return name


def key_of(places: Iterable[Path]) -> str:
    """Hash files, whole folders, and the recipe of every image, into a key.

    Args:
        places: files and folders; their order does not matter.

    Returns:
        16 hexadecimal digits that change when any name, content or executable bit does.

    Raises:
        UserError: one does not exist.
    """
    digest = hashlib.sha256()
    for release in image.RELEASES:
        digest.update(image.image_name(release).encode())
    for path in sorted({path.resolve() for path in _files(places)}):
        # The same files in another checkout give the same key.
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        digest.update(f"\0{name}\0{os.access(path, os.X_OK)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_file():
            yield place
        elif place.is_dir():
            for path in place.rglob("*"):
                if path.is_file() and LEFT_OUT.isdisjoint(path.parts) and path.suffix != ".pyc":
                    yield path
        else:
            raise UserError(f"no such file or folder: {place}.")


def _tag(key: str) -> str:
    if not KEY.fullmatch(key):
        raise UserError(f"{key!r} is no snapshot key: use lower case letters, digits, dots and dashes.")
    return f"{REPOSITORY}:{key}"
