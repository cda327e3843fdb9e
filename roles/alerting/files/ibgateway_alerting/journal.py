"""The journal: always a channel, so that every message can be read on the host too."""

from __future__ import annotations

import logging
import os
import sys

from .messages import Message

log = logging.getLogger(__name__)

LEVELS = {
    "info": logging.INFO,
    "warning": logging.WARNING,
    "action": logging.WARNING,
    "critical": logging.ERROR,
}
# sd-daemon(3): a line's priority, in front of it.
PRIORITIES = {logging.ERROR: "<3>", logging.WARNING: "<4>"}


class JournalChannel:
    """Writes messages to the log."""

    name = "journal"

    def send(self, message: Message) -> None:
        """Log the message as one line."""
        body = " | ".join(message.body.splitlines())
        log.log(LEVELS[message.severity], "%s: %s", message.title, body)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return PRIORITIES.get(record.levelno, "<6>") + " ".join(super().format(record).splitlines())


def log_to_journal() -> None:
    """Send the log to standard error: with priorities where journald reads it, plain where a person does."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(message)s") if "JOURNAL_STREAM" in os.environ else None)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
