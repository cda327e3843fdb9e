"""What the operator's command reads of role alerting: its configuration, and its database, read-only."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from datetime import tzinfo
from pathlib import Path
from typing import Any

from .ctl_host import BECOME_OPERATOR, CtlError
from .schedule import zones

CONFIG = Path("/etc/ibgateway-alerting/config.toml")
RUNBOOK = Path("/usr/local/share/doc/ibgateway/runbook.md")
NO_ALERTING = "this host has no alerting: run the playbook with role alerting"
_KEPT = (
    "id", "instance", "kind", "severity", "opened", "told", "acknowledged", "acknowledged_by",
    "snoozed_until", "resolved", "outcome",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(_KEPT)} FROM incidents"  # noqa: S608 - our own names
_WANTS_TO_WRITE = (
    sqlite3.SQLITE_READONLY_DIRECTORY,
    sqlite3.SQLITE_READONLY_CANTINIT,
    sqlite3.SQLITE_CANTOPEN,
)


class Alerting:
    """What role alerting has put on this host.

    Attributes:
        host: how messages call this machine.
        database: incidents and the notifier's memory.
        runbook: the copy of the runbook.
        zone: in which people read times.
    """

    def __init__(self) -> None:
        """Read the configuration.

        Raises:
            CtlError: there is none, or it cannot be used.
        """
        try:
            content = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
            self.host: str = content["host"]
            self.database = Path(content["database"])
            self.runbook = Path(content["runbook"])
            self.zone: tzinfo = zones.find(content["timezone"])
        except FileNotFoundError:
            raise CtlError(NO_ALERTING) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CtlError(
                f"{CONFIG} cannot be used ({error}): run the playbook with --tags alerting"
            ) from None

    def recall(self, key: str) -> Any:
        """What watcher or notifier remember under a key; None for nothing.

        Raises:
            CtlError: the database cannot be read.
        """
        rows = self._rows("SELECT value FROM memory WHERE key=?", key)
        return json.loads(rows[0][0]) if rows else None

    def incidents(self, *, since: float | None = None) -> list[dict]:
        """Incidents, the oldest first.

        Args:
            since: also those that were resolved after this, seconds since the epoch; None: open ones only.

        Raises:
            CtlError: the database cannot be read.
        """
        found = self._rows(
            f"{_SELECT} WHERE resolved IS NULL OR resolved>=? ORDER BY id",
            float("inf") if since is None else since,
        )
        return [dict(zip(_KEPT, row, strict=True)) for row in found]

    def incident(self, number: int) -> dict | None:
        """One incident.

        Raises:
            CtlError: the database cannot be read.
        """
        found = self._rows(f"{_SELECT} WHERE id=?", number)
        return dict(zip(_KEPT, found[0], strict=True)) if found else None

    def _rows(self, query: str, *values: Any) -> list[tuple]:
        try:
            exists = self.database.exists()
        except PermissionError:
            raise _not_readable(self.database) from None
        if not exists:
            raise CtlError("the watcher has not begun its database: see `systemctl status ibgateway-watch`")
        try:
            return self._ask("mode=ro", query, values)
        except sqlite3.DatabaseError as error:
            # While nobody has it open, SQLite wants to write beside it, which an operator may not. Then it
            # does not change either, unless a crash left something to be taken over into it.
            log = self.database.with_name(f"{self.database.name}-wal")
            if getattr(error, "sqlite_errorcode", None) not in _WANTS_TO_WRITE or log.exists():
                raise self._unusable(error) from None
        try:
            return self._ask("mode=ro&immutable=1", query, values)
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from None

    def _ask(self, how: str, query: str, values: tuple) -> list[tuple]:
        database = sqlite3.connect(f"{self.database.as_uri()}?{how}", uri=True, timeout=5)
        try:
            return database.execute(query, values).fetchall()
        finally:
            database.close()

    def _unusable(self, error: sqlite3.DatabaseError) -> CtlError:
        if "unable to open" in str(error) or "readonly" in str(error):
            return _not_readable(self.database)
        return CtlError(f"{self.database} cannot be read ({error}): see `systemctl status ibgateway-watch`")


def _not_readable(file: Path) -> CtlError:
    return CtlError(f"{file} is not readable for this user: {BECOME_OPERATOR}", 3)
