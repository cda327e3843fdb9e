"""What an appointment does, decided from facts alone; `appointment` gathers the facts and carries it out.

One rule stands above all: an instance that its operator stopped, or that is parked, is left alone.
"""

from __future__ import annotations

from datetime import UTC, datetime

from . import ctl_history

EARLY = 120
"""Seconds before its planned time at which a daily restart may begin: IBC's minute is not ours."""
CYCLE_VALID = 15 * 60
"""Seconds for which a start finishes what a stop began."""

NOTHING, SOFT, FULL, RECOVER, STOP, START, ASK = (
    "nothing", "soft_restart", "full_restart", "recover", "stop", "start", "ask"
)  # fmt: skip


class Facts:
    """What is known of an instance.

    Attributes:
        now: time-zone-aware.
        mode: live or paper.
        policy: consent or auto.
        state: as in state.json.
        active: the unit's ActiveState.
        status: the state's sentence.
        window_end: when the reset windows around `now` end, None outside.
        events: as `ctl_history.read` gives them.
        planned: when the daily restart was last due, None for never.
        healthy: whether the API answers and the link is up; None when nobody looked.
        trouble: what is wrong if not.
        cycle: when a stop of the daily cycle was done (seconds since the epoch), None if none was.
    """

    now: datetime
    mode = "live"
    policy = "consent"
    state = "ready"
    active = "active"
    status = ""
    window_end: datetime | None = None
    events: tuple[tuple[float, str, dict], ...] | list = ()
    planned: datetime | None = None
    healthy: bool | None = None
    trouble = ""
    cycle: float | None = None

    def __init__(self, now: datetime, **known: object) -> None:
        self.now = now
        for key, value in known.items():
            if not hasattr(type(self), key):
                raise AttributeError(key)
            setattr(self, key, value)


class Decision:
    """What to do (a word of this module), why (a sentence), and the events to write before it is done."""

    __slots__ = ("action", "events", "sentence")

    def __init__(self, action: str, sentence: str, *events: tuple[str, dict]) -> None:
        self.action, self.sentence, self.events = action, sentence, events

    def __repr__(self) -> str:
        return f"Decision({self.action!r}, {self.sentence!r})"


def restart(facts: Facts) -> Decision:
    """After the planned daily restart: did it happen? If not, do it by the token."""
    if facts.planned is None:
        return Decision(NOTHING, "no daily restart is planned")
    planned = facts.planned.timestamp()
    if ctl_history.started_since(list(facts.events), planned - EARLY):
        return Decision(NOTHING, "the daily restart took place")
    if left := _leave(facts):
        return left
    if facts.window_end:
        return _in_window(facts, "no restart is made up for now")
    if not _works(facts):
        return Decision(NOTHING, f"it is {facts.state}, which the launcher brings to an end by itself")
    detail = {"planned": _stamp(facts.planned)}
    if refusal := soft_restart_refusal(facts.mode, list(facts.events), facts.now):
        sentence = f"the daily restart did not take place, and {refusal}: it goes on as it is"
        event = ("restart_missed", {**detail, "action": NOTHING, "reason": refusal})
        return Decision(NOTHING, sentence, event)
    if facts.mode == "paper":
        # A paper account's token often ends at a login window that hangs, and its login needs no tap.
        sentence = "the daily stop and start did not take place: it is made up for now"
        return Decision(FULL, sentence, ("restart_missed", {**detail, "action": FULL}))
    sentence = "the daily restart did not take place: it is made up for now, by the token"
    return Decision(SOFT, sentence, ("restart_missed", {**detail, "action": SOFT}))


def reset(facts: Facts) -> Decision:
    """After a reset window: is the session back? If not, recover it by the cheapest remedy."""
    if left := _leave(facts):
        return left
    if facts.window_end:
        return _in_window(facts, "the check that follows it will look")
    if not _works(facts):
        return Decision(NOTHING, f"it is {facts.state}, which the launcher brings to an end by itself")
    if facts.healthy:
        return Decision(NOTHING, "the session is there: the API answers")
    return Decision(RECOVER, f"the session is not back after the reset: {facts.trouble}")


