"""artifacts.lock.yml: read strictly, written in one step and so that a change is a change of lines."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.lib.artifacts import ArtifactError

VARIABLES = {"ibgateway": "ibgateway_artifacts", "ibc": "ibc_artifacts"}
HEAD = """\
---
# The artifact lock: what may be installed, and nothing else. scripts/ops lock writes this file; keep it with
# your inventory. sha256 and size (bytes) are as seen on first_seen; another file of that version is refused.
# path is the mirror's copy on the controller, from the inventory's folder; url is where the publisher had it.
"""
ORDER = ("path", "url", "sha256", "size", "first_seen")
SHA256 = re.compile(r"[0-9a-fA-F]{64}")

# Product to version to what is locked.
Lock = dict[str, dict[str, dict[str, Any]]]


def read(path: Path) -> Lock:
    """Read a lock.

    Args:
        path: the file; one that is not there locks nothing.

    Raises:
        ArtifactError: it cannot be read, or holds something else.
    """
    if not path.exists():
        return {product: {} for product in VARIABLES}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}): correct it.") from None
    if not isinstance(found, Mapping) or set(found) - set(VARIABLES.values()):
        raise ArtifactError(
            f"{path} holds more than {' and '.join(VARIABLES.values())}: move that to another file, for this "
            "one is written anew."
        )
    return {product: _entries(path, name, found.get(name)) for product, name in VARIABLES.items()}


def _entries(path: Path, name: str, given: Any) -> dict[str, dict[str, Any]]:
    entries = {} if given is None else given
    if not isinstance(entries, Mapping) or not all(isinstance(version, str) for version in entries):
        raise ArtifactError(f"{name} in {path} must be versions, in quotes, with what is locked of each.")
    for version, entry in entries.items():
        if (
            not isinstance(entry, Mapping)
            or not SHA256.fullmatch(str(entry.get("sha256", "")))
            or not isinstance(entry.get("size"), int)
            or entry["size"] <= 0
        ):
            raise ArtifactError(
                f"{name}['{version}'] in {path} needs sha256 (64 hexadecimal digits) and size (bytes): "
                "correct it, or remove the entry and run again."
            )
    return {version: dict(entry) for version, entry in entries.items()}


def render(lock: Lock) -> str:
    """Return the text of a lock: versions in their order, keys in ours.

    Args:
        lock: what is locked.
    """
    lines = []
    for product, name in VARIABLES.items():
        entries = lock[product]
        lines.append(f"{name}:" if entries else f"{name}: {{}}")
        for version in sorted(entries, key=version_key):
            lines.append(f"  {json.dumps(version)}:")
            entry = entries[version]
            keys = [key for key in ORDER if key in entry] + sorted(set(entry) - set(ORDER))
            # JSON is YAML, too, and its quotes keep a date a text.
            lines += [f"    {key}: {_scalar(entry[key])}" for key in keys]
    return HEAD + "\n".join(lines) + "\n"


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def version_key(version: str) -> list[tuple[int, str]]:
    """Return what versions are sorted by: numbers as numbers.

    Args:
        version: such as 10.45.1e.
    """
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|[^\d.]+", version)
    ]


def write(path: Path, lock: Lock) -> None:
    """Replace the file in one step, unless it is so already.

    Args:
        path: the file.
        lock: what is locked.

    Raises:
        ArtifactError: it cannot be written.
    """
    text = render(lock)
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        # Always the same name, so that what a killed run left is written over. Ansible reads no hidden files.
        draft = path.with_name(f".{path.name}.new")
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.chmod(mode)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be written ({error.strerror}): nothing was locked.") from None


@contextlib.contextmanager
def alone(folders: Iterable[Path]) -> Iterator[None]:
    """Hold these folders, so that no second run works in them.

    Args:
        folders: the mirror's and the lock's; made when missing.

    Raises:
        ArtifactError: another run holds one of them, or it cannot be made.
    """
    with contextlib.ExitStack() as stack:
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            # By their real names: a folder held twice would be waiting for itself.
            for folder in sorted({folder.resolve() for folder in folders}):
                descriptor = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArtifactError(f"Another run is at work in {folder}: wait for its end.") from None
        except OSError as error:
            raise ArtifactError(
                f"{folder} cannot be used ({error.strerror}): name another with --mirror."
            ) from None
        yield
