"""Who is told of an incident, and when: the channels whose severity it has, those with `after_minutes` later.

The clock of the ladder starts when an incident was told first, again when a snooze ends, and again when it
asks anew. It stands still for good once somebody took the incident on.
"""

from __future__ import annotations

import logging

from ..model import EDIT, SEND, SEVERITIES, Incident, Message
from ..settings import Channel, Settings
from ..store import Store

log = logging.getLogger(__name__)

TELEGRAM = "telegram"
"""The kind of channels whose messages can be changed."""
TOLD_ON = "told_on"
"""Key of an incident's detail: the channels that were told of it."""
ASKED_AGAIN = "asked_again"
"""Key of an incident's detail: when it asked anew, so that the ladder begins again."""


class Ladder:
    """Queues messages; call it inside a transaction.

    Args:
        settings: names the channels.
        store: where the messages are queued.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._channels = settings.channels
        self.steps = sorted({channel.after_minutes * 60.0 for channel in settings.channels} - {0.0})
        self.broken: set[str] = set()
        """Channels that deliver nothing now; an incident about that is told on the others."""

    def tell(
        self, incident: Incident, message: Message, now: float, mode: str = SEND, only: set[str] | None = None
    ) -> list[str]:
        """Queue a message about an incident for the channels that its severity and its level reach.

        Args:
            incident: what it is about; it must be stored. It remembers which channels were told.
            message: what to say.
            now: seconds since the epoch.
            mode: how it reaches a channel, see `model`.
            only: channels to which it is limited, such as those that were told before; all when None.

        Returns:
            names of the channels.
        """
        names = [
            channel.name
            for channel in self.reached(incident)
            if (only is None or channel.name in only) and (mode != EDIT or channel.kind == TELEGRAM)
        ]
        for name in names:
            self._store.queue(name, message, now=now, incident=incident.id, mode=mode)
        told = incident.detail.setdefault(TOLD_ON, [])
        told.extend(name for name in names if name not in told)
        log.info(
            "%s -> %s: %s",
            message.title,
            ", ".join(names) or "no channel",
            " | ".join(message.body.splitlines()),
        )
        return names

    def announce(self, message: Message, now: float) -> list[str]:
        """Queue a message of its own, about no incident, for every channel that its severity reaches at once.

        Returns:
            names of the channels.
        """
        names = [c.name for c in self._channels if not c.after_minutes and _gets(c, message.severity)]
        for name in names:
            self._store.queue(name, message, now=now)
        log.info("%s -> %s", message.title, ", ".join(names) or "no channel")
        return names

    def reached(self, incident: Incident) -> list[Channel]:
        """The channels that an incident's severity and level reach."""
        limit = self.steps[incident.level - 1] if incident.level else 0.0
        return [
            channel
            for channel in self._channels
            if channel.after_minutes * 60.0 <= limit and _gets(channel, incident.severity)
        ]

    def next_step(self, incident: Incident) -> float | None:
        """When the next channels are told, None when there are none or somebody took the incident on."""
        if incident.told is None or incident.acknowledged is not None or incident.resolved is not None:
            return None
        began = max(incident.told, incident.snoozed_until or 0.0, incident.detail.get(ASKED_AGAIN, 0.0))
        for level in range(incident.level, len(self.steps)):
            if self.at(level + 1, incident):
                return began + self.steps[level]
        return None

    def coming(self, incident: Incident) -> list[Channel]:
        """The channels that the next step adds."""
        for level in range(incident.level + 1, len(self.steps) + 1):
            if channels := self.at(level, incident):
                return channels
        return []

    def at(self, level: int, incident: Incident) -> list[Channel]:
        """The channels that step `level` (from 1) adds for an incident."""
        return [
            channel
            for channel in self._channels
            if channel.after_minutes * 60.0 == self.steps[level - 1] and _gets(channel, incident.severity)
        ]

    def climb(self, incident: Incident, now: float) -> set[str]:
        """Take every step that is due; return the channels that are new."""
        added: set[str] = set()
        while (due := self.next_step(incident)) is not None and now >= due:
            while not (new := self.at(incident.level + 1, incident)):
                incident.level += 1
            incident.level += 1
            added.update(channel.name for channel in new)
        return added


def _gets(channel: Channel, severity: str) -> bool:
    return SEVERITIES.index(severity) >= SEVERITIES.index(channel.severity)
