"""When silence is expected: reset windows with their margins, and the quiet weekend."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ibgatewaylib import ctl_plan
from ibgatewaylib.ctl_host import CtlError
from ibgatewaylib.instance import Instance
from ibgatewaylib.schedule.windows import MARGIN, RegionWindows

log = logging.getLogger(__name__)

AHEAD = 86400.0
"""Seconds of the future that are worked out at once; what held before is looked up the same way."""
AGAIN = 900.0
"""Seconds after which region and table are looked at again: they may change while the watcher runs."""


class Quiet:
    """The quiet times of one instance.

    Args:
        instance: as configured.
        load: finds its windows; another one for tests.
    """

    def __init__(
        self, instance: Instance, load: Callable[[Instance, str], RegionWindows] | None = None
    ) -> None:
        self._instance = instance
        self._load = load or _load
        self._region = ""
        self._spans: list[tuple[float, float]] = []
        self._covers = (0.0, 0.0)
        self._read = 0.0

    def hosted_in(self, region: str) -> None:
        """Use a region that is known better than by the configuration; empty: find it out.

        The watcher may not read jts.ini, where Gateway notes the server that hosts the account.
        """
        if region != self._region:
            self._region, self._covers = region, (0.0, 0.0)

    def last(self, since: float, now: float) -> tuple[float, float] | None:
        """The latest quiet time that touches the span from `since` to `now`.

        Args:
            since: seconds since the epoch.
            now: the same.

        Returns:
            its begin and end, the end being the first instant that is not quiet; None when there was none.
            Windows that cannot be read are none, and the log says so: a damaged file is not to make silence.
        """
        self._work_out(since, now)
        found = [span for span in self._spans if span[0] <= now and span[1] > since]
        return found[-1] if found else None

    def end(self, now: float) -> float | None:
        """When the quiet time around an instant ends; None outside."""
        span = self.last(now, now)
        return span[1] if span else None

    def _work_out(self, since: float, now: float) -> None:
        begin, end = self._covers
        if begin <= since and now < end - AHEAD / 2 and 0 <= now - self._read < AGAIN:
            return
        begin, end = min(since, now) - AHEAD, now + AHEAD
        self._covers, self._read = (begin, end), now
        try:
            self._spans = spans(self._load(self._instance, self._region), begin, end)
        except (CtlError, OSError, OverflowError, ValueError) as error:
            log.error("%s: the reset windows are unusable, none counts: %s", self._instance.name, error)  # noqa: TRY400
            self._spans = []


def _load(instance: Instance, region: str) -> RegionWindows:
    if not region:
        return ctl_plan.windows(instance)
    return ctl_plan.all_windows(instance.etc_dir.parent).region(region)


def spans(windows: RegionWindows, begin: float, end: float) -> list[tuple[float, float]]:
    """Quiet times between two instants, in order, joined where they touch.

    Args:
        windows: of an account's region.
        begin: seconds since the epoch.
        end: the same.
    """
    first, last = int(begin), int(end)
    found = sorted(
        [*windows.closures(first - MARGIN, last + MARGIN), *windows.quiet.occurrences(first, last)]
    )
    joined: list[tuple[float, float]] = []
    for opens, closes in found:
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(closes, joined[-1][1]))
        else:
            joined.append((opens, closes))
    return joined
