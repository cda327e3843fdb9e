"""The watcher's main program: one loop, four times a second. What cannot be written is tried again."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from ibgatewaylib import instance as instances
from ibgatewaylib.exitcodes import ConfigurationInvalid

from .. import rules, settings, systemd
from ..journal import log_to_journal
from ..observation import Observation
from ..store import Store, StoreError
from .actions import Actions
from .brain import Brain
from .metrics import Metrics
from .reminders import Reminders
from .sources import Sources

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
ALIVE_SECONDS = 15.0
"""Between two signs of life in the database; the dead-man's ping goes out only while they are fresh."""
PING_SECONDS = 5.0
TIDY_SECONDS = 3600.0
KEEP_SECONDS = 14 * 86400.0
"""How long messages that are done with, and presses, are kept: the weekly digest reads them."""
RETRY_SECONDS = 1.0
"""Between two attempts to write while the database cannot be written."""
MOST_KEPT = 2000
"""Observations that are kept while they cannot be handled; beyond it the oldest go."""
EX_CONFIG = 78
FAILED = 1


def main(config: Path, arguments: Sequence[str] | None = None) -> int:
    """Watch until asked to stop.

    Args:
        config: the configuration file.
        arguments: of the command line; without, those of this process.

    Returns:
        0 done · 1 the database is damaged or cannot be opened · 78 the configuration is unusable.
    """
    parser = argparse.ArgumentParser(
        prog="ibgateway-watch", description="Watch IB Gateway, and decide what people are told."
    )
    parser.add_argument(
        "--check", action="store_true", help="only see whether configuration and rules are usable"
    )
    options = parser.parse_args(arguments)
    log_to_journal()
    try:
        chosen = settings.load(config)
        table = rules.load()
        known = {name: instances.load(chosen.etc_root / name) for name in chosen.instances}
    except (settings.SettingsError, rules.BadRulesError, ConfigurationInvalid) as error:
        log.error("%s", error)
        return EX_CONFIG
    if options.check:
        print(f"{config}: {len(known)} instances, {len(chosen.channels)} channels, {len(table.kinds)} kinds")
        return 0
    try:
        store = Store(chosen.database)
    except StoreError as error:
        log.error("%s", error)
        return FAILED
    return Watcher(chosen, store, known, table).run()


