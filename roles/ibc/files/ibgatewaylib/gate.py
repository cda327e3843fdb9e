"""May this start go on, shall it wait, or must it park? Asked before Java starts, and for each login after.

A start with a saved session needs no permission, only patience when the ones before it came to nothing. A
login needs three things, asked for in this order: no reset window, consent or a policy that needs none, and
the budget.
"""

from __future__ import annotations

import contextlib

from . import budget as budgets
from . import clock, consent
from .budget import BudgetClosed, Standing
from .clock import Moment
from .exitcodes import ConfigurationInvalid

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable

    from .instance import Instance
    from .schedule.windows import RegionWindows

GO, WAIT, PARK = "go", "wait", "park"
WINDOWS = "reset-windows.json"

PAUSES = (0, 60, 120, 240, 480, 900, 900, 900)
"""Seconds before a start, by how many starts in a row did not get ready; after the last one it parks."""


class Decision:
    """What to do.

    Attributes:
        kind: GO, WAIT or PARK.
        reason: one word: window, spacing or restarts; consent, budget or restarts when it parks.
        sentence: for people.
        seconds: how long to wait.
    """

    __slots__ = ("kind", "reason", "seconds", "sentence")

    def __init__(self, kind: str, reason: str = "", sentence: str = "", seconds: float = 0.0) -> None:
        self.kind, self.reason, self.sentence, self.seconds = kind, reason, sentence, seconds

    def __repr__(self) -> str:
        return f"Decision({self.kind!r}, {self.reason!r}, {self.seconds!r})"


def decide(
    *,
    resumes: bool,
    failures: int,
    waited: float,
    window: tuple[float, str] | None,
    policy: str,
    consented: bool,
    standing: Standing,
    name: str = "NAME",
) -> Decision:
    """Decide about a start.

    Args:
        resumes: a saved session is there, so this is a token restart and no login.
        failures: how many starts in a row did not get ready.
        waited: seconds since this start asked first.
        window: seconds until the reset windows around now are over, and which one it is; None outside.
        policy: `consent` or `auto`.
        consented: a consent that holds is there.
        standing: what the budget allows.
        name: the instance, for remedies.
    """
    if failures >= len(PAUSES):
        sentence = f"{failures} starts in a row did not get ready: find out why, then start it"
        return Decision(PARK, "restarts", sentence)
    if resumes:
        pause = PAUSES[failures] - waited
        if pause > 0:
            return Decision(WAIT, "restarts", "the last start did not get ready: waiting a little", pause)
        return Decision(GO)
    if window:
        seconds, which = window
        return Decision(WAIT, "window", f"IBKR's servers reset ({which}): the login waits", seconds)
    return _login(policy, consented, standing, name)


def _login(policy: str, consented: bool, standing: Standing, name: str) -> Decision:
    if policy != "auto" and not consented:
        sentence = f"a login is due, and it waits for your consent: ibgatewayctl login {name}"
        return Decision(PARK, "consent", sentence)
    if standing.problem:
        return Decision(PARK, "budget", standing.problem)
    if not standing.left:
        sentence = (
            "the login budget is used up: find out why the logins failed, "
            f"then run ibgatewayctl budget {name} --reset"
        )
        return Decision(PARK, "budget", sentence)
    if standing.wait > 0:
        return Decision(WAIT, "spacing", "the last login was a moment ago: this one waits", standing.wait)
    return Decision(GO)


