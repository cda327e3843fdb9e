"""User name and password, handed over by systemd (`LoadCredentialEncrypted=`)."""

from __future__ import annotations

import os
from pathlib import Path

from .exitcodes import ConfigurationInvalid

_LIMIT = 4096


class Credentials:
    """What is typed into the login window. Never printed: `repr` shows nothing."""

    __slots__ = ("password", "username")

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password

    def __repr__(self) -> str:
        return "Credentials(…)"


def read(directory: str | None = None) -> Credentials:
    """Read both credentials.

    Args:
        directory: where systemd put them; default `$CREDENTIALS_DIRECTORY`.

    Returns:
        the credentials, without the line end an editor may have left.

    Raises:
        ConfigurationInvalid: one is missing, empty, not UTF-8, or holds what IBC cannot pass on.
    """
    place = directory or os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not place:
        raise ConfigurationInvalid(
            "no credentials were passed to the service: run the playbook again for this host"
        )
    return Credentials(_read(Path(place) / "username"), _read(Path(place) / "password"))


def _read(file: Path) -> str:
    name = file.name
    remedy = f"set the instance's {name} in the vault and run the playbook again"
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise ConfigurationInvalid(f"the {name} credential is missing: {remedy}") from None
    except OSError as error:
        raise ConfigurationInvalid(
            f"the {name} credential cannot be read ({error.strerror}): {remedy}"
        ) from None
    try:
        text = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigurationInvalid(f"the {name} credential is not UTF-8 text: {remedy}") from None
    if not text or len(raw) > _LIMIT:
        raise ConfigurationInvalid(f"the {name} credential is empty or longer than {_LIMIT} bytes: {remedy}")
    if any(char < " " or char == "\x7f" for char in text):
        raise ConfigurationInvalid(f"the {name} credential holds a line break or control character: {remedy}")
    if text != text.strip(" "):
        # IBC trims every text setting (facts: Settings.getString), so a blank at an end would never be typed.
        raise ConfigurationInvalid(
            f"the {name} credential begins or ends with a blank, which IBC drops: {remedy}"
        )
    return text