class Watcher:
    """Runs the sources, the brain and the database in one loop.

    Args:
        chosen: the configuration.
        store: the database.
        known: each instance as configured.
        table: the rules.
        clock: the time, in seconds since the epoch.
        sources: what sees; made from the configuration when None.
        actions: starts units; made from the configuration when None.
    """

    def __init__(
        self,
        chosen: settings.Settings,
        store: Store,
        known: dict[str, instances.Instance],
        table: rules.Rules,
        clock: Callable[[], float] = time.time,
        sources: Sources | None = None,
        actions: Actions | None = None,
    ) -> None:
        self._settings = chosen
        self._store = store
        self._clock = clock
        ports = {name: one.api_port for name, one in known.items()}
        self._sources = sources or Sources(chosen, store, ports)
        self._actions = actions or Actions(chosen.run_root, clock)
        self.brain = Brain(chosen, store, known, clock, self._actions, table)
        self._metrics = Metrics(chosen, known)
        self._reminders = Reminders(chosen, store, known, self.brain.views)
        self._kept: list[Observation] = []
        self._changes: int | None = None
        self._results: list = []
        self._problem = self._said = ""
        self._stale = False
        self._not_before = 0.0
        self._alive_at = self._tidied_at = self._pinged_at = 0.0
        self._cycles = 0
        self._stop = False

    def run(self) -> int:
        """Watch until SIGTERM or SIGINT.

        Returns:
            0, or 1 when the database turned out to be damaged: the next start sets it aside.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        log.info("%s", self.status())
        try:
            self.cycle()
            systemd.notify("READY=1", f"STATUS={self.status()}")
            woken: list = []
            while not self._stop:
                self.cycle(woken)
                self._ping()
                woken = self._sources.wait(LOOK_SECONDS)
        except StoreError as error:
            log.error("%s: starting again", error)
            return FAILED
        finally:
            systemd.notify("STOPPING=1")
            self._metrics.close()
            self._sources.close()
            self._store.close()
        return 0

    def cycle(self, woken: Sequence = ()) -> None:
        """Look at everything once, and write down what came of it.

        Raises:
            StoreError: the database is damaged. One that cannot be written, because the disk is full, is
                tried again later, and nothing is lost: events stay unread, observations are kept.
        """
        now = self._clock()
        try:
            self._kept.extend(seen for seen in self._sources.look(now, list(woken)) if self._is_news(seen))
            del self._kept[:-MOST_KEPT]
            self._results.extend(self._actions.tick(now))
            if now < self._not_before <= now + RETRY_SECONDS:
                return
            self._handle(now)
        except StoreError as error:
            if error.damaged:
                raise
            self._on_problem(str(error), now)
        else:
            if self._problem:
                log.info("the database can be written again")
            self._problem = ""
        self._cycles += 1

    def status(self) -> str:
        """One line for systemctl status."""
        parts = [f"watching {', '.join(self._settings.instances)}"]
        open_ones = self.brain.incidents
        if open_ones:
            parts.append("open: " + ", ".join(f"{name or 'host'} {kind}" for name, kind in open_ones))
        if not self._settings.channels:
            parts.append("telling nobody: no channel is configured")
        if self._problem:
            parts.append(f"NOT WRITING, kept and tried again: {self._problem}")
        return "; ".join(parts)

    # --- one cycle ----------------------------------------------------------------------------------------

    def _is_news(self, seen: Observation) -> bool:
        for one in reversed(self._kept):
            if (one.instance, one.what) == (seen.instance, seen.what):
                return one.value != seen.value or seen.what == "code"
        return self.brain.is_news(seen)

    def _handle(self, now: float) -> None:
        """Everything that waits, in transactions of its own."""
        if self._stale:
            self.brain.reload()
            self._stale = False
        found = self._sources.events(now)
        for event, place in found:
            self._take(
                now,
                lambda event=event: self.brain.event(event),
                otherwise=lambda event=event: self.brain.puzzled(event),
                always=lambda event=event, place=place: self._sources.tail.commit(event.instance, place),
            )
            self._metrics.event(event.instance, event.type)
        if found and self._sources.events(now):
            return  # a long backlog: delays are judged when all of it is known
        changes = self._store.changes()
        if changes != self._changes:
            for press in self._store.unhandled_presses():
                self._take(
                    now,
                    lambda press=press: self.brain.press(press),
                    otherwise=lambda press=press: self._store.answer_press(
                        press.id, "This did not work: see the journal.", accepted=False, now=now
                    ),
                )
            with self._writing(now):
                self.brain.notified()
            self._changes = changes
        while self._kept:
            self._take(now, lambda: self.brain.observe(self._kept[0]))
            del self._kept[0]
        while self._results:
            self._take(now, lambda: self.brain.acted(self._results[0]))
            del self._results[0]
        if self.brain.due(now):
            with self._writing(now):
                self.brain.tick(now)
        self._housekeeping(now)

    def _take(
        self,
        now: float,
        deed: Callable[[], None],
        otherwise: Callable[[], None] = lambda: None,
        always: Callable[[], None] = lambda: None,
    ) -> None:
        """Handle one thing in a transaction. A fault of ours in it must not stop everything that comes after.

        Args:
            now: seconds since the epoch.
            deed: what to do.
            otherwise: what to do instead when that fails.
            always: what is written with either.
        """
        try:
            with self._writing(now):
                deed()
                always()
        except StoreError:
            raise
        except Exception:
            log.exception("a fault of the watcher; it goes on without this")
            self._actions.forget()
            self.brain.reload()
            with self._writing(now):
                otherwise()
                always()

    @contextlib.contextmanager
    def _writing(self, now: float) -> Iterator[None]:
        """A transaction; what it asked to be started is started when it is on disk, and else forgotten."""
        with self._store.transaction():
            yield
        self._results.extend(self._actions.tick(now))

    def _housekeeping(self, now: float) -> None:
        if abs(now - self._alive_at) >= ALIVE_SECONDS:
            with self._store.transaction():
                self._store.remember("watcher", {"time": now, "cycle": self._cycles})
                for message in self._reminders.tick(now):
                    self.brain.ladder.announce(message, now)
                if abs(now - self._tidied_at) >= TIDY_SECONDS:
                    self._store.tidy(now - KEEP_SECONDS)
                    self._store.forget_channels({channel.name for channel in self._settings.channels}, now)
                    self._tidied_at = now
            self._alive_at = now
        if self._metrics.due(now):
            brain = self.brain
            self._metrics.update(
                now, brain.views, brain.host, brain.incidents.values(), self._store.backlog()
            )

    def _on_problem(self, problem: str, now: float) -> None:
        """Nothing was written: know only what is on disk, start nothing, and try again."""
        self._actions.forget()
        self._stale = True
        self._not_before = now + RETRY_SECONDS
        if problem != self._problem:
            log.error("%s; events and observations are kept and tried again", problem)
        self._problem = problem

    def _ping(self) -> None:
        """Feed systemd's watchdog: called by the loop itself, after a full cycle."""
        moment, status = time.monotonic(), self.status()
        if moment - self._pinged_at >= PING_SECONDS or status != self._said:
            self._pinged_at, self._said = moment, status
            systemd.notify("WATCHDOG=1", f"STATUS={status}")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True
