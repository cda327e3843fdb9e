"""What ends a verb of scripts/ops with exit code 1 before it did anything."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault of the program
    """The text is one sentence a line, with the remedy."""
