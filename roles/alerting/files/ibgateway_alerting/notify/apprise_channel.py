"""Everything Apprise speaks, as a channel: ntfy, mail, Slack, Discord, webhooks, and a hundred more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from ..deadline import Deadline, HangingError
from ..model import Message
from .errors import BrokenError, DeliveryError, NotEditableError, RefusedError

ATTEMPT_SECONDS = 15.0
NOTIFY_TYPES = {
    "info": NotifyType.INFO,
    "warning": NotifyType.WARNING,
    "action": NotifyType.WARNING,
    "critical": NotifyType.FAILURE,
}
# Apprise tells the HTTP status in its log alone, beside URLs and tokens.
_STATUS = re.compile(r"error=(\d{3})\b")
_REFUSED = {"400", "413", "422"}
_BROKEN = {"401", "403", "404", "410"}
_TOO_MANY_SECONDS = 60.0


class AppriseChannel:
    """One Apprise URL under the operator's name for it."""

    def __init__(self, name: str, url: str, *, attempt_seconds: float = ATTEMPT_SECONDS) -> None:
        """Prepare the channel; nothing is sent yet.

        Args:
            name: the operator's name for it.
            url: what Apprise understands.
            attempt_seconds: how long an attempt may take.

        Raises:
            ValueError: Apprise does not understand the URL. The text does not hold it.
        """
        self.name = name
        # One service alone needs no pool of threads, whose end the interpreter would wait for.
        self._apprise = Apprise(asset=AppriseAsset(async_mode=False))
        if not self._apprise.add(url):
            raise ValueError("its url is not one that Apprise understands")
        self._deadline = Deadline(attempt_seconds)

    async def send(self, message: Message) -> Any:
        """See `Channel.send`. There is no reference: Apprise cannot change what it sent."""
        try:
            result = await self._deadline.call(lambda: self._notify(message))
        except HangingError as error:
            raise DeliveryError(str(error)) from None
        except Exception as error:
            # A fault in a plug-in; its text may hold the URL.
            raise DeliveryError(type(error).__name__) from None
        if not result:
            raise _failure(result)

    async def edit(self, _reference: Any, _message: Message) -> Any:
        """See `Channel.edit`."""
        raise NotEditableError

    def _notify(self, message: Message) -> Any:
        picture = message.attachment if message.attachment and Path(message.attachment).is_file() else None
        return self._apprise.notify(
            title=message.title,
            body=message.body,
            notify_type=NOTIFY_TYPES[message.severity],
            body_format=NotifyFormat.TEXT,
            attach=picture,
        )


def _failure(result: Any) -> Exception:
    status = None
    for entry in result.logs():
        if match := _STATUS.search(entry.message):
            status = match[1]
    if status is None:
        return DeliveryError("no connection, or refused")
    words = f"HTTP status {status}"
    if status in _REFUSED:
        return RefusedError(words)
    if status in _BROKEN:
        return BrokenError(words)
    return DeliveryError(words, _TOO_MANY_SECONDS if status == "429" else None)
