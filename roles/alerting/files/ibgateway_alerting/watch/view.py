"""What is known of one instance now: put together from events and observations.

Times are seconds since the epoch; None is "not known" or "did not happen".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ASKED, STARTED, PUSH_SENT, ANSWERED, READY, MISSED, FAILED = (
    "asked", "started", "push_sent", "answered", "ready", "missed", "failed"
)  # fmt: skip
"""How far a login has come. MISSED asks anew; FAILED is told as an incident of its own."""

RUNNING = (STARTED, PUSH_SENT, ANSWERED)
"""Phases in which a login is under way, so that a second one must not be begun."""

KEPT_EVENTS = 10
DISK_FULL, DISK_FINE = 0.05, 0.08
"""Free parts of a file system: below the first it is full, above the second it is no more."""


@dataclass
class Login:
    """One conversation about a login, from the question to its end.

    Attributes:
        phase: one of the words above.
        since: when this phase began.
        reason: login_due, weekly_login, or empty where the policy asks nobody.
        text: why it is due, in the launcher's words.
        asked: when people were asked.
        started: when the credentials were submitted, or the start was asked for.
        push_sent: when IBKR sent the push.
        push_seconds: how long a push lives.
        answered: when it was answered.
        attempts: pushes sent in this conversation.
    """

    phase: str
    since: float
    reason: str = ""
    text: str = ""
    asked: float | None = None
    started: float | None = None
    push_sent: float | None = None
    push_seconds: float = 180.0
    answered: float | None = None
    attempts: int = 0

    @property
    def push_ends(self) -> float | None:
        """When the push that is on its way dies."""
        return None if self.push_sent is None else self.push_sent + self.push_seconds


@dataclass
class InstanceView:
    """One instance.

    Attributes:
        name: of the instance.
        mode: live or paper.
        policy: consent or auto.
        region: where the account is hosted, as the launcher says; empty when it does not.
        state: of state.json (starting, deferred, login, two_factor, ready, stopping, stopped, parked,
            failed), or unknown.
        status: the state's sentence.
        state_since: when that state began.
        end: how the last run ended, state.json's `code` and `reason`; empty while it runs.
        unit: active, activating, deactivating, inactive, failed or unknown.
        unit_text: systemd's result and exit code.
        unit_since: when the unit came into that state.
        probe: ok, the first stage that fails (port, handshake, ready, time), incompatible, client_id, or
            unknown.
        probe_text: the evidence.
        probe_since: when the probe began to say so.
        link: up, down or unknown.
        link_text: the code that said so.
        link_since: when it changed.
        farms: the market data farms that are broken.
        farms_since: since when.
        budget_left: logins that the budget still allows.
        budget_next: when the next login is allowed.
        budget_problem: why the budget allows none, a sentence.
        deferred_until: until when a login waits.
        last_login: the last complete login.
        last_ready: when it last got ready.
        started: when the present run began.
        submitted: when this run submitted credentials.
        planned: when a planned restart began that is not over yet.
        missed: pushes missed in a row.
        missed_at: when the last one was.
        code: when this run's second factor was a code to be typed.
        logins: full logins of the last seven days.
        login: the conversation about a login; None when there is none.
        running: whether a run of Gateway has begun and not ended, by the events.
        oom: how many processes of the unit the kernel has killed for want of memory.
        facts: what events say is wrong, by condition: `since`, `last` (when it was seen last) and `detail`.
        recent: the last events, the newest last: `time`, `type`, `detail`.
        held: kinds that something else explains: None as long as it does, then when it ceased to.
        openings: when incidents of a kind began lately.
        remedied: when the machine last began a remedy.
    """

    name: str
    mode: str = "live"
    policy: str = "consent"
    region: str = ""
    state: str = "unknown"
    status: str = ""
    state_since: float | None = None
    end: dict[str, Any] = field(default_factory=dict)
    unit: str = "unknown"
    unit_text: str = ""
    unit_since: float | None = None
    probe: str = "unknown"
    probe_text: str = ""
    probe_since: float | None = None
    link: str = "unknown"
    link_text: str = ""
    link_since: float | None = None
    farms: tuple[str, ...] = ()
    farms_since: float | None = None
    budget_left: int | None = None
    budget_next: float | None = None
    budget_problem: str = ""
    deferred_until: float | None = None
    last_login: float | None = None
    last_ready: float | None = None
    started: float | None = None
    submitted: float | None = None
    planned: float | None = None
    missed: int = 0
    missed_at: float | None = None
    code: float | None = None
    logins: list[float] = field(default_factory=list)
    login: Login | None = None
    running: bool | None = None
    oom: int | None = None
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    recent: list[dict[str, Any]] = field(default_factory=list)
    held: dict[str, float | None] = field(default_factory=dict)
    openings: dict[str, list[float]] = field(default_factory=dict)
    remedied: float | None = None

    @property
    def ready(self) -> bool:
        """Whether Gateway is logged in and its unit runs."""
        return self.state == "ready" and self.unit in ("active", "unknown")

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON can hold it; not copied, for it is asked for at each look."""
        return vars(self) | {"login": self.login and vars(self.login)}

    @classmethod
    def of(cls, record: dict[str, Any]) -> InstanceView:
        """Make it from `as_dict`; what another release wrote and this one does not know is left out."""
        known = {key: value for key, value in record.items() if key in cls.__dataclass_fields__}
        login = known.get("login")
        if login is not None:
            known["login"] = Login(
                **{key: value for key, value in login.items() if key in Login.__dataclass_fields__}
            )
        known["farms"] = tuple(known.get("farms", ()))
        return cls(**known)


@dataclass
class HostView:
    """What is known of the machine itself.

    Attributes:
        network: ok, no_route, dns, unreachable or unknown.
        network_since: since when.
        network_text: the evidence.
        disk: free part of the fullest file system that matters.
        disk_text: which one it is.
        disk_full_since: since when it is full.
        clock: ok, unsynchronised or unknown.
        clock_since: since when.
        failing: channels that deliver nothing, and since when.
        facts, held, openings, remedied: as in `InstanceView`.
    """

    network: str = "unknown"
    network_since: float | None = None
    network_text: str = ""
    disk: float | None = None
    disk_text: str = ""
    disk_full_since: float | None = None
    clock: str = "unknown"
    clock_since: float | None = None
    failing: dict[str, float] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: dict[str, float | None] = field(default_factory=dict)
    openings: dict[str, list[float]] = field(default_factory=dict)
    remedied: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON can hold it; not copied, for it is asked for at each look."""
        return dict(vars(self))

    @classmethod
    def of(cls, record: dict[str, Any]) -> HostView:
        """Make it from `as_dict`; what another release wrote and this one does not know is left out."""
        return cls(**{key: value for key, value in record.items() if key in cls.__dataclass_fields__})