class Gate:
    """Asks everything there is to ask for one instance.

    Args:
        instance: which.
        now: the clock.
    """

    def __init__(self, instance: Instance, now: Callable[[], Moment] = clock.now) -> None:
        self.budget = budgets.of(instance)
        self._instance = instance
        self._now = now
        self._began = now()

    def ask(self, *, resumes: bool, failures: int = 0) -> Decision:
        """Decide about a start; changes nothing, ask as often as you like.

        Raises:
            ConfigurationInvalid: the reset windows cannot be read.
        """
        now = self._now()
        return decide(
            resumes=resumes,
            failures=failures,
            waited=now.uptime - self._began.uptime,
            # A saved session needs no window, so a damaged table must not stop it.
            window=None if resumes else self.window(now),
            policy=self._instance.login,
            consented=consent.peek(self._instance.run_dir, now) is not None,
            standing=self.budget.check(now),
            name=self._instance.name,
        )

    def enter(self) -> Decision:
        """Let one login through: note it in the budget, then use the consent up. Call before Java starts.

        In this order a crash in between costs a place in the budget, never an unnoticed login.
        """
        now = self._now()
        try:
            self.budget.record(now)
        except BudgetClosed as closed:
            return Decision(PARK, "budget", str(closed))
        taken = consent.take(self._instance.run_dir, now)
        if self._instance.login != "auto" and not taken:
            return _login(self._instance.login, False, Standing(1, 0.0), self._instance.name)
        return Decision(GO)

    def submitted(self) -> None:
        """Note that the login let through by `enter` takes place now, some time after Java's start."""
        with contextlib.suppress(BudgetClosed):
            self.budget.correct(self._now())

    def again(self) -> Decision:
        """Note, and decide about, a login that the controller begins by itself in a run that goes on.

        Nobody can make that one wait: what is not allowed at once is to be ended. It counts in any case.
        """
        now = self._now()
        standing = self.budget.check(now)
        try:
            self.budget.record(now)
        except BudgetClosed as closed:
            return Decision(PARK, "budget", str(closed))
        if self._instance.login != "auto":
            return _login(self._instance.login, False, standing, self._instance.name)
        try:
            window = self.window(now)
        except ConfigurationInvalid as invalid:
            return Decision(PARK, "budget", str(invalid))
        if window:
            return Decision(WAIT, "window", f"IBKR's servers reset ({window[1]})", window[0])
        return _login("auto", False, standing, self._instance.name)

    def checkpoint(self) -> None:
        """Let time count in the budget; what is wrong with it, the next login hears."""
        with contextlib.suppress(BudgetClosed):
            self.budget.checkpoint(self._now())

    def in_window(self) -> bool:
        """Whether IBKR's servers reset now; a table that cannot be read has no window."""
        try:
            return self.window(self._now()) is not None
        except ConfigurationInvalid:
            return False

    def state(self) -> dict:
        """For state.json: `login` (the policy), `consent` and `budget`."""
        now = self._now()
        return {
            "login": self._instance.login,
            "consent": consent.peek(self._instance.run_dir, now),
            "budget": self.budget.check(now).as_dict(now),
        }

    def window(self, now: Moment) -> tuple[float, str] | None:
        """The seconds until the reset windows around now are over, and which one it is; None outside.

        Raises:
            ConfigurationInvalid: the windows cannot be read.
        """
        # Only a login needs the windows, and the launcher of a resumed session stays smaller without.
        from datetime import UTC, datetime

        try:
            moment = datetime.fromtimestamp(now.wall, UTC)
            # Read anew each time: a start may wait for hours, and the table be corrected meanwhile.
            windows = self._load()
            end = windows.window_end(moment)
        except (OverflowError, ValueError, OSError) as error:
            raise ConfigurationInvalid(f"the reset windows cannot be worked out: {error}") from None
        if end is None:
            return None
        which = windows.open_window(moment)
        return end.timestamp() - now.wall, str(which) if which else "margin"

    def _load(self) -> RegionWindows:
        from .schedule import regions, windows

        instance = self._instance
        own = instance.etc_dir.parent / WINDOWS
        table = windows.load(own) if own.exists() else windows.shipped()
        try:
            jts_ini = (instance.settings_dir / "jts.ini").read_text(encoding="latin-1")
        except OSError:
            jts_ini = ""
        region = regions.resolve(instance.mode, instance.region, jts_ini) or regions.ASSUMED
        return table.region(region)
