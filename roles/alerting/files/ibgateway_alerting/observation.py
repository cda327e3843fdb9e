"""One thing a source saw, and when it is worth saying again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SAY_AGAIN = 60.0
"""Seconds after which an unchanged observation is repeated: who listens can tell it from an old one."""


@dataclass(frozen=True)
class Observation:
    """What a source saw of an instance, or of the host.

    Attributes:
        instance: name of the instance; `model.HOST` for the machine itself.
        what: probe, link, farm, code, unit, state, oom; disk, network, clock of the host.
        value: as `what` has it, see the source that makes it.
        time: when it was seen, seconds since the epoch.
        text: the evidence, for people; may hold foreign text.
    """

    instance: str
    what: str
    value: Any
    time: float
    text: str = ""


class Changes:
    """Remembers what was said of each thing: a change is news, and what lasts is repeated now and then."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], Observation] = {}

    def news(self, instance: str, what: str, value: Any, now: float, text: str = "") -> Iterator[Observation]:
        """Yield an observation if it is worth saying, else nothing.

        Args:
            instance: see Observation.
            what: see Observation.
            value: compared with what was said last. A new text alone is no news.
            now: seconds since the epoch.
            text: see Observation.
        """
        said = self._said.get((instance, what))
        if said and said.value == value and 0 <= now - said.time < SAY_AGAIN:
            return
        self._said[instance, what] = observation = Observation(instance, what, value, now, text)
        yield observation

    def forget(self, instance: str, what: str) -> None:
        """Take the next one as news."""
        self._said.pop((instance, what), None)
