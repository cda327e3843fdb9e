"""A small world around the launcher's decisions: clocks, disk, operator, timers, IBC, and IBKR, which counts.

Gate, budget, consent, session and outcome are the real ones; this stands in for the loop of `launcher.py`,
for Java, and for systemd, which starts again after 75.
"""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace

from fake_clock import FakeClock
from ibgatewaylib import consent, durable, exitcodes, gate
from ibgatewaylib.budget import BudgetClosed
from ibgatewaylib.dialect import Signal
from ibgatewaylib.limits import Limits
from ibgatewaylib.outcome import End, decide
from ibgatewaylib.schedule import windows
from ibgatewaylib.session import Session

LOGINS, HOURS, APART = 3, 6, 5
ZONE = windows.shipped().region("america")
TERM = 20.0  # what a Java that is not killed on the spot may live on for
FOREVER = 10_000.0

# What IBC does after a login was submitted: (seconds, signal, details), one after the other; None is Java's
# end with a code, and FOREVER never comes. "relogin" is IBC submitting the credentials once more.
_FAULTS = {
    "wrong_password": [(2, "credentials_rejected", {"title": "…"}), (FOREVER, None, 0)],
    "login_failed": [(2, "login_failed", {}), (1, None, "cold")],
    "login_error": [(2, "login_error", {"text": "locked"}), (1, None, "cold")],
    "connection_failed": [(2, "connection_failed", {"text": "…"}), (1, None, "cold")],
    "throttled": [(2, "throttled", {"text": "…"}), (3, "relogin", {}), (FOREVER, None, 0)],
    "maintenance": [(2, "maintenance", {"title": "Login"}), (1, None, 76)],
    "silent": [(FOREVER, None, 0)],
    "unknown": [(2, "unknown_window", {"title": "News"}), (FOREVER, None, 0)],
    "crash": [(2, None, 76)],
    "killed": [(2, None, -9)],
    "closed": [(2, None, 0)],
    "other_session": [(2, "existing_session", {"scenario": "2", "text": "…"}), (1, None, 0)],
    "device": [
        (2, "two_factor_open", {"title": "2FA"}),
        (1, "device_choice", {"text": "…"}),
        (FOREVER, None, 0),
    ],
    "card": [(2, "two_factor_open", {"title": "Security Code Card Authentication"}), (FOREVER, None, 0)],
    "missed": [
        (2, "two_factor_open", {"title": "2FA"}),
        (180, "two_factor_closed", {"title": "2FA"}),
        (0, "two_factor_duration", {"seconds": "182"}),
        (0, "two_factor_idle", {}),
        (FOREVER, None, 0),
    ],
    "missed_loop": [
        (2, "two_factor_open", {"title": "2FA"}),
        (180, "two_factor_closed", {"title": "2FA"}),
        (0, "two_factor_duration", {"seconds": "182"}),
        (0, "two_factor_retry", {}),
        *[(5, "relogin", {}), (185, "two_factor_retry", {})] * 5,
        (FOREVER, None, 0),
    ],
    "denied": [
        (2, "two_factor_open", {"title": "2FA"}),
        (5, "two_factor_closed", {"title": "2FA"}),
        (0, "two_factor_duration", {"seconds": "7"}),
        (FOREVER, None, 0),
    ],
    "no_settings": [(2, "logged_in", {}), (FOREVER, None, 0)],
    "no_api": [(2, "logged_in", {}), (1, "configured", {}), (FOREVER, None, 0)],
    "no_link": [(2, "logged_in", {}), (1, "configured", {}), (5, "api", "down"), (FOREVER, None, 0)],
    "memory": [(2, "logged_in", {}), (1, "out_of_memory", {}), (FOREVER, None, 0)],
}
_BEFORE = {
    "no_window": [(60, "no_login_dialog", {}), (1, None, 88)],
    "no_java": [(1, None, 1)],
    "no_ibc": [(FOREVER, None, 0)],
    "x_gone": [(1, "display_lost", {}), (1, None, 1)],
}
_RESUMING = {
    "expired": [(3, "login_error", {"text": "Soft token=0"}), (1, None, "cold")],
    "paper": [(3, "credentials_rejected", {"title": "…"}), (FOREVER, None, 0)],
    "stale": [(FOREVER, None, 0)],
    "unreachable": [(3, "connection_failed", {"text": "…"}), (1, None, "cold")],
    "killed": [(3, None, -9)],
}
_OK = [(2, "logged_in", {}), (1, "configured", {}), (5, "api", "up")]


class PromiseBrokenError(AssertionError):
    """A promise was broken."""


