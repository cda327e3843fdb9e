"""Which events are worth a message: a planned restart that goes well is not."""

from __future__ import annotations

from dataclasses import dataclass

from .messages import words_for


@dataclass(frozen=True)
class Memory:
    """What happened to one instance since it was last ready.

    Attributes:
        by_token: it came back by its saved token.
        told: something was told.
    """

    by_token: bool = False
    told: bool = False


def judge(kind: str, memory: Memory) -> tuple[bool, Memory]:
    """Return whether an event is told, and what to remember for the next one.

    Args:
        kind: type of the event.
        memory: of the event's instance.
    """
    if kind == "ready":
        return memory.told or not memory.by_token, Memory()
    told = words_for(kind).told
    return told, Memory(memory.by_token or kind == "token_restart", memory.told or told)
