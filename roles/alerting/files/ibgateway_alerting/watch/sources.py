"""Everything the watcher sees, from one place: events and observations in, no waiting, no opinion."""

from __future__ import annotations

import selectors
from collections.abc import Mapping

from ..events import Event
from ..observation import Observation
from ..settings import Settings
from ..store import Store
from .host import HostSource
from .probe import Probe
from .sockets import evidence
from .tail import Place, Tail
from .units import Units


class Sources:
    """The events files, units, API probes and the host."""

    def __init__(self, settings: Settings, store: Store, ports: Mapping[str, int]) -> None:
        """Prepare; nothing is read, run or connected before `look`.

        Args:
            settings: the watcher's.
            store: holds positions, and the notifier's health.
            ports: the API port of each instance that shall be probed.
        """
        self.tail = Tail(settings, store)
        self.selector = selectors.DefaultSelector()
        self._units = Units(settings)
        self._host = HostSource(settings, store)
        self._probes = {name: Probe(name, port, evidence=evidence) for name, port in ports.items()}
        for probe in self._probes.values():
            probe.register(self.selector)

    def wait(self, seconds: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until a Gateway has said something, or so many seconds; pass on to `look` what it returns."""
        return self.selector.select(seconds)

    def events(self, now: float) -> list[tuple[Event, Place]]:
        """Events nobody has committed yet; see `Tail.poll` and `Tail.commit`."""
        return self.tail.poll(now)

    def look(self, now: float, woken: list[tuple[selectors.SelectorKey, int]]) -> list[Observation]:
        """See what is new.

        Args:
            now: seconds since the epoch.
            woken: what `wait` returned; foreign keys in it are left alone.
        """
        found = self._units.tick(now)
        for key, mask in woken:
            if isinstance(key.data, Probe):
                key.data.ready(key, mask, now)
        for name, probe in self._probes.items():
            probe.want(self._units.running(name), now)
            found += probe.tick(now)
        return found + self._host.tick(now)

    def close(self) -> None:
        """Let go of connections and children."""
        for probe in self._probes.values():
            probe.close()
        self._units.close()
        self._host.close()
        self.selector.close()
