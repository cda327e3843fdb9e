"""Whom to tell, as the operator wrote it: what is wrong with it, and which part of it is secret."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles" / "ibc" / "files"))
from ibgatewaylib.schedule import calendars, rules, zones

SEVERITIES = ("info", "warning", "action", "critical")
DEFAULTS: dict[str, Any] = {"severity": "info", "after_minutes": 0, "who": "", "users": []}
NUMBERS = {
    "metrics_port": (0, 65535),
    "remind_before_minutes": (0, 1440),
    "reminder_hours": (1, 168),
    "deadman_minutes": (0, 1440),
}
LONGEST_WAIT = 10080
"""Minutes: a channel that hears of an incident after a week hears of none."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_TAKEN_NAMES = ("journal", "deadman")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s]+")
_TELEGRAM = re.compile(r"tgram://[0-9]+:[A-Za-z0-9_-]+/-?[0-9]+/?(\?api=https?://[^\s&?#/]+/?)?")
_PING = re.compile(r"https?://[^\s/]+[^\s]*")


def alerting_problems(channels: Any, settings: Mapping[str, Any], ports: Iterable[int] = ()) -> list[str]:
    """Return what is wrong with the alerting variables, one sentence each, none of which holds a URL.

    Args:
        channels: `alerting_channels`.
        settings: the other variables of the role, by their names without `alerting_`.
        ports: the TCP ports that the instances use on this host.
    """
    return [*_channel_problems(channels), *_setting_problems(settings, set(ports))]


