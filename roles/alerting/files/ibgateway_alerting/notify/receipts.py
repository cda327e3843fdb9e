"""What became of messages, until that is on disk: on a full one, nothing shall go out again and again."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model import Queued
from ..store import Store, StoreError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Receipt:
    queued: Queued
    result: str
    reference: Any
    time: float


class Receipts:
    """One lane's receipts. Those not yet written are lost with the process: their messages are sent again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._inode = _inode(store.path)
        self._unwritten: dict[int, _Receipt] = {}
        self._told = False

    def __contains__(self, number: int) -> bool:
        """Whether a message is done with, although the database may still call it waiting."""
        return number in self._unwritten

    def __len__(self) -> int:
        return len(self._unwritten)

    def belong_elsewhere(self) -> bool:
        """Whether another file took the place of the one they are about: its numbers mean other messages."""
        return self._inode != _inode(self._store.path)

    def add(self, queued: Queued, result: str, reference: Any, now: float) -> None:
        """Note that a message is done with; on disk, or in memory until `write` succeeds."""
        self._unwritten[queued.id] = _Receipt(queued, result, reference, now)
        self.write()

    def write(self) -> None:
        """Write what is not written yet; a database that refuses is asked again next time."""
        if not self._unwritten:
            return
        if self.belong_elsewhere():
            return
        try:
            with self._store.transaction():
                for number, receipt in self._unwritten.items():
                    self._store.finish(number, receipt.result, receipt.time)
                    incident = receipt.queued.incident
                    if incident is not None and receipt.reference is not None:
                        self._store.note_sent(receipt.queued.channel, incident, receipt.reference)
        except StoreError as error:
            if not self._told:
                log.error("what was delivered cannot be noted: messages may come twice (%s)", error)  # noqa: TRY400
                self._told = True
            return
        if self._told:
            log.info("what was delivered is noted again")
            self._told = False
        self._unwritten.clear()

    def reference(self, channel: str, incident: int) -> Any:
        """What the channel needs to change its message about an incident; None when it has none."""
        known = [
            receipt.reference
            for receipt in self._unwritten.values()
            if receipt.queued.incident == incident and receipt.reference is not None
        ]
        return known[-1] if known else self._store.sent_reference(channel, incident)


def _inode(path: Path) -> int:
    """Which file has this name now; 0 while there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0
