"""What watcher, notifier and digest are told: instances, channels, zones and times. No secret is in here."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ibgatewaylib.schedule import zones

from .model import SEVERITIES

KINDS = ("telegram", "apprise")
REMEDY = "run the playbook with --tags alerting"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


class SettingsError(ValueError):
    """The configuration is not usable; the text says what to do."""


@dataclass(frozen=True)
class Channel:
    """One way to reach a person. Its URL, which is a secret, is in the credential.

    Attributes:
        name: the operator's name for it.
        kind: one of KINDS.
        severity: the least severity it gets.
        after_minutes: it gets an incident only when nobody took it on for so many minutes.
        who: who reads it, or empty.
        users: Telegram's ids of the users who may press buttons.
    """

    name: str
    kind: str
    severity: str
    after_minutes: int
    who: str
    users: tuple[int, ...]


@dataclass(frozen=True)
class Settings:
    """The whole configuration.

    Attributes:
        host: how messages call this machine.
        etc_root: holds each instance's `instance.toml`, in a directory of its name.
        state_root: holds each instance's events and login budget, likewise.
        run_root: holds each instance's `state.json`, likewise.
        database: the file between watcher and notifier.
        runbook: the copy of the runbook on this host.
        instances: names of the instances.
        timezone: name of the zone in which people read times.
        metrics_port: TCP port of the metrics on 127.0.0.1; 0 for none.
        remind_before_minutes: how long before the weekly login people are reminded; 0 for never.
        remind_friday: whether people are told ahead of the weekend's reset window.
        digest: day and time of the weekly digest, in `timezone`; empty for none.
        reminder_hours: how often an open incident that needs somebody is told again.
        deadman_minutes: how often the dead-man's ping goes out; 0 for never.
        channels: in the order of the inventory.
    """

    host: str
    etc_root: Path
    state_root: Path
    run_root: Path
    database: Path
    runbook: Path
    instances: tuple[str, ...]
    timezone: str
    metrics_port: int
    remind_before_minutes: int
    remind_friday: bool
    digest: str
    reminder_hours: int
    deadman_minutes: int
    channels: tuple[Channel, ...]

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which people read times."""
        return zones.find(self.timezone)


def load(path: Path) -> Settings:
    """Read and check the configuration.

    Args:
        path: a TOML file with exactly the keys of `Settings`, and of `Channel` in each table of `channels`.

    Raises:
        SettingsError: it cannot be read, or something is missing, unknown or wrong in it.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} is unusable ({error}): {REMEDY}") from error
    # TOML has no empty list of tables; no channel is no key.
    tables = content.setdefault("channels", [])
    try:
        _refuse_other_keys(content, Settings, "")
        for table in _list(content, "channels", dict):
            _refuse_other_keys(table, Channel, "channels: ")
        settings = Settings(
            host=_text(content, "host"),
            **{
                key: _path(content, key)
                for key in ("etc_root", "state_root", "run_root", "database", "runbook")
            },
            instances=tuple(_list(content, "instances", str)),
            timezone=_text(content, "timezone"),
            metrics_port=_number(content, "metrics_port", 0, 65535),
            remind_before_minutes=_number(content, "remind_before_minutes", 0, 1440),
            remind_friday=_flag(content, "remind_friday"),
            digest=_text(content, "digest", empty=True),
            reminder_hours=_number(content, "reminder_hours", 1, 168),
            deadman_minutes=_number(content, "deadman_minutes", 0, 1440),
            channels=tuple(_channel(table) for table in tables),
        )
        _check_names(settings)
        zones.find(settings.timezone)
    except zones.UnknownZoneError as error:
        raise SettingsError(f"{path}: timezone {error}; {REMEDY}") from None
    except _WrongError as error:
        raise SettingsError(f"{path}: {error}; {REMEDY}") from None
    return settings


class _WrongError(Exception):
    """One thing in the file is wrong; the text says which."""


def _channel(table: dict[str, Any]) -> Channel:
    users = tuple(_list(table, "users", int))
    return Channel(
        name=_text(table, "name"),
        kind=_choice(table, "kind", KINDS),
        severity=_choice(table, "severity", SEVERITIES),
        after_minutes=_number(table, "after_minutes", 0, 10080),
        who=_text(table, "who", empty=True),
        users=users,
    )


def _check_names(settings: Settings) -> None:
    names = [channel.name for channel in settings.channels]
    for key, found in (("instances", settings.instances), ("channels", names)):
        if wrong := [name for name in found if not _NAME.fullmatch(name)]:
            raise _WrongError(f"{key}: {wrong[0]!r} is no name")
        if len(set(found)) != len(found):
            raise _WrongError(f"{key}: a name comes twice")
    if not settings.instances:
        raise _WrongError("instances is empty")


def _refuse_other_keys(table: dict[str, Any], kind: type, where: str) -> None:
    known = set(kind.__dataclass_fields__)
    if missing := sorted(known - set(table)):
        raise _WrongError(f"{where}{', '.join(missing)} is missing")
    if unknown := sorted(set(table) - known):
        raise _WrongError(f"{where}{unknown[0]} is unknown")


def _text(table: dict[str, Any], key: str, *, empty: bool = False) -> str:
    value = table[key]
    if not isinstance(value, str) or not (value or empty) or (value and not value.isprintable()):
        raise _WrongError(f"{key} must be a text on one line, not {value!r}")
    return value


def _path(table: dict[str, Any], key: str) -> Path:
    text = _text(table, key)
    if not text.startswith("/"):
        raise _WrongError(f"{key} must be an absolute path, not {text!r}")
    return Path(text)


def _number(table: dict[str, Any], key: str, low: int, high: int) -> int:
    value = table[key]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _WrongError(f"{key} must be a whole number from {low} to {high}, not {value!r}")
    return value


def _flag(table: dict[str, Any], key: str) -> bool:
    if not isinstance(table[key], bool):
        raise _WrongError(f"{key} must be true or false, not {table[key]!r}")
    return table[key]


def _choice(table: dict[str, Any], key: str, known: tuple[str, ...]) -> str:
    if table[key] not in known:
        raise _WrongError(f"{key} must be one of {', '.join(known)}, not {table[key]!r}")
    return table[key]


def _list(table: dict[str, Any], key: str, kind: type) -> list[Any]:
    value = table[key]
    if not isinstance(value, list) or not all(type(entry) is kind for entry in value):
        raise _WrongError(f"{key} must be a list of {kind.__name__}, not {value!r}")
    return value
