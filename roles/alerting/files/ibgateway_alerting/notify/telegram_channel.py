"""A Telegram chat as a channel: messages with buttons, edits and pictures."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.request import HTTPXRequest

from ..model import Message
from .errors import NotEditableError
from .telegram_api import UnchangedError, call
from .telegram_text import MOST, MOST_CAPTION, cut, text_of, units
from .telegram_url import Address

log = logging.getLogger(__name__)

ATTEMPT_SECONDS = 15.0
POLL_SECONDS = 30
CALLBACK_VERSION = "v1"


class TelegramChannel:
    """Sends to one chat. To be used in one event loop."""

    def __init__(self, name: str, address: Address, *, buttons: bool) -> None:
        """Prepare the channel; nothing is asked of Telegram yet.

        Args:
            name: the operator's name for it.
            address: bot and chat.
            buttons: whether anybody may press buttons there; without, messages have none.
        """
        self.name = name
        self._chat = address.chat
        self._buttons = buttons
        # One pool for everything: a second one would load the certificates again. One connection is for the
        # long poll, the others for a message and for answers to presses.
        request = HTTPXRequest(
            connection_pool_size=4, read_timeout=ATTEMPT_SECONDS, connect_timeout=10.0, write_timeout=10.0,
            pool_timeout=10.0,
        )  # fmt: skip
        self.bot = Bot(
            address.token, base_url=f"{address.api}/bot", request=request, get_updates_request=request
        )

    async def send(self, message: Message) -> Any:
        """See `Channel.send`. The reference is the message's number in the chat."""
        text, keyboard = text_of(message), self._keyboard(message)
        quiet = message.severity == "info"
        if picture := _picture(message):
            caption = text if (whole := units(text) <= MOST_CAPTION) else cut(message.title, MOST_CAPTION)
            sent = await self._call(
                self.bot.send_photo(
                    self._chat, picture, caption=caption, reply_markup=keyboard if whole else None,
                    disable_notification=quiet,
                )
            )  # fmt: skip
            if whole:
                return sent.message_id
        sent = await self._call(
            self.bot.send_message(
                self._chat, cut(text, MOST), reply_markup=keyboard, disable_notification=quiet,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        )  # fmt: skip
        return sent.message_id

    async def edit(self, reference: Any, message: Message) -> Any:
        """See `Channel.edit`."""
        if not isinstance(reference, int) or message.attachment:
            raise NotEditableError
        try:
            await self._call(
                self.bot.edit_message_text(
                    cut(text_of(message), MOST), self._chat, reference,
                    reply_markup=self._keyboard(message),
                    link_preview_options=LinkPreviewOptions(is_disabled=True),
                )
            )  # fmt: skip
        except UnchangedError:
            log.debug("%s: message %d has this text already", self.name, reference)
        return reference

    async def _call(self, request: Awaitable[Any]) -> Any:
        return await call(request, ATTEMPT_SECONDS)

    def _keyboard(self, message: Message) -> InlineKeyboardMarkup | None:
        """The first button, which matters most, has a row of its own; the others share."""
        if not self._buttons or not message.buttons:
            return None
        keys = [
            InlineKeyboardButton(button.label, callback_data=f"{CALLBACK_VERSION}|{button.nonce}")
            for button in message.buttons
        ]
        return InlineKeyboardMarkup([keys[:1], *(keys[n : n + 2] for n in range(1, len(keys), 2))])


def _picture(message: Message) -> bytes | None:
    if not message.attachment:
        return None
    try:
        return Path(message.attachment).read_bytes()
    except OSError as error:
        log.warning("the picture of a message cannot be read (%s): %s", error.strerror, message.title)
        return None
