"""IBC's `config.ini`: the instance's settings plus its credentials, on tmpfs, only while Gateway runs."""

from __future__ import annotations

import os
from pathlib import Path

from . import fingerprint
from .credentials import Credentials
from .exitcodes import ConfigurationInvalid
from .instance import Instance
from .properties import escape, parse

SECRET_KEYS = ("IbLoginId", "IbPassword", "FIXLoginId", "FIXPassword")
_RERUN = "run the playbook again"


class Settings:
    """The few IBC settings the launcher itself depends on; times in seconds. `values` are all of them."""

    __slots__ = ("closedown", "exit_interval", "restart_time", "two_factor_timeout", "values")

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        # Defaults are IBC's own (3.24.1, config.ini and LoginManager).
        self.two_factor_timeout = _seconds(values, "SecondFactorAuthenticationTimeout", 180)
        self.exit_interval = _seconds(values, "SecondFactorAuthenticationExitInterval", 60)
        self.restart_time = values.get("AutoRestartTime", "")
        self.closedown = values.get("ClosedownAt", "")


def read(instance: Instance) -> tuple[bytes, Settings]:
    """Read `ibc.ini` and check it against the instance.

    Args:
        instance: whose settings.

    Returns:
        the file's bytes, and what the launcher needs of it.

    Raises:
        ConfigurationInvalid: missing, malformed, with a credential in it, or with another port than
            `instance.toml` has.
    """
    file = instance.etc_dir / "ibc.ini"
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise ConfigurationInvalid(f"{file} does not exist: {_RERUN}") from None
    except OSError as error:
        raise ConfigurationInvalid(f"{file} cannot be read ({error.strerror}): {_RERUN}") from None
    try:
        values = parse(raw.decode("latin-1"))
    except ValueError as error:
        raise ConfigurationInvalid(f"{file} is not a valid settings file ({error}): {_RERUN}") from None
    if secret := [key for key in SECRET_KEYS if values.get(key)]:
        raise ConfigurationInvalid(
            f"{file} holds {secret[0]}: credentials belong to the vault; remove it from ibc_settings, "
            f"then {_RERUN}"
        )
    for key, port in (
        ("CommandServerPort", instance.command_port),
        ("OverrideTwsApiPort", instance.api_port),
    ):
        if values.get(key, "") != str(port):
            found = values.get(key) or "nothing"
            raise ConfigurationInvalid(f"{file} sets {key} to {found}, instance.toml says {port}: {_RERUN}")
    return raw, Settings(values)


def write(instance: Instance, settings: bytes, credentials: Credentials) -> Path:
    """Compose `config.ini` in the instance's run directory: mode 0600, there whole or not at all.

    Args:
        instance: whose file.
        settings: the bytes of `ibc.ini`.
        credentials: added at the end, escaped; the last line of a key wins in Java.

    Returns:
        the file's path. Remove it with `remove` when Gateway has ended.

    Raises:
        ConfigurationInvalid: the run directory cannot be written.
    """
    file = path(instance)
    secret = f"\nIbLoginId={escape(credentials.username)}\nIbPassword={escape(credentials.password)}\n"
    draft = file.with_name(".config.ini.new")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(settings + secret.encode("ascii"))
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigurationInvalid(
            f"{file} cannot be written ({error.strerror}): see that {instance.run_dir} is there, "
            "belongs to the service user and is not full"
        ) from None
    return file


def path(instance: Instance) -> Path:
    """Where an instance's `config.ini` is while it runs."""
    return instance.run_dir / "config.ini"


def remove(instance: Instance) -> None:
    """Remove `config.ini` and what a killed run may have left of it."""
    for file in (path(instance), path(instance).with_name(".config.ini.new")):
        file.unlink(missing_ok=True)


def fingerprints(instance: Instance) -> dict[str, str]:
    """What this run was started with.

    Args:
        instance: whose files.

    Returns:
        file name → SHA-256 in hex of `instance.toml` and `ibc.ini` (credentials are never hashed into a
        readable file: a short secret could be guessed from its hash).
    """
    return {name: fingerprint.of(instance.etc_dir / name) for name in ("instance.toml", "ibc.ini")}


def _seconds(values: dict[str, str], key: str, default: int) -> int:
    try:
        return int(values.get(key) or default)
    except ValueError:
        return default  # IBC logs "Invalid number" and takes its default, too
