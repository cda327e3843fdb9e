"""Calls to Telegram with a hard end, and what their failures mean."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from telegram import error as trouble

from .errors import BrokenError, DeliveryError, NotEditableError, RefusedError

# Their errors give pauses as timedelta then; without, asking for one is a warning.
os.environ.setdefault("PTB_TIMEDELTA", "1")

Result = TypeVar("Result")

# Words of the Bot API server's error texts; it has no finer codes. A chat that cannot be written to is
# "400 Bad Request" as a damaged message is, but only the first is a matter for a person.
_CHAT = re.compile(
    r"chat not found|chat_id|peer_id|user is deactivated|have no rights|not enough rights", re.I
)
_UNCHANGED = re.compile(r"message is not modified", re.I)
_UNEDITABLE = re.compile(
    r"message to edit not found|message can't be edited|message_id_invalid|no text in the message to edit",
    re.I,
)
_TOO_LARGE = re.compile(r"too (large|big|long)", re.I)


class UnchangedError(Exception):
    """The message has this very text already."""


async def call(request: Awaitable[Result], seconds: float) -> Result:
    """Wait for a request's answer.

    Args:
        request: a call of the bot's.
        seconds: how long it may take in all.

    Raises:
        DeliveryError, BrokenError, RefusedError, NotEditableError: see there.
        UnchangedError: an edit that changes nothing.
    """
    try:
        return await asyncio.wait_for(request, seconds)
    except TimeoutError:
        raise DeliveryError(f"no answer in {seconds:g} s") from None
    except trouble.RetryAfter as error:
        pause = error.retry_after
        raise DeliveryError(
            "429: too many requests", pause.total_seconds() if isinstance(pause, timedelta) else pause
        ) from None
    except trouble.InvalidToken:
        raise BrokenError("Telegram does not know the bot's token") from None
    except trouble.Forbidden as error:
        raise BrokenError(f"403: {_words(error)}") from None
    except trouble.ChatMigrated:
        raise BrokenError("the chat has a new number: correct the channel's url") from None
    except trouble.Conflict as error:
        raise DeliveryError(f"409: {_words(error)}") from None
    except trouble.BadRequest as error:
        raise _bad_request(str(error)) from None
    except trouble.TimedOut:
        raise DeliveryError("no answer") from None
    except trouble.NetworkError as error:
        if _TOO_LARGE.search(str(error)):
            raise RefusedError("413: too large") from None
        raise DeliveryError(_network(error)) from None
    except (
        Exception
    ) as error:  # a fault in the library, or an answer it cannot read; its text may hold the URL
        raise DeliveryError(type(error).__name__) from None


def _bad_request(text: str) -> Exception:
    if _UNCHANGED.search(text):
        return UnchangedError()
    if _UNEDITABLE.search(text):
        return NotEditableError()
    if _CHAT.search(text):
        return BrokenError(f"400: {_clean(text)}")
    return RefusedError(f"400: {_clean(text)}")


def _network(error: trouble.NetworkError) -> str:
    """The server's own words are fit for the log; those of the HTTP library may hold the URL."""
    text = str(error)
    if error.__cause__ is not None or text.startswith(("httpx.", "Unknown error in HTTP")):
        cause = type(error.__cause__).__name__ if error.__cause__ else "no connection"
        return f"no connection ({cause})"
    return _clean(text)


def _words(error: Exception) -> str:
    return _clean(str(error))


def _clean(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:120]
