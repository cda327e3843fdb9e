"""The channels' URLs: the notifier's one secret, handed over by systemd as the credential `channels`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..settings import REMEDY

DEADMAN = "deadman"
"""The name under which the dead-man's URL comes."""


class CredentialError(ValueError):
    """The credential is not usable; the text never holds its content."""


def path() -> Path:
    """Where systemd puts it (systemd.exec(5), CREDENTIALS_DIRECTORY)."""
    return Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), "channels")


def load(file: Path) -> dict[str, str]:
    """Read the URLs by their channel's name.

    Args:
        file: a JSON list of objects with `name` and `url`.

    Raises:
        CredentialError: the file is not such a list.
    """
    try:
        return {str(entry["name"]): str(entry["url"]) for entry in json.loads(file.read_bytes())}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CredentialError(
            f"the credential 'channels' is unreadable ({type(error).__name__}): {REMEDY}"
        ) from None
