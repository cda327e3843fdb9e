"""The configured channels, made of settings and credential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .. import settings as configuration
from . import telegram_url
from .channel import Channel

MISSING = "the credential has no url for it"


@dataclass
class Configured:
    """What came of the configuration.

    Attributes:
        usable: the channels, in the order of the settings.
        problems: a sentence about each other one, by name; none holds a URL.
        chats: the Telegram chats in which buttons may be pressed, by channel.
        hosts: names of hosts that channels need.
    """

    usable: list[Channel] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    chats: dict[str, int] = field(default_factory=dict)
    hosts: list[str] = field(default_factory=list)


def make(wanted: Sequence[configuration.Channel], urls: dict[str, str]) -> Configured:
    """Make the channels. What no channel needs is not imported: Apprise and Telegram cost 20 MiB each.

    Args:
        wanted: the channels of the settings.
        urls: the credential.

    Raises:
        ImportError: a library is not installed.
    """
    found = Configured()
    if apprise := [
        urls[channel.name] for channel in wanted if channel.kind == "apprise" and channel.name in urls
    ]:
        from . import apprise_plugins

        apprise_plugins.load(apprise)
    for channel in wanted:
        if channel.name not in urls:
            found.problems[channel.name] = MISSING
            continue
        make_one = _telegram if channel.kind == "telegram" else _apprise
        try:
            found.usable.append(make_one(channel, urls[channel.name], found))
        except ValueError as error:
            found.problems[channel.name] = str(error)
    return found


def _apprise(channel: configuration.Channel, url: str, _found: Configured) -> Channel:
    from .apprise_channel import AppriseChannel

    return AppriseChannel(channel.name, url)


def _telegram(channel: configuration.Channel, url: str, found: Configured) -> Channel:
    address = telegram_url.parse(url)
    from .telegram_channel import TelegramChannel

    buttons = bool(address.private and channel.users)
    if buttons:
        found.chats[channel.name] = address.chat
    found.hosts.append(urlsplit(address.api).hostname or "")
    return TelegramChannel(channel.name, address, buttons=buttons)
