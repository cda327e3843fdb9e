"""Whether a file is what it is taken for: by its name, its content, and its publisher's word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.lib.artifacts import ArtifactError, download, inspect, publishers
from scripts.lib.artifacts.publishers import Offer

TITLES = {"ibgateway": "IB Gateway", "ibc": "IBC"}
GATEWAY_NAME = re.compile(r"ibgateway-(.+?)-(?:standalone-)?linux-x64\.sh")
IBC_NAME = re.compile(r"IBCLinux-.+\.zip|ibc2-.+\.whl")
OTHER_NAME = re.compile(r"(?:ibgateway|IBC|ibc2).*\.(?:sh|zip|whl|exe|dmg)")


def candidates(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that are, or pretend to be, something to lock.

    Args:
        folder: where to look; not below it.

    Raises:
        ArtifactError: it cannot be read.
    """
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise ArtifactError(
            f"{folder} cannot be read ({error.strerror}): name a folder with --from."
        ) from None
    yield from (file for file in files if OTHER_NAME.fullmatch(file.name) and file.is_file())


def identify(file: Path) -> tuple[str, str, str]:
    """Return product, version, and a note for the operator, about a file at hand.

    Args:
        file: its name tells the product.

    Raises:
        ArtifactError: it is nothing that could be used.
    """
    if IBC_NAME.fullmatch(file.name):
        return "ibc", inspect.ibc(file), ""
    named = GATEWAY_NAME.fullmatch(file.name)
    if not named:
        raise ArtifactError(
            f"{file.name} is not for Linux on x86_64: get {inspect.WANTED}, or {inspect.IBC_WANTED}."
        )
    found = inspect.installer(file)
    version = named[1] if publishers.GATEWAY_VERSION.fullmatch(named[1]) else found.build
    if not version:
        raise ArtifactError(
            f"{file.name} does not tell its version: name it ibgateway-VERSION-standalone-linux-x64.sh."
        )
    _check_build(file, version, found)
    return "ibgateway", version, _note(found)


def verify(file: Path, offer: Offer) -> str:
    """Return a note for the operator about a file that was downloaded.

    Args:
        file: what came.
        offer: what was offered.

    Raises:
        ArtifactError: it is not that.
    """
    seen = facts(file)
    for key in ("size", "sha256"):
        if getattr(offer, key) not in (None, seen[key]):
            raise ArtifactError(
                f"{offer.url} has {key} {seen[key]}, its publisher says {getattr(offer, key)}: not locked; "
                "run again later."
            )
    try:
        if offer.product == "ibgateway":
            found = inspect.installer(file)
            _check_build(file, offer.version, found)
            return _note(found)
        held = inspect.ibc(file)
    except ArtifactError as error:
        raise ArtifactError(f"What {offer.url} sent was refused. {error}") from None
    if held != offer.version:
        raise ArtifactError(f"{offer.url} holds IBC {held}, not {offer.version}: not locked.")
    return ""


def expect_same(offer: Offer, again: Offer) -> None:
    """Refuse a file that another may have taken the place of while it was being sent.

    Args:
        offer: what the publisher had before.
        again: what it has now.

    Raises:
        ArtifactError: these differ.
    """
    if again != offer:
        raise ArtifactError(
            f"{title(again)} was published while {offer.version} was being downloaded: run again."
        )


def _check_build(file: Path, version: str, found: inspect.Installer) -> None:
    if found.build and not inspect.same_build(version, found.build):
        raise ArtifactError(f"{file.name} holds build {found.build}, not {version}: get the right one.")


def _note(found: inspect.Installer) -> str:
    if found.machine:
        return ""
    return "; its Java could not be looked at, the host will try it when it installs"


def facts(file: Path) -> dict[str, Any]:
    """Return what a lock pins of a file: its sha256, and its size in bytes.

    Args:
        file: where it is.
    """
    return {"sha256": download.sha256(file), "size": file.stat().st_size}


def same(recorded: dict[str, Any], seen: dict[str, Any]) -> bool:
    """Tell whether an entry of the lock and what was seen are the same file.

    Args:
        recorded: the entry.
        seen: from `facts`.
    """
    return (recorded["sha256"].lower(), recorded["size"]) == (seen["sha256"], seen["size"])


def title(offer: Offer) -> str:
    """Return what a person calls it.

    Args:
        offer: a product and its version.
    """
    return f"{TITLES[offer.product]} {offer.version}"
