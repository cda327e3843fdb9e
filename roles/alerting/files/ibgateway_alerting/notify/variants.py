"""What to send in place of a message that the service refuses: less and less, but never nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..model import Message


def variants(message: Message) -> Iterator[tuple[Message, str]]:
    """Give the message, then what to try when the one before was refused, each with the result to note.

    A service that refuses even the last one, a short line of ASCII, refuses us and not the message.
    """
    yield message, "delivered"
    if message.buttons or message.attachment:
        yield replace(message, buttons=(), attachment=""), "delivered"
    title = message.title.encode("ascii", "replace").decode()[:100]
    body = "The service refused the full text of this message. It is on the host: sudo ibgatewayctl incidents"
    yield Message(message.severity, title, body), "refused"
