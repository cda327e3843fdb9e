"""What can go wrong between a lane and its channel. Every text is fit for the log: no URL, no token."""

from __future__ import annotations


class DeliveryError(Exception):
    """The channel did not take the message this time; it may later.

    Attributes:
        retry_after: seconds that the service asked us to wait, or None.
    """

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class BrokenError(DeliveryError):
    """The channel takes nothing until a person mends it: a wrong token, a chat that blocked the bot."""


class RefusedError(Exception):
    """The service refuses this message, and would again."""


class NotEditableError(Exception):
    """The earlier message cannot be changed: somebody deleted it, or the channel cannot do that."""