def alerting_warnings(channels: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what is allowed and yet worth knowing, one sentence each.

    Args:
        channels: `alerting_channels`, without problems.
    """
    known = alerting_public(channels)
    if not known:
        return [
            "alerting_channels is empty, so nobody is told when IB Key waits or Gateway is down; messages "
            "only reach the journal. Set it in your inventory."
        ]
    found = []
    if all(channel["kind"] == "telegram" for channel in known):
        found.append(
            "Telegram is the only channel. It lives on the phone that holds IB Key: lose that phone and you "
            "lose both. Add another service to alerting_channels, such as mail."
        )
    found += [
        f"The Telegram channel '{channel['name']}' names no users, so its messages carry no buttons. Add "
        "your Telegram user id as users: [123456789] to press them."
        for channel in known
        if channel["kind"] == "telegram" and not channel["users"]
    ]
    if not any(channel["after_minutes"] == 0 and channel["severity"] == "info" for channel in known):
        found.append(
            "No channel gets everything at once: each has a severity above info or waits after_minutes, so "
            "some messages reach the journal only."
        )
    return found


def alerting_public(channels: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the channels without their secrets: name, kind, severity, after_minutes, who, users."""
    return [
        {
            "name": channel["name"],
            "kind": _kind(channel["url"]),
            **{key: channel.get(key, default) for key, default in DEFAULTS.items()},
            "after_minutes": int(channel.get("after_minutes", 0)),
        }
        for channel in channels
    ]


def alerting_secrets(channels: Iterable[Mapping[str, Any]], deadman_url: str) -> list[dict[str, str]]:
    """Return the notifier's credential: each channel's URL, and the dead-man's where there is one."""
    found = [{"name": channel["name"], "url": channel["url"]} for channel in channels]
    return found + ([{"name": "deadman", "url": deadman_url}] if deadman_url else [])


def alerting_calendar(digest: str, timezone: str) -> str:
    """Return systemd's calendar of the weekly digest; empty for none.

    Args:
        digest: a day and a time, such as `Sun 18:00`, or empty.
        timezone: the zone they are meant in.

    Raises:
        AnsibleFilterError: day, time or zone cannot be read.
    """
    if digest == "":
        return ""
    try:
        when = rules.weekly_time(digest, timezone, datetime.now(UTC).date())
    except rules.BadTimeError as refused:
        # The reader of weekly times was made for the weekly login.
        raise AnsibleFilterError(str(refused).replace("weekly_login", "alerting_digest")) from None
    return calendars.weekly(when.clock.zone, when.minute)


def _kind(url: str) -> str:
    return "telegram" if url.lower().startswith("tgram://") else "apprise"


def _channel_problems(channels: Any) -> Iterator[str]:
    if not isinstance(channels, (list, tuple)):
        yield "alerting_channels must be a list: write each channel as - name: … with its url:."
        return
    names = []
    for number, channel in enumerate(channels, 1):
        if not isinstance(channel, Mapping) or not isinstance(channel.get("name"), str):
            yield f"Entry {number} of alerting_channels has no name: give it name and url."
            continue
        names.append(channel["name"])
        yield from _one_channel(channel, f"Channel '{channel['name']}' of alerting_channels")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"Two channels of alerting_channels are called '{name}': give each a name of its own."


def _one_channel(channel: Mapping[str, Any], what: str) -> Iterator[str]:
    if not _NAME.fullmatch(channel["name"]) or channel["name"] in _TAKEN_NAMES:
        yield (
            f"{what}: its name must be at most 31 lower-case letters, digits and '-', begin with a letter, "
            f"and be neither of {', '.join(_TAKEN_NAMES)}: choose another."
        )
    if unknown := sorted(set(channel) - {"name", "url", *DEFAULTS}):
        yield f"{what}: unknown key '{unknown[0]}': remove it; known are name, url, {', '.join(DEFAULTS)}."
    url = channel.get("url")
    if not isinstance(url, str) or not _URL.fullmatch(url):
        yield f"{what}: url must be an Apprise address such as ntfys://ntfy.sh/TOPIC: correct it."
    elif _kind(url) == "telegram" and not _TELEGRAM.fullmatch(url):
        yield f"{what}: url must be tgram://BOT_TOKEN/CHAT_ID, the id of one chat in digits: correct it."
    if channel.get("severity", "info") not in SEVERITIES:
        yield f"{what}: severity must be one of {', '.join(SEVERITIES)}, not '{channel['severity']}'."
    if not _is_number(channel.get("after_minutes", 0), 0, LONGEST_WAIT):
        yield (
            f"{what}: after_minutes must be a whole number from 0 to {LONGEST_WAIT}, "
            f"not '{channel['after_minutes']}'."
        )
    who = channel.get("who", "")
    if not isinstance(who, str) or (who and not who.isprintable()):
        yield f"{what}: who must be a name on one line: correct it."
    yield from _user_problems(channel.get("users", []), url, what)


def _user_problems(users: Any, url: Any, what: str) -> Iterator[str]:
    if not isinstance(users, (list, tuple)) or not all(
        isinstance(user, int) and not isinstance(user, bool) and user > 0 for user in users
    ):
        yield f"{what}: users must be a list of Telegram user ids, which are numbers: correct it."
    elif users and isinstance(url, str) and _kind(url) != "telegram":
        yield f"{what}: users are for Telegram, whose messages have buttons: remove them."
    elif users and isinstance(url, str) and re.search(r"/-[0-9]", url):
        yield f"{what}: buttons are for a private chat, and this is a group: remove users."


def _setting_problems(settings: Mapping[str, Any], ports: set[int]) -> Iterator[str]:
    zone_is_good = True
    try:
        zones.find(settings["timezone"])
    except zones.UnknownZoneError as refused:
        zone_is_good = False
        yield f"alerting_timezone (ibc_timezone, where it is empty) {refused}."
    if zone_is_good:
        try:
            alerting_calendar(settings["digest"], settings["timezone"])
        except AnsibleFilterError as refused:
            yield f"{refused}."
    for key, (low, high) in NUMBERS.items():
        if not _is_number(settings[key], low, high):
            yield f"alerting_{key} must be a whole number from {low} to {high}, not '{settings[key]}'."
    if not isinstance(settings["remind_friday"], bool):
        yield f"alerting_remind_friday must be true or false, not '{settings['remind_friday']}'."
    if settings["metrics_port"] in [*ports, *map(str, ports)]:
        yield (
            f"alerting_metrics_port {settings['metrics_port']} is a port of an instance: choose another, or "
            "0 for no metrics."
        )
    url = settings["deadman_url"]
    if not isinstance(url, str) or (url and not _PING.fullmatch(url)):
        yield "alerting_deadman_url must be an http or https address: correct it, or leave it empty."


def _is_number(value: Any, low: int, high: int) -> bool:
    text = str(value)  # `-e` gives texts
    return not isinstance(value, bool) and text.isascii() and text.isdigit() and low <= int(text) <= high


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {
            "alerting_problems": alerting_problems,
            "alerting_warnings": alerting_warnings,
            "alerting_public": alerting_public,
            "alerting_secrets": alerting_secrets,
            "alerting_calendar": alerting_calendar,
        }
