"""The channels people chose. The only module that knows Apprise, and the only one that sees channel URLs."""

from __future__ import annotations

import json
import logging
import re
import threading
from pathlib import Path

import apprise

from .courier import DeliveryError
from .messages import Message

NOTIFY_TYPES = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "action": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}


class ChannelError(ValueError):
    """The channels are not usable; the text names the channel, never its URL."""


class _StatusCatcher(logging.Handler):
    """Keeps the HTTP status of Apprise's complaints and nothing else: they may hold URLs and tokens."""

    STATUS = re.compile(r"error=(\d{3})\b")

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._found = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        if match := self.STATUS.search(record.getMessage()):
            self._found.status = match[1]

    def reset(self) -> None:
        self._found.status = None

    def status(self) -> str | None:
        return getattr(self._found, "status", None)


_catcher = _StatusCatcher()


def silence_libraries() -> None:
    """Keep what Apprise and its HTTP library log out of the journal: it may hold channel URLs."""
    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.handlers = [_catcher if name == "apprise" else logging.NullHandler()]


class AppriseChannel:
    """One Apprise URL under the operator's name for it."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise ChannelError(f"channel '{name}': its url is not one that Apprise understands")

    def send(self, message: Message) -> None:
        """Deliver the message.

        Raises:
            DeliveryError: the service did not take it.
        """
        _catcher.reset()
        taken = self._apprise.notify(
            title=message.title,
            body=message.body,
            notify_type=NOTIFY_TYPES[message.severity],
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not taken:
            status = _catcher.status()
            raise DeliveryError(f"HTTP status {status}" if status else "no connection, or refused")


def load(path: Path) -> tuple[list[AppriseChannel], list[str]]:
    """Read the channels.

    Args:
        path: the decrypted credential: a JSON list of objects with `name` and `url`.

    Returns:
        The usable channels, and a sentence about each that is not.

    Raises:
        ChannelError: the file is not such a list.
    """
    silence_libraries()
    try:
        entries = [(str(entry["name"]), str(entry["url"])) for entry in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ChannelError(
            f"the credential 'channels' is unreadable ({type(error).__name__}): run the playbook again"
        ) from None
    usable, problems = [], []
    for name, url in entries:
        try:
            usable.append(AppriseChannel(name, url))
        except ChannelError as error:
            problems.append(str(error))
    return usable, problems