def login(facts: Facts) -> Decision:
    """The weekly login: log in by policy, or ask for consent."""
    if facts.mode == "paper":
        return Decision(NOTHING, "a paper account has no weekly login")
    begun = ctl_history.token_end(facts.now)
    last = ctl_history.last_full_login(list(facts.events))
    if last is not None and last >= begun.timestamp():
        when = _stamp(datetime.fromtimestamp(last, UTC))
        return Decision(NOTHING, f"it logged in at {when}, and that lasts until Sunday 01:00 New York")
    if facts.state == "stopped" or facts.active == "deactivating":
        return _leave(facts) or Decision(NOTHING, "it is being stopped")
    if facts.active == "activating" and facts.state != "parked":
        return Decision(NOTHING, f"a start is under way: {facts.status or facts.state}")
    if facts.policy == "consent":
        # Asked for even when parked: that is how the operator gets it back.
        return Decision(
            ASK,
            "the weekly login is due and waits for consent; what runs goes on",
            ("consent_needed", {"reason": "weekly_login", "appointment": _stamp(facts.now)}),
        )
    if left := _leave(facts):
        return left
    if facts.window_end:
        return _in_window(facts, "the running session is not given up for a login now")
    if not _works(facts):
        return Decision(NOTHING, f"it is {facts.state}, which the launcher brings to an end by itself")
    return Decision(FULL, "the weekly login is due: it logs out, and in again")


def stop(facts: Facts) -> Decision:
    """The first half of paper's daily cycle."""
    if left := _leave(facts):
        return left
    if facts.window_end:
        return _in_window(facts, "the daily stop and start are left out")
    if facts.active != "active":
        return Decision(NOTHING, f"it is {facts.state}, which is no session to end")
    return Decision(STOP, "it is stopped, and started again in a moment")


def start(facts: Facts) -> Decision:
    """The second half of paper's daily cycle: only what the first half stopped is started."""
    if facts.cycle is None or not 0 <= facts.now.timestamp() - facts.cycle <= CYCLE_VALID:
        return Decision(NOTHING, "no daily stop went before: whoever stopped it decides about its start")
    if facts.active not in ("inactive", "failed"):
        return Decision(NOTHING, "it runs already")
    return Decision(START, "it is started again")


def soft_restart_refusal(mode: str, events: list[tuple[float, str, dict]], now: datetime) -> str:
    """Why the machine shall not restart by the token on its own; empty when it may."""
    if mode == "live" and ctl_history.token_outlived(events, now) is not False:
        # Without a token this restart would end the session, and wait for a tap at its own hour.
        return "no full login is known since Sunday 01:00 New York, so that its token may not hold"
    return ctl_history.soft_restart_refusal(events, now.timestamp())


def _works(facts: Facts) -> bool:
    """Whether there is a session, to be looked at or given up."""
    return facts.state == "ready" and facts.active == "active"


def _leave(facts: Facts) -> Decision | None:
    """Leave alone what only an operator, or the launcher, may change."""
    if facts.state in ("parked", "stopped", "failed") or facts.active in (
        "inactive",
        "failed",
        "deactivating",
    ):
        return Decision(NOTHING, f"it is {facts.state}, and stays so until its operator decides")
    if facts.state == "deferred":
        return Decision(NOTHING, "its login waits for the end of a reset window, and goes on by itself")
    return None


def _in_window(facts: Facts, rest: str) -> Decision:
    return Decision(NOTHING, f"IBKR's servers reset until {_stamp(facts.window_end)}: {rest}")


def _stamp(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


RULES = {"restart": restart, "reset": reset, "login": login, "stop": stop, "start": start}
