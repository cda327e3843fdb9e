"""What is told ahead of time: the weekly login, and the weekend's reset. Each once, also over restarts.

A reminder that was due while the host was down still comes, as long as what it is about has not begun.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ibgatewaylib import ctl_history, ctl_plan
from ibgatewaylib.ctl_host import CtlError, parse_time
from ibgatewaylib.instance import Instance
from ibgatewaylib.schedule.windows import MARGIN

from ..model import HOST, Message
from ..settings import Settings
from ..store import Store
from ..text import duration, when
from .compose import compose, headline
from .view import InstanceView

log = logging.getLogger(__name__)

FRIDAY_AHEAD = 3 * 3600.0
"""Seconds before the weekend's window: time to end what must not meet it."""
LOOK_AGAIN = 3600.0
"""Seconds after which the calendar is asked again: the inventory, and the clocks, may change."""
MEMORY = "reminded:"
"""The store's key for what was told last of an appointment."""


@dataclass(frozen=True)
class _Due:
    key: str
    at: float
    ahead: float
    compose: Callable[[float], Message]


class Reminders:
    """Knows what is to be told ahead of time."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        instances: Mapping[str, Instance],
        views: Mapping[str, InstanceView],
    ) -> None:
        """Prepare.

        Args:
            settings: says whether, and how long before.
            store: remembers what was told.
            instances: each instance as configured, by name.
            views: what is known of each, by name.
        """
        self._settings = settings
        self._store = store
        self._instances = instances
        self._views = views
        self._known: list[_Due] = []
        self._looked: float | None = None

    def tick(self, now: float) -> list[Message]:
        """What is to be told now; it is remembered as told. Call it inside a transaction.

        Args:
            now: seconds since the epoch.
        """
        passed = any(due.at <= now for due in self._known)
        if self._looked is None or passed or not 0 <= now - self._looked < LOOK_AGAIN:
            self._known = [*self._logins(now), *self._weekend(now)]
            self._looked = now
        found = []
        for due in self._known:
            if now < due.at - due.ahead or self._store.recall(MEMORY + due.key) == due.at:
                continue
            self._store.remember(MEMORY + due.key, due.at)
            if not self._needless(due, now):
                found.append(due.compose(now))
        return found

    # --- the weekly login ---------------------------------------------------------------------------------

    def _logins(self, now: float) -> list[_Due]:
        ahead = self._settings.remind_before_minutes * 60.0
        found = []
        for name, instance in self._instances.items():
            at = appointments(instance, now).get("login") if ahead else None
            if at is not None:
                found.append(
                    _Due(f"login:{name}", at, ahead, lambda now, n=name, t=at: self._login(n, t, now))
                )
        return found

    def _needless(self, due: _Due, now: float) -> bool:
        """Whether nothing will happen at that time: the week's full login has been made already."""
        kind, _, name = due.key.partition(":")
        view = self._views.get(name)
        if kind != "login" or view is None or view.last_login is None:
            return False
        return _week_began(due.at) <= view.last_login <= now

    def _login(self, name: str, at: float, now: float) -> Message:
        moment = when(at, self._settings.zone, now)
        asks = self._instances[name].login == "consent"
        # A login before IBKR ends the week's token would not spare this one.
        counts = now >= _week_began(at)
        sooner = f" Sooner suits you better? sudo ibgatewayctl restart {name} --full" if counts else ""
        return compose(
            "info",
            headline("info", name, self._settings.host, f"Weekly login in {duration(at - now)}"),
            f"The weekly login is due at {moment}.",
            machine=(
                "It asks you then, and sends nothing to IBKR before you say so."
                if asks
                else "It logs out and in again then; IBKR sends a push to IB Key."
            ),
            you=f"Have your phone with IBKR Mobile at hand.{sooner}",
            next_step=f"{'the question' if asks else 'the push'} at {moment}.",
        )

    # --- the weekend --------------------------------------------------------------------------------------

    def _weekend(self, now: float) -> list[_Due]:
        if not self._settings.remind_friday:
            return []
        found = None
        for instance in self._instances.values():
            try:
                closing = ctl_plan.windows(instance).closing
            except CtlError as error:
                log.warning("no reminder ahead of the weekend: %s", error)
                return []
            for window in closing:
                if window.day is None:
                    continue
                for opens, closes in window.occurrences(int(now), int(now) + 8 * 86400):
                    if opens - MARGIN > now and (found is None or opens < found[0]):
                        found = (opens, closes)
        if found is None:
            return []
        start, end = float(found[0] - MARGIN), float(found[1] + MARGIN)
        return [_Due("weekend:", start, FRIDAY_AHEAD, lambda now: self._friday(start, end, now))]

    def _friday(self, start: float, end: float, now: float) -> Message:
        zone = self._settings.zone
        return compose(
            "info",
            headline("info", HOST, self._settings.host, f"Weekend reset in {duration(start - now)}"),
            f"IBKR's servers are down for the weekend's reset, from {when(start, zone, now)} to "
            f"{when(end, zone, now)}, margins included.",
            machine="It neither logs in nor restarts anything then. Lost links are usual, and not told.",
            you="Do what needs Gateway before or after it. A restart or login of yours belongs outside, too.",
            next_step="nothing more about this week's reset.",
        )


def _week_began(at: float) -> float:
    """When IBKR ended the token before the one that an instant belongs to; seconds since the epoch."""
    return ctl_history.token_end(datetime.fromtimestamp(at, UTC)).timestamp()


# --- the calendar -----------------------------------------------------------------------------------------


def appointments(instance: Instance, now: float) -> dict[str, float]:
    """When an instance's next daily restart and weekly login are.

    Args:
        instance: as configured.
        now: seconds since the epoch.

    Returns:
        seconds since the epoch, by `restart` and `login`; what is not scheduled, or wrong, is left out.
    """
    found = {}
    for kind, other in (("restart", "weekly_login"), ("login", "daily_restart")):
        alone = copy.copy(instance)
        setattr(alone, other, "")
        after = ctl_plan.next_appointment(alone, datetime.fromtimestamp(now, UTC))
        moment = parse_time(after["at"]) if after else None
        if moment is not None:
            found[kind] = moment
    return found


def windows_age_days(etc_root: Path, now: float) -> int:
    """How many days ago somebody last compared the reset windows with IBKR's page.

    Args:
        etc_root: holds the inventory's table, if there is one.
        now: seconds since the epoch.

    Raises:
        CtlError: the table cannot be read or used.
    """
    checked = ctl_plan.all_windows(etc_root).checked_on
    return (datetime.fromtimestamp(now, UTC).date() - checked) // timedelta(days=1)
