"""What a person sees while a playbook runs, and what is said at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from scripts.lib.run_events import Event
from scripts.lib.runner import CONTROLLER, HostResult, Result

SHOWN_SECONDS = 3  # most tasks are over sooner


class View(Protocol):
    """Shows a run while it lasts."""

    def __enter__(self) -> View:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End; nothing of what was only true meanwhile stays."""

    def event(self, event: Event) -> None:
        """Take an event in."""


class Silent:
    """For programs: nothing but the document at the end."""

    def __enter__(self) -> Silent:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def event(self, event: Event) -> None:
        """Keep quiet."""


class Plain:
    """For logs: a line for each task of each host, in the order in which they end.

    Args:
        write: takes a line.
        said: whether the playbook's messages are shown.
    """

    MARKS: Mapping[str, str] = {"failed": "FAILED", "unreachable": "UNREACHABLE"}

    def __init__(self, write: Callable[[str], None], *, said: bool = True) -> None:
        self._write = write
        self._said = said

    def __enter__(self) -> Plain:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def event(self, event: Event) -> None:
        """Write a task that has ended, and what the playbook says."""
        if self._said:
            for line in event.said:
                self._write(line)
        if event.kind not in ("ok", "failed", "unreachable") or event.host == CONTROLLER:
            return
        mark = self.MARKS.get(event.kind, "changed" if event.changed else "ok")
        if event.kind == "failed" and event.ignored:
            mark = "ok"
        reason = f": {event.reason.splitlines()[0]}" if event.reason and mark in self.MARKS.values() else ""
        self._write(f"{event.host}  {mark}  {event.task}{reason}")


class Lines:
    """For a terminal: one live line for each host, gone at the end; the playbook's messages stay.

    Args:
        console: where to.
        said: whether the playbook's messages are shown.
        clock: seconds that only grow.
    """

    def __init__(
        self, console: Console, *, said: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._said = said
        self._clock = clock
        self._begun = clock()
        self._hosts: dict[str, HostResult] = {}
        self._doing: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._ended: set[str] = set()
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self.table, console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Lines:
        """Begin to draw."""
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the lines away."""
        self._live.__exit__(None, None, None)

    def event(self, event: Event) -> None:
        """Take an event in."""
        if self._said:
            for line in event.said:
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        host = event.host or CONTROLLER
        if event.kind in ("failed", "unreachable"):
            self._ended.add(host)
        if event.kind == "start":
            self._ended.discard(host)  # a playbook may rescue what failed, and go on
            # Something to show before the first host has its turn, and only until then.
            if host != CONTROLLER:
                self._doing.pop(CONTROLLER, None)
            self._doing[host] = event.task
            self._since[host] = self._clock()
        if event.host:
            self._hosts.setdefault(event.host, HostResult()).add(event)

    def table(self) -> Table:
        """Return the lines as they are now."""
        shown = [host for host in self._doing if host != CONTROLLER] or [CONTROLLER]
        rows = [(host, *self._row(host, self._hosts.get(host, HostResult()))) for host in shown]
        # Where room is short, the task gives way: who it is and how far are worth more.
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True, min_width=max(len(row[0]) for row in rows))
        table.add_column(width=1)
        table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        for place in (3, 4):
            table.add_column(no_wrap=True, min_width=max(len(row[place]) for row in rows), justify="right")
        for row in rows:
            table.add_row(*row)
        return table

    def _row(self, host: str, result: HostResult) -> tuple[Any, str, str, str]:
        if not result.well and host in self._ended:
            return "x", _fate(result, False).splitlines()[0], "", _counts(result)
        doing = self._doing.get(host, "starting")
        seconds = self._clock() - self._since.get(host, self._begun)
        # A login waits for a person: how long it has been is what they want to know.
        lasting = f"{seconds:.0f} s" if seconds >= SHOWN_SECONDS else ""
        return self._spinner, doing, lasting, _counts(result)


def _counts(result: HostResult) -> str:
    return f"{result.ok} done, {result.changed} changed"


def summary(result: Result) -> list[str]:
    """Return a line for each host: what became of it.

    Args:
        result: of the run.
    """
    width = max((len(host) for host in result.hosts), default=0)
    return [f"{name:{width}}  {_fate(host, result.interrupted)}" for name, host in result.hosts.items()]


def _fate(host: HostResult, interrupted: bool) -> str:
    if host.unreachable:
        return f"UNREACHABLE: {host.reason.partition(': ')[2]}"
    if host.failed:
        return f"FAILED: {host.reason}"
    return f"{'not finished' if interrupted else 'ok'}, {host.changed or 'nothing'} changed"
