"""The address of a Telegram channel: `tgram://BOTTOKEN/CHAT[?api=http://127.0.0.1:PORT]`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

API = "https://api.telegram.org"
_TOKEN = re.compile(r"\d+:[\w-]+", re.ASCII)


@dataclass(frozen=True)
class Address:
    """Where a Telegram channel's messages go.

    Attributes:
        token: the bot's secret.
        chat: the chat's number; positive for a private chat, where it equals the user's id.
        api: the Bot API server.
    """

    token: str = field(repr=False)
    chat: int
    api: str

    @property
    def private(self) -> bool:
        """Whether one person alone reads it."""
        return self.chat > 0


def parse(url: str) -> Address:
    """Read a channel's URL.

    Raises:
        ValueError: it is not such a URL; the text, which never holds the URL, says what is wrong.
    """
    scheme, _, rest = url.partition("://")
    if scheme != "tgram":
        raise ValueError("its url must begin with tgram://")
    path, _, query = rest.partition("?")
    token, _, chat = path.rstrip("/").partition("/")
    if not _TOKEN.fullmatch(token):
        raise ValueError("its url lacks the bot's token: tgram://BOTTOKEN/CHAT")
    if not re.fullmatch(r"-?\d+", chat, re.ASCII):
        raise ValueError("its url must name one chat by its number: tgram://BOTTOKEN/CHAT")
    options = parse_qs(query)
    api = options.pop("api", [API])[0].rstrip("/")
    if options or urlsplit(api).scheme not in ("http", "https"):
        raise ValueError("its url has an option other than api=http[s]://…")
    return Address(token, int(chat), api)
