"""What the publishers have now.

IBKR: a version.json for each channel, whose JSON stands in a call for web pages: NAME({"buildVersion": …});
the installer's address is the same for every version. IBC: the latest release as GitHub's API tells it, each
file with its size and, since June 2025, its sha256.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.lib.artifacts import ArtifactError, web

SHIPPED = Path(__file__).with_name("publishers.yml")
JSONP = re.compile(r"\s*(?:[\w.]+\s*\()?\s*(\{.*\})\s*\)?\s*;?\s*", re.DOTALL)
GATEWAY_VERSION = re.compile(r"\d+(\.\d+)+[a-z]?")
IBC_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)(?:-.*)?")
IBC_FILE = re.compile(r"IBCLinux-[\w.-]+\.zip")
SHA256 = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Offer:
    """A version that can be had.

    Attributes:
        product: ibgateway or ibc.
        version: its version.
        url: where its file is.
        name: what the file is called in the mirror.
        size: bytes, where the publisher tells.
        sha256: in hexadecimal, where the publisher tells.
    """

    product: str
    version: str
    url: str
    name: str
    size: int | None = None
    sha256: str | None = None


def load(file: Path) -> dict[str, Any]:
    """Read where the publishers are.

    Args:
        file: in the shape of publishers.yml.

    Raises:
        ArtifactError: it cannot be read, or something is missing.
    """
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        addresses = [found["ibgateway"]["version"], found["ibgateway"]["installer"], found["ibc"]["release"]]
        if all(isinstance(address, str) for address in addresses) and found["ibgateway"]["channels"]:
            return found
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{file} cannot be read ({error}): correct it.") from None
    except (TypeError, KeyError):
        pass
    raise ArtifactError(
        f"{file} must name ibgateway.channels, ibgateway.version, ibgateway.installer and ibc.release: begin "
        f"with a copy of {SHIPPED}."
    )


def gateway(publishers: Mapping[str, Any], channel: str, seconds: float) -> Offer:
    """Ask IBKR which IB Gateway is current.

    Args:
        publishers: from `load`.
        channel: one of its channels.
        seconds: how long the answer may take.

    Raises:
        ArtifactError: the channel is unknown, or the answer is none that can be used.
    """
    places = publishers["ibgateway"]
    if channel not in places["channels"]:
        raise ArtifactError(f"There is no channel {channel}: choose one of {', '.join(places['channels'])}.")
    url = places["version"].format(channel=channel)
    found = JSONP.fullmatch(web.text(url, seconds))
    version = _json(found[1], url).get("buildVersion") if found else None
    if not isinstance(version, str) or not GATEWAY_VERSION.fullmatch(version):
        raise _unreadable(url, "a buildVersion such as 10.45.1e")
    return Offer(
        "ibgateway", version, places["installer"].format(channel=channel), gateway_file_name(version)
    )


def gateway_file_name(version: str) -> str:
    """Return what the installer of an IB Gateway version is called in the mirror.

    Args:
        version: its version.
    """
    return f"ibgateway-{version}-standalone-linux-x64.sh"


def ibc(publishers: Mapping[str, Any], seconds: float) -> Offer:
    """Ask GitHub which IBC is current.

    Args:
        publishers: from `load`.
        seconds: how long the answer may take.

    Raises:
        ArtifactError: the answer is none that can be used.
    """
    url = publishers["ibc"]["release"]
    release = _json(web.text(url, seconds), url)
    tag = IBC_VERSION.fullmatch(str(release.get("tag_name", "")))
    files = release.get("assets")
    for file in files if isinstance(files, list) else []:
        if not isinstance(file, Mapping) or not IBC_FILE.fullmatch(str(file.get("name", ""))):
            continue
        address, size = file.get("browser_download_url"), file.get("size")
        digest = SHA256.fullmatch(str(file.get("digest", "")))
        if tag and isinstance(address, str) and address:
            return Offer(
                "ibc",
                tag[1],
                address,
                file["name"],
                size if isinstance(size, int) and size > 0 else None,
                digest[1] if digest else None,
            )
    raise _unreadable(url, "a release with a file IBCLinux-….zip")


def _json(text: str, url: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _unreadable(url, "JSON")
    return found


def _unreadable(url: str, wanted: str) -> ArtifactError:
    return ArtifactError(
        f"{url} does not answer with {wanted}: look at it in a browser; until it does, lock a file you have "
        "with --from."
    )
