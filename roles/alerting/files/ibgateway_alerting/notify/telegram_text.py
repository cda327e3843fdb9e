"""Texts as Telegram takes them: plain, and not too long."""

from __future__ import annotations

import unicodedata

from ..model import Message

# https://core.telegram.org/bots/api: "1-4096 characters", caption "0-1024", answerCallbackQuery "0-200".
# Its clients count UTF-16 code units.
MOST = 4096
MOST_CAPTION = 1024
MOST_ANSWER = 200
_CUT = " … (cut)"


def text_of(message: Message) -> str:
    """The whole message as one text."""
    return f"{message.title}\n\n{message.body}" if message.body else message.title


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, most: int) -> str:
    """Return the text, shortened to so many UTF-16 code units; no character or accent is torn apart."""
    if units(text) <= most:
        return text
    left = most - units(_CUT)
    end = 0
    while (left := left - units(text[end])) >= 0:
        end += 1
    while end and unicodedata.combining(text[end]):
        end -= 1
    return text[:end].rstrip() + _CUT
