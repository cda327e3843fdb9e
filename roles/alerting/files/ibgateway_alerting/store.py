"""The database between watcher and notifier: incidents, outbox, buttons, presses, and both processes' memory.

SQLite in WAL mode. What is written inside one `transaction()` is on disk altogether or not at all: an event's
position is saved with the incidents and messages it made: a crash neither loses a message nor makes it twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .model import SEND, Button, Incident, Message, Press, Queued

VERSION = 1
SET_ASIDE = "set_aside"
"""Key of the memory: name of the damaged file that was set aside, until people were told."""
BUSY_SECONDS = 5.0
"""The other process writes for milliseconds; a wait this long means that something is wrong."""

_GENERATION = 1 << 32
_SCHEMA = """
CREATE TABLE memory(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE incidents(
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance TEXT NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL,
    opened REAL NOT NULL, told REAL, acknowledged REAL, acknowledged_by TEXT NOT NULL, snoozed_until REAL,
    level INTEGER NOT NULL, reminded REAL, resolved REAL, outcome TEXT NOT NULL, detail TEXT NOT NULL);
CREATE UNIQUE INDEX one_open ON incidents(instance, kind) WHERE resolved IS NULL;
CREATE TABLE outbox(
    id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, incident INTEGER, mode TEXT NOT NULL,
    message TEXT NOT NULL, created REAL NOT NULL, since REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL DEFAULT 0, done REAL, result TEXT);
CREATE INDEX waiting ON outbox(channel, id) WHERE done IS NULL;
CREATE INDEX finished ON outbox(done) WHERE done IS NOT NULL;
CREATE TABLE sent(
    channel TEXT, incident INTEGER, reference TEXT NOT NULL, PRIMARY KEY(channel, incident)) WITHOUT ROWID;
CREATE TABLE buttons(
    nonce TEXT PRIMARY KEY, incident INTEGER, instance TEXT NOT NULL, action TEXT NOT NULL,
    expires REAL NOT NULL, used REAL) WITHOUT ROWID;
CREATE TABLE presses(
    id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, update_id TEXT NOT NULL,
    user INTEGER NOT NULL, nonce TEXT NOT NULL, received REAL NOT NULL, handled REAL, accepted INTEGER,
    answer TEXT, UNIQUE(channel, update_id));
"""

_INCIDENT_COLUMNS = (
    "id", "instance", "kind", "severity", "opened", "told", "acknowledged", "acknowledged_by",
    "snoozed_until", "level", "reminded", "resolved", "outcome", "detail",
)  # fmt: skip


class StoreError(Exception):
    """The database cannot be used; the text names the file and the reason.

    Attributes:
        damaged: its content is broken; only opening it anew helps, which sets it aside.
    """

    def __init__(self, sentence: str, *, damaged: bool = False) -> None:
        super().__init__(sentence)
        self.damaged = damaged


class Store:
    """One process's connection. Not for use by several threads."""

    def __init__(self, path: Path) -> None:
        """Open the database, and make it where there is none.

        A damaged file is set aside as `NAME.damaged-N` and a new one begun, which remembers that under
        `SET_ASIDE`, for whoever tells people.

        Args:
            path: the database file. Its directory must exist.

        Raises:
            StoreError: it cannot be opened or made, for instance because the disk is full.
        """
        self.path = path
        self._generation = 0
        self._db, self._inode = self._begin()

    def _begin(self) -> tuple[sqlite3.Connection, int]:
        """Open, alone: of two processes that find it damaged, only the first may set it aside."""
        try:
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._open_or_begin_anew()
        finally:
            os.close(lock)

    def _open_or_begin_anew(self) -> tuple[sqlite3.Connection, int]:
        try:
            db = self._open()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise StoreError(f"{self.path} cannot be used: {error}") from error
            try:
                aside = self._move_away()
                db = self._open()
                db.execute("INSERT INTO memory VALUES(?,?)", (SET_ASIDE, json.dumps(aside.name)))
            except (sqlite3.Error, OSError) as again:
                raise StoreError(f"{self.path} cannot be made: {again}") from again
        return db, os.stat(self.path).st_ino  # noqa: PTH116 - see _follow

    def _open(self) -> sqlite3.Connection:
        self._make_shareable()
        db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={VERSION}")
            db.execute("COMMIT")
            self._check(db, version)
        except (sqlite3.Error, StoreError):
            db.close()
            raise
        return db

    def _make_shareable(self) -> None:
        """Make the file where there is none: SQLite would let the group only read it and its `-wal`.

        A file that is there is not opened: closing it would drop this process's other connections' locks.
        """
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660))
        except FileExistsError:
            return
        except OSError as error:
            raise StoreError(f"{self.path} cannot be made: {error.strerror}") from error

    def _check(self, db: sqlite3.Connection, version: int) -> None:
        if version > VERSION:
            raise StoreError(f"{self.path} was written by a newer release: run that release's playbook")
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("database disk image is malformed")

    def _move_away(self) -> Path:
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        self.path.rename(aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.path}{suffix}")  # noqa: PTH108 - a name made of text
        return aside

    def _follow(self) -> None:
        """Go to the new file when the other process has set the old one aside, or somebody removed it."""
        try:
            same = os.stat(self.path).st_ino == self._inode  # noqa: PTH116 - ten times a second
        except OSError:
            same = False
        if not same:
            self._db.close()
            self._db, self._inode = self._begin()
            self._generation += 1

    def _run(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"{self.path} cannot be used: {error}", damaged=_is_damage(error))

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is written together when the block ends, and forgotten when it raises.

        Raises:
            StoreError: it cannot be written: the disk is full, or the file is damaged. Nothing was written.
        """
        self._follow()
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("ROLLBACK")

    def changes(self) -> int:
        """A number that differs when another process has written since; cheap to ask ten times a second."""
        self._follow()
        return self._generation * _GENERATION + self._run("PRAGMA data_version").fetchone()[0]

    # --- memory: positions, states, reminders; JSON by key ---

    def recall(self, key: str, default: Any = None) -> Any:
        """What was remembered under a key."""
        row = self._run("SELECT value FROM memory WHERE key=?", (key,)).fetchone()
        return json.loads(row[0]) if row else default

    def remember(self, key: str, value: Any) -> None:
        """Remember something JSON can hold."""
        self._run("INSERT OR REPLACE INTO memory VALUES(?,?)", (key, json.dumps(value)))

    # --- incidents ---

    def open_incidents(self) -> list[Incident]:
        """Those that are not resolved, the oldest first."""
        return self._incidents("WHERE resolved IS NULL ORDER BY id")

    def incident(self, number: int) -> Incident | None:
        """One incident by its id."""
        found = self._incidents("WHERE id=?", number)
        return found[0] if found else None

    def incidents_since(self, moment: float) -> list[Incident]:
        """Those that were open at any time after an instant, the oldest first."""
        return self._incidents("WHERE resolved IS NULL OR resolved>=? ORDER BY id", moment)

    def save_incident(self, incident: Incident) -> Incident:
        """Store a new incident (its `id` is set) or what changed of one.

        Raises:
            sqlite3.IntegrityError: another one of this instance and kind is open.
        """
        row = asdict(incident)
        row["detail"] = json.dumps(row["detail"])
        row["id"] = row["id"] or None
        if incident.id:
            sets = ",".join(f"{column}=:{column}" for column in _INCIDENT_COLUMNS[1:])
            self._run(f"UPDATE incidents SET {sets} WHERE id=:id", row)  # noqa: S608 - our own names
        else:
            values = ",".join(f":{column}" for column in _INCIDENT_COLUMNS)
            incident.id = self._run(f"INSERT INTO incidents VALUES({values})", row).lastrowid
        return incident

    def _incidents(self, where: str, *values: Any) -> list[Incident]:
        columns = ",".join(_INCIDENT_COLUMNS)
        found = self._run(f"SELECT {columns} FROM incidents {where}", values)  # noqa: S608 - our own names
        records = (dict(zip(_INCIDENT_COLUMNS, row, strict=True)) for row in found)
        return [Incident(**{**record, "detail": json.loads(record["detail"])}) for record in records]

    # --- outbox ---

    def queue(
        self, channel: str, message: Message, *, now: float, since: float | None = None,
        incident: int | None = None, mode: str = "send",
    ) -> int:  # fmt: skip
        """Put a message into a channel's outbox.

        Returns:
            its number.
        """
        content = json.dumps(asdict(message))
        cursor = self._run(
            "INSERT INTO outbox(channel,incident,mode,message,created,since) VALUES(?,?,?,?,?,?)",
            (channel, incident, mode, content, now, now if since is None else since),
        )
        return cursor.lastrowid or 0

    def waiting(self, channel: str, most: int = 50) -> list[Queued]:
        """The next messages of a channel, in their order."""
        rows = self._run(
            "SELECT id,channel,incident,mode,message,created,since,attempts,next_try FROM outbox "
            "WHERE channel=? AND done IS NULL ORDER BY id LIMIT ?",
            (channel, most),
        )
        return [Queued(*row[:4], _message(row[4]), *row[5:]) for row in rows]

    def changed_again(self, queued: Queued) -> bool:
        """Whether what waits next about the same incident changes the same message once more."""
        row = self._run(
            "SELECT mode FROM outbox WHERE channel=? AND done IS NULL AND id>? AND incident=?"
            " ORDER BY id LIMIT 1",
            (queued.channel, queued.id, queued.incident),
        ).fetchone()
        return row is not None and row[0] != SEND

    def finish(self, number: int, result: str, now: float) -> None:
        """A message is done with: `delivered`, `superseded`, `refused` or `forgotten`."""
        self._run("UPDATE outbox SET done=?, result=? WHERE id=?", (now, result, number))

    def put_off(self, number: int, attempts: int, next_try: float) -> None:
        """A message could not be delivered; try again later."""
        self._run("UPDATE outbox SET attempts=?, next_try=? WHERE id=?", (attempts, next_try, number))

    def backlog(self) -> dict[str, tuple[int, float]]:
        """Each channel's number of waiting messages, and when the oldest was queued."""
        rows = self._run(
            "SELECT channel, COUNT(*), MIN(created) FROM outbox WHERE done IS NULL GROUP BY channel"
        )
        return {channel: (count, oldest) for channel, count, oldest in rows}

    def forget_channels(self, known: set[str], now: float) -> int:
        """Give up messages of channels that no longer exist; return how many."""
        rows = self._run("SELECT id, channel FROM outbox WHERE done IS NULL").fetchall()
        gone = [number for number, channel in rows if channel not in known]
        for number in gone:
            self.finish(number, "forgotten", now)
        return len(gone)

    def tidy(self, before: float) -> None:
        """Delete what was done before an instant: messages, presses, buttons that have expired."""
        self._run("DELETE FROM outbox WHERE done<?", (before,))
        self._run("DELETE FROM presses WHERE handled<?", (before,))
        self._run("DELETE FROM buttons WHERE expires<?", (before,))

    # --- what a channel made of a message ---

    def sent_reference(self, channel: str, incident: int) -> Any:
        """What the channel needs to change its message about an incident; None when it has none."""
        row = self._run(
            "SELECT reference FROM sent WHERE channel=? AND incident=?", (channel, incident)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def note_sent(self, channel: str, incident: int, reference: Any) -> None:
        """Keep what the channel needs to change this message later."""
        self._run("INSERT OR REPLACE INTO sent VALUES(?,?,?)", (channel, incident, json.dumps(reference)))

    # --- buttons and presses ---

    def add_button(self, button: Button, instance: str, incident: int | None, expires: float) -> None:
        """Make a button good until an instant."""
        self._run(
            "INSERT INTO buttons VALUES(?,?,?,?,?,NULL)",
            (button.nonce, incident, instance, button.action, expires),
        )

    def button(self, nonce: str) -> dict[str, Any] | None:
        """A button's `incident`, `instance`, `action`, `expires` and `used`; None for one we never made."""
        row = self._run(
            "SELECT incident,instance,action,expires,used FROM buttons WHERE nonce=?", (nonce,)
        ).fetchone()
        return (
            dict(zip(("incident", "instance", "action", "expires", "used"), row, strict=True))
            if row
            else None
        )

    def use_buttons(self, incident: int, now: float) -> None:
        """Every button of an incident's messages has had its one use."""
        self._run("UPDATE buttons SET used=? WHERE incident=? AND used IS NULL", (now, incident))

    def add_press(self, channel: str, update_id: str, user: int, nonce: str, received: float) -> int | None:
        """Keep a press for the watcher.

        Returns:
            its number; None when this update is known already.
        """
        cursor = self._run(
            "INSERT OR IGNORE INTO presses(channel,update_id,user,nonce,received) VALUES(?,?,?,?,?)",
            (channel, update_id, user, nonce, received),
        )
        return cursor.lastrowid if cursor.rowcount else None

    def unhandled_presses(self) -> list[Press]:
        """Presses nobody has looked at yet, in their order."""
        rows = self._run(
            "SELECT id,channel,user,nonce,received FROM presses WHERE handled IS NULL ORDER BY id"
        )
        return [Press(*row) for row in rows]

    def answer_press(self, number: int, answer: str, *, accepted: bool, now: float) -> None:
        """What became of a press, in a sentence for whoever pressed."""
        self._run(
            "UPDATE presses SET handled=?, accepted=?, answer=? WHERE id=?",
            (now, int(accepted), answer, number),
        )

    def press_answer(self, number: int) -> str | None:
        """The sentence for whoever pressed; None while the watcher has not decided."""
        row = self._run("SELECT answer FROM presses WHERE id=?", (number,)).fetchone()
        return row[0] if row else None


def _message(content: str) -> Message:
    fields = json.loads(content)
    return Message(**{**fields, "buttons": tuple(Button(**button) for button in fields["buttons"])})


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    # A full disk, a lock or missing rights are operational; what is left says that this is no database.
    return not isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError | sqlite3.IntegrityError)
