"""The log of watcher and notifier: our own sentences for the journal, and nothing that a library says."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from types import TracebackType

# sd-daemon(3): a line's priority, in front of it.
PRIORITIES = {logging.ERROR: "<3>", logging.WARNING: "<4>"}
PACKAGE = __package__.partition(".")[0]

log = logging.getLogger(__name__)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return PRIORITIES.get(record.levelno, "<6>") + " ".join(super().format(record).splitlines())


def log_to_journal() -> None:
    """Send our log to standard error: with priorities where journald reads it, plain where a person does.

    Libraries that speak to channels log URLs and tokens, and so do the texts of their errors: of an error
    that nobody expected, only its type and place are logged.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(message)s") if "JOURNAL_STREAM" in os.environ else None)
    ours = logging.getLogger(PACKAGE)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    ours.handlers = [handler]
    logging.getLogger().handlers = [logging.NullHandler()]
    logging.captureWarnings(True)
    sys.excepthook = _unexpected
    threading.excepthook = lambda arguments: _unexpected(
        arguments.exc_type, arguments.exc_value, arguments.exc_traceback
    )


def place(error: BaseException | None) -> str:
    """Type and origin of an error, fit for the log: its text may hold a secret."""
    if error is None:
        return "unknown"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def _unexpected(kind: type[BaseException], error: BaseException | None, _where: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("unexpected: %s", place(error) if error else kind.__name__)