class World:
    """One instance and everything that can happen to it.

    Args:
        root: an empty directory.
        dice: decides everything.
        policy: consent or auto.
    """

    def __init__(self, root: Path, dice: Random, policy: str) -> None:
        self.dice, self.policy = dice, policy
        self.clock = FakeClock(1_767_225_600.0 + dice.randrange(365 * 86400))
        self.instance = SimpleNamespace(
            name="live", mode="live", login=policy, region="america",
            etc_dir=root / "etc" / "live", settings_dir=root, state_dir=root, run_dir=root,
            budget_logins=LOGINS, budget_hours=HOURS, budget_minutes_apart=APART,
        )  # fmt: skip
        for name in ("login-budget.json", "login-budget.json.broken", "consent.json"):
            (root / name).unlink(missing_ok=True)
        self.root = root
        self.state, self.reason = "stopped", ""
        self.token = False
        self.failures, self.last_reason = 0, ""
        self.disk_full = False
        self.submissions: list[float] = []
        # When the operator last said yes, unless that is used up; and whether this run may log in.
        self.consented: float | None = None
        self.allowed = False
        self.history: list[str] = []
        self.session: Session | None = None
        self.gate: gate.Gate | None = None

    # --- IBKR's side --------------------------------------------------------------------------------------

    def submit(self) -> None:
        """The credentials arrive at IBKR."""
        now = self.clock.true
        moment = datetime.fromtimestamp(self.clock.wall, UTC)
        opened = ZONE.open_window(moment)
        if opened and opened.occurrences(int(self.clock.wall), int(self.clock.wall) + 1):
            raise PromiseBrokenError(f"login at {moment:%a %H:%M} UTC, inside {opened}")
        self.submissions.append(now)
        if sum(1 for then in self.submissions if now - then < HOURS * 3600 - 1) > LOGINS:
            raise PromiseBrokenError(f"more than {LOGINS} logins in {HOURS} h")
        if len(self.submissions) > 1 and now - self.submissions[-2] < APART * 60 - 1:
            raise PromiseBrokenError(f"two logins {now - self.submissions[-2]:.0f} s apart")
        if self.policy == "consent" and not self.allowed:
            raise PromiseBrokenError("a login without consent")
        self.allowed = False

    # --- the operator, timers and faults ------------------------------------------------------------------

    def happen(self) -> None:
        """Let one thing happen."""
        act = self.dice.choice(_ACTS)
        self.history.append(f"{self.clock.true:.0f} {act}")
        getattr(self, "act_" + act)()

    def act_wait(self) -> None:
        self.clock.wait(self.dice.choice([10, 120, 301, 1800, 7200, 30000]))

    def act_step(self) -> None:
        self.clock.step(self.dice.choice([-1, 1]) * self.dice.choice([60, 3600, 7 * 3600, 40 * 86400]))

    def act_start(self) -> None:
        if self.state != "ready":
            self.run()

    def act_login(self) -> None:
        """`ibgatewayctl login`: consent, and a start; what runs is ended for it."""
        if not self.disk_full:
            consent.grant(self.root, "anna", now=self.clock())
            self.consented = self.clock.true
        if self.state == "ready":
            self.token = False
            self.end_java(0, stop_asked=True)
        self.run()

    def act_stop(self) -> None:
        if self.state == "ready":
            self.end_java(0, stop_asked=True)

    def act_reset(self) -> None:
        """The operator forgives everything, on the record."""
        try:
            gate.Gate(self.instance, self.clock).budget.reset(self.clock())
        except BudgetClosed:
            return
        self.submissions.clear()

    def act_token_restart(self) -> None:
        if self.state == "ready":
            self.token = True
            self.end_java(0)

    def act_crash(self) -> None:
        if self.state == "ready":
            self.end_java(self.dice.choice([-9, 76, 1]))

    def act_exit(self) -> None:
        if self.state == "ready":
            self.end_java(0)

    def act_taken(self) -> None:
        if self.state == "ready":
            self.session.see(Signal("taken"), self.clock.uptime)
            self.follow([(5, "logged_in", {}), *_OK[1:]])

    def act_kill_launcher(self) -> None:
        """kill -9: systemd starts it again, and nothing was noted."""
        self.clock.wait(1)
        if self.state == "ready":
            self.failures = 0
            self.run()

    def act_reboot(self) -> None:
        if self.state == "ready" and self.dice.random() < 0.5:
            self.token = True  # paused before
        self.clock.reboot(self.dice.choice([20, 600, 40000]))
        (self.root / "consent.json").unlink(missing_ok=True)
        self.consented = None
        self.failures, self.last_reason = 0, ""
        self.run()

    def act_disk(self) -> None:
        self.disk_full = not self.disk_full

    def act_damage(self) -> None:
        (self.root / "login-budget.json").write_bytes(self.dice.choice([b"", b"{", b'{"submissions": []}']))

    # --- the launcher -------------------------------------------------------------------------------------

    def run(self) -> None:
        """One start, and every start that follows from it."""
        for _ in range(40):
            self.state = "starting"
            if self.one_run() != exitcodes.RELAUNCH:
                return
            self.clock.wait(1)
        raise PromiseBrokenError("starts without end")

    def one_run(self) -> int:
        self.gate = gate.Gate(self.instance, self.clock)
        self.gate.checkpoint()
        while True:
            decision = self.gate.ask(resumes=self.token, failures=self.failures)
            if decision.kind == gate.GO:
                break
            if decision.kind == gate.PARK:
                return self.park(decision.reason)
            self.meanwhile(decision)
        resumes = self.token
        self.allowed = False
        if not resumes:
            decision = self.gate.enter()
            if decision.kind != gate.GO:
                return self.park(decision.reason)
            self.allowed = self.consented is not None and self.clock.true - self.consented < consent.SECONDS
            self.consented = None
        if self.dice.random() < 0.02:
            self.failures += 1
            return exitcodes.RELAUNCH  # killed here: a submission noted, nothing submitted
        self.session = Session(
            Limits(), lambda *_: None, self.clock.uptime, resumes=resumes, policy=self.policy,
            submitted=self.gate.submitted, again=self.gate.again, in_window=self.gate.in_window,
        )  # fmt: skip
        return self.follow(self.script(resumes))

    def meanwhile(self, decision: gate.Decision) -> None:
        """Wait as the launcher does; it looks again often, and the world does not stand still."""
        if self.dice.random() < 0.05:
            self.act_step()
        if self.dice.random() < 0.05:
            self.clock.reboot(20)
            (self.root / "consent.json").unlink(missing_ok=True)
            self.consented, self.failures = None, 0
            self.gate = gate.Gate(self.instance, self.clock)
        self.clock.wait(min(decision.seconds, self.dice.choice([30, 30, FOREVER])) + 0.001)

    def park(self, reason: str) -> int:
        self.state, self.reason, self.failures = "parked", reason, 0
        self.gate.checkpoint()
        return exitcodes.PARKED

    def script(self, resumes: bool) -> list:
        up = [(self.dice.choice([1, 40, 100]), "process_up", {})]
        if resumes:
            up.append((0, "resuming", {}))
            if self.dice.random() < 0.6:
                self.token = False
                return [*up, *_OK]
            name = self.dice.choice(list(_RESUMING))
            self.token = name in ("stale", "unreachable") or (name == "killed" and self.dice.random() < 0.5)
            return [*up, *_RESUMING[name]]
        if self.dice.random() < 0.15:
            return self.dice.choice(list(_BEFORE.values()))
        up += [(1, "login_dialog", {}), (1, "submit", {})]
        if self.dice.random() < 0.45:
            return [*up, *_OK]
        return [*up, *_FAULTS[self.dice.choice(list(_FAULTS))]]

    def follow(self, steps: list) -> int:
        """Run IBC's steps until the launcher, or Java, ends it."""
        session, clock, dies_at = self.session, self.clock, None
        for seconds, name, detail in steps:
            until = clock.uptime + seconds
            while True:
                if dies_at is None and session.verdict:
                    dies_at = clock.uptime if session.at_once else clock.uptime + TERM
                if session.verdict and (session.at_once or clock.uptime >= dies_at):
                    return self.end_java(-9)
                if clock.uptime >= until:
                    break
                clock.wait(
                    min(30.0, until - clock.uptime, FOREVER if dies_at is None else dies_at - clock.uptime)
                )
                session.tick(clock.uptime)
            if name is None:
                return self.end_java(0 if detail == "cold" else detail, cold=detail == "cold")
            if name in ("submit", "relogin"):
                session.see(Signal("login_attempt", attempt="1"), clock.uptime)
                self.submit()
            elif name == "api":
                session.api_answered(clock.uptime, {}, detail)
            else:
                session.see(Signal(name, **detail), clock.uptime)
        if session.phase != "ready" or session.verdict:
            return self.end_java(-9)
        self.state, self.failures = "ready", 0
        return exitcodes.STOPPED

    def end_java(self, status: int, *, stop_asked: bool = False, cold: bool = False) -> int:
        """Java has ended: conclude as the launcher does; starts again where systemd would."""
        session, was_ready = self.session, self.session.phase == "ready"
        if session.verdict and session.verdict.reason in ("token_expired", "stuck_resuming"):
            self.token = False
        end = End(
            status, stop_asked=stop_asked, cold_restart=cold, paused=False, tokens=int(self.token),
            lived=100.0, may_return=self.policy == "auto" and self.last_reason != "session_taken",
        )  # fmt: skip
        verdict, _ = decide(end, session)
        self.history.append(f"{self.clock.true:.0f}   {verdict}")
        self.last_reason = verdict.reason
        self.gate.checkpoint()
        if verdict.code == exitcodes.RELAUNCH:
            self.failures = 0 if was_ready or verdict.reason == "token_restart" else self.failures + 1
            if self.state == "ready":
                self.state = "starting"
                self.clock.wait(1)
                self.run()
                return exitcodes.STOPPED
            return verdict.code
        self.failures = 0
        names = {exitcodes.STOPPED: "stopped", exitcodes.PARKED: "parked", exitcodes.CONFIGURATION: "failed"}
        self.state, self.reason = names[verdict.code], verdict.reason
        return verdict.code


_ACTS = [name[4:] for name in vars(World) if name.startswith("act_")] + ["wait", "start", "login", "login"]


def full_disk(world: World, real=durable.replace):
    """`durable.replace` on the world's disk."""

    def replace(file: Path, data: bytes, mode: int) -> None:
        if world.disk_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        file.write_bytes(data)

    return replace
