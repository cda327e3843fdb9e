"""The words that watcher, notifier and digest share: incident, message, button, press."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SEVERITIES = ("info", "warning", "action", "critical")
"""From the least to the most urgent; `action` means that a person must do something."""

HOST = ""
"""The instance of an incident that concerns the whole host."""

SEND, EDIT, EDIT_OR_SEND = "send", "edit", "edit_or_send"
"""How a message reaches a channel: as a new one; by changing the incident's earlier one, and not at all where
that is impossible; by changing it, or as a new one where that is impossible."""


@dataclass(frozen=True)
class Button:
    """Something to press under a message.

    Attributes:
        action: push, later_30, later_120, mine, soft_restart, log.
        label: what is written on it.
        nonce: names this one button, once; the only thing that leaves the host.
    """

    action: str
    label: str
    nonce: str


@dataclass(frozen=True)
class Message:
    """What people read.

    Attributes:
        severity: one of SEVERITIES.
        title: one line, fit for a phone's lock screen.
        body: plain text.
        buttons: for channels that have them.
        attachment: path of a picture, or empty.
    """

    severity: str
    title: str
    body: str
    buttons: tuple[Button, ...] = ()
    attachment: str = ""


@dataclass
class Incident:
    """Something wrong with one instance, from first sign to resolution. Times in seconds since the epoch.

    Attributes:
        id: number of the row; 0 until it is stored.
        instance: name of the instance, HOST for the machine itself.
        kind: the catalogue's id.
        severity: one of SEVERITIES.
        opened: when it began, by the evidence.
        told: when its first message was queued; None while it is held back.
        acknowledged: when somebody took it on.
        acknowledged_by: who.
        snoozed_until: no reminder and no escalation before.
        level: how many steps of the escalation ladder have been told.
        reminded: when it was last told.
        resolved: when it ended.
        outcome: how it ended, one sentence.
        detail: the evidence, by key; may hold foreign text.
    """

    instance: str
    kind: str
    severity: str
    opened: float
    id: int = 0
    told: float | None = None
    acknowledged: float | None = None
    acknowledged_by: str = ""
    snoozed_until: float | None = None
    level: int = 0
    reminded: float | None = None
    resolved: float | None = None
    outcome: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Queued:
    """A message on its way to one channel. Times in seconds since the epoch.

    Attributes:
        id: number of the row; messages of a channel leave in this order.
        channel: name of the channel.
        incident: the incident's id, None for a message of its own.
        mode: SEND, EDIT or EDIT_OR_SEND.
        message: what to send.
        created: when it was queued.
        since: when what it tells happened, to say how late it is.
        attempts: how often sending has failed so far.
        next_try: not before.
    """

    id: int
    channel: str
    incident: int | None
    mode: str
    message: Message
    created: float
    since: float
    attempts: int
    next_try: float


@dataclass(frozen=True)
class Press:
    """A button that somebody pressed; to be believed only after checking.

    Attributes:
        id: number of the row.
        channel: where.
        user: the sender's user id as the service gives it.
        nonce: what the button carried.
        received: when the notifier got it, seconds since the epoch.
    """

    id: int
    channel: str
    user: int
    nonce: str
    received: float
