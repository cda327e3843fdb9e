"""What a lane asks of a channel."""

from __future__ import annotations

from typing import Any, Protocol

from ..model import Message


class Channel(Protocol):
    """Something that takes messages.

    Attributes:
        name: the operator's name for it.
    """

    name: str

    async def send(self, message: Message) -> Any:
        """Deliver a new message.

        Returns:
            what `edit` needs to change it later, fit for JSON; None where that is impossible.

        Raises:
            DeliveryError: not taken this time.
            BrokenError: nothing is taken until a person mends the channel.
            RefusedError: this message is not taken, ever.
        """

    async def edit(self, _reference: Any, _message: Message) -> Any:
        """Change the message that `send` gave this reference for; returns and raises as `send`.

        Raises:
            NotEditableError: that message cannot be changed.
        """
