"""`/etc/ibgateway/NAME/instance.toml`: everything the host needs to know about one instance."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from .exitcodes import ConfigurationInvalid

ETC = Path("/etc/ibgateway")
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
REMEDY = "correct the inventory and run the playbook again"

_TEXTS = ("name", "mode", "gateway_version", "ibc_version", "java_source", "timezone", "login", "region")
# Empty: no such appointment.
_TIMES = ("daily_restart", "weekly_login")
_PATHS = ("program_dir", "ibc_dir", "settings_dir", "state_dir", "run_dir")
_NUMBERS = {
    "display": (0, 65535),
    "api_port": (1, 65535),
    "command_port": (1, 65535),
    "vnc_port": (1, 65535),
    "heap": (64, 1 << 20),
    "budget_logins": (1, 100),
    "budget_hours": (1, 168),
    "budget_minutes_apart": (0, 1440),
}
_LISTS = ("market_hours",)
"""Lists of texts; none where the file is from before there was such a key."""
_CHOICES = {
    "mode": ("live", "paper"),
    "java_source": ("installer", "debian"),
    "login": ("consent", "auto"),
    "region": ("auto", "america", "europe", "asia"),
}


class Instance:
    """One instance as configured; `heap` is in MiB, the ports are TCP ports on 127.0.0.1.

    `login` is the policy, `region` as the operator wrote it; the budget allows `budget_logins` submissions of
    the credentials in `budget_hours`, at least `budget_minutes_apart`.
    """

    name: str
    mode: str
    gateway_version: str
    ibc_version: str
    java_source: str
    timezone: str
    login: str
    region: str
    daily_restart: str
    weekly_login: str
    program_dir: Path
    ibc_dir: Path
    settings_dir: Path
    state_dir: Path
    run_dir: Path
    display: int
    api_port: int
    command_port: int
    vnc_port: int
    heap: int
    budget_logins: int
    budget_hours: int
    budget_minutes_apart: int
    market_hours: tuple[str, ...]
    etc_dir: Path


def load(etc_dir: Path) -> Instance:
    """Read and check an instance.

    Args:
        etc_dir: the directory that holds `instance.toml`; its name is the instance's.

    Returns:
        the instance.

    Raises:
        ConfigurationInvalid: missing, unreadable, not TOML, or a key that is missing, unknown or wrong.
    """
    file = etc_dir / "instance.toml"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationInvalid(f"{file} does not exist: run the playbook for this instance") from None
    except OSError as error:
        raise ConfigurationInvalid(
            f"{file} cannot be read ({error.strerror}): run the playbook again"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationInvalid(f"{file} is not valid TOML ({error}): run the playbook again") from None

    known = {*_TEXTS, *_TIMES, *_PATHS, *_NUMBERS}
    if missing := sorted(known - set(data)):
        raise ConfigurationInvalid(f"{file} lacks {', '.join(missing)}: run the playbook again")
    if unknown := sorted(set(data) - known - set(_LISTS)):
        raise ConfigurationInvalid(f"{file} has an unknown key {unknown[0]}: run the playbook again")

    instance = Instance()
    instance.etc_dir = etc_dir
    for key in _TEXTS:
        setattr(instance, key, _text(file, key, data[key]))
    for key in _TIMES:
        setattr(instance, key, data[key] if data[key] == "" else _text(file, key, data[key]))
    for key in _PATHS:
        setattr(instance, key, _path(file, key, data[key]))
    for key in _LISTS:
        setattr(instance, key, _list(file, key, data.get(key, [])))
    for key, (low, high) in _NUMBERS.items():
        setattr(instance, key, _number(file, key, data[key], low, high))
    if not NAME.fullmatch(instance.name) or instance.name != etc_dir.name:
        raise ConfigurationInvalid(f"{file}: name is {instance.name!r}, must be {etc_dir.name!r}: {REMEDY}")
    return instance


def _text(file: Path, key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ConfigurationInvalid(f"{file}: {key} must be a non-empty text, not {value!r}: {REMEDY}")
    if key in _CHOICES and value not in _CHOICES[key]:
        *most, last = _CHOICES[key]
        allowed = f"{', '.join(most)} or {last}"
        raise ConfigurationInvalid(f"{file}: {key} must be {allowed}, not {value!r}: {REMEDY}")
    return value


def _list(file: Path, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigurationInvalid(f"{file}: {key} must be a list of texts, not {value!r}: {REMEDY}")
    return tuple(_text(file, key, item) for item in value)


def _path(file: Path, key: str, value: object) -> Path:
    text = _text(file, key, value)
    if not text.startswith("/") or " " in text:
        raise ConfigurationInvalid(
            f"{file}: {key} must be an absolute path without blanks, not {text!r}: {REMEDY}"
        )
    return Path(text)


def _number(file: Path, key: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigurationInvalid(
            f"{file}: {key} must be a number from {low} to {high}, not {value!r}: {REMEDY}"
        )
    return value
