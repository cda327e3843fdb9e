"""Which release of Gateway and of IBC an instance uses, which one it came from, and what is installed.

`upgrade.json` stands beside `instance.toml` and not with the instance's state: root acts on it, so nobody but
root may write it.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from . import durable
from .ctl_host import CtlError, Host
from .instance import Instance

RECORD = "upgrade.json"
PLACES = {"gateway_version": Path("/opt/ibgateway/releases"), "ibc_version": Path("/opt/ibc/releases")}
_FOLDERS = {"gateway_version": "program_dir", "ibc_version": "ibc_dir"}
_NAMES = {"gateway_version": "IB Gateway", "ibc_version": "IBC"}
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")

Versions = dict[str, str]
"""`gateway_version` and `ibc_version`."""


def of(instance: Instance) -> Versions:
    """The versions an instance's next start uses."""
    return {key: getattr(instance, key) for key in PLACES}


def said_by(record: dict) -> Versions:
    """The versions named in a state or an event."""
    return {key: str(record.get(key, "")) for key in PLACES}


def words(versions: Versions) -> str:
    """Both versions, for people."""
    return ", ".join(f"{_NAMES[key]} {versions[key]}" for key in PLACES)


def step(old: Versions, new: Versions) -> str:
    """What differs, for people: `IB Gateway 10.37.1 → 10.45.1`."""
    return ", ".join(f"{_NAMES[key]} {old[key]} → {new[key]}" for key in PLACES if old[key] != new[key])


def read(instance: Instance) -> dict:
    """What is noted: `pending` (`from`, `to`, `since`; once given up `leaving`, `start`), `previous`, `left`.

    Raises:
        CtlError: the file is damaged.
    """
    file = instance.etc_dir / RECORD
    try:
        found = json.loads(durable.small(file) or b"{}")
    except (OSError, ValueError) as error:
        raise CtlError(f"{file} cannot be used ({error}): remove it, and name the versions again") from None
    return {"pending": None, "previous": None, "left": None, **found}


def write(instance: Instance, record: dict) -> None:
    """Replace what is noted.

    Raises:
        CtlError: it cannot be written.
    """
    file = instance.etc_dir / RECORD
    try:
        durable.replace(file, json.dumps(record, indent=1).encode() + b"\n", 0o640)
    except OSError as error:
        raise CtlError(f"{file} cannot be written ({error.strerror})") from None


def require_installed(versions: Versions, places: dict[str, Path] = PLACES) -> None:
    """Raise CtlError unless both are on this host, whole."""
    for key, version in versions.items():
        whole = _VERSION.fullmatch(version) and (places[key] / version / ".installed").is_file()
        if not whole:
            raise CtlError(
                f"{_NAMES[key]} {version} is not installed on this host: run playbooks/upgrade.yml"
            )


def switch(instance: Instance, versions: Versions, places: dict[str, Path] = PLACES) -> bool:
    """Have the next start use other versions; all other lines of `instance.toml` stay as they are.

    Returns:
        whether anything changed.

    Raises:
        CtlError: not installed, or the file cannot be changed.
    """
    require_installed(versions, places)
    file = instance.etc_dir / "instance.toml"
    before = text = file.read_text(encoding="utf-8")
    for key, version in versions.items():
        for name, value in ((key, version), (_FOLDERS[key], str(places[key] / version))):
            text, found = re.subn(rf'(?m)^{name} = ".*"$', f'{name} = "{value}"', text)
            if found != 1:
                raise CtlError(f"{file} has no line {name}: run the playbook again")
    if text == before:
        return False
    try:
        durable.replace(file, text.encode(), 0o640)
    except OSError as error:
        raise CtlError(f"{file} cannot be written ({error.strerror})") from None
    return True


def prune(host: Host, keep: int, places: dict[str, Path] = PLACES) -> list[str]:
    """Remove the oldest releases until so many are left of each program; never one that is in use.

    In use is what an instance starts or runs, comes from, or may go back to.

    Args:
        host: this host.
        keep: how many of each program shall stay.
        places: where the releases are.

    Returns:
        what was removed, for people.
    """
    used = [versions for name in host.names([]) for versions in _in_use(host, name)]
    removed = []
    for key, place in places.items():
        markers = sorted(place.glob("*/.installed"), key=lambda file: file.stat().st_mtime, reverse=True)
        for marker in markers[keep:]:
            release = marker.parent
            if release.name not in {versions[key] for versions in used}:
                # Without its marker first: interrupted, it is no release any more.
                marker.unlink()
                shutil.rmtree(release)
                removed.append(f"{_NAMES[key]} {release.name}")
    return removed


def _in_use(host: Host, name: str) -> list[Versions]:
    instance = host.instance(name)
    record = read(instance)
    pending = record["pending"] or {}
    noted = [record["previous"], pending.get("from"), pending.get("to")]
    return [of(instance), said_by(host.status(name)), *filter(None, noted)]
