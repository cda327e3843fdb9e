"""One run of Gateway, as the log tells it: signals and the clock in; state, events and a verdict out.

No process, file or socket here, so every path can be tested with a fake clock.
"""

from __future__ import annotations

import re

from . import exitcodes
from .dialect import Signal
from .gate import GO, PARK, Decision
from .limits import Limits
from .reasons import REASONS

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable

_CODE = re.compile(r"Security Code Card|Challenge|Enter .*Code", re.IGNORECASE)
_TYPE_IT = "IBKR wants a code typed into Gateway's window: open it with ibgatewayctl vnc"

# Phase → state in state.json.
STATES = {
    "java": "starting",
    "resuming": "starting",
    "login_dialog": "login",
    "logging_in": "login",
    "two_factor": "two_factor",
    "two_factor_answered": "login",
    "code": "two_factor",
    "choice": "login",
    "configuring": "login",
    "api": "login",
    "link": "login",
    "ready": "ready",
}


class Verdict:
    """This run is over: the exit code, the reason (a word of `reasons.REASONS`), a sentence for people."""

    __slots__ = ("code", "reason", "sentence")

    def __init__(self, code: int, reason: str, sentence: str) -> None:
        if code not in REASONS[reason]:
            raise ValueError(f"{reason} does not end with {code}")
        self.code = code
        self.reason = reason
        self.sentence = sentence

    def __repr__(self) -> str:
        return f"Verdict({self.code}, {self.reason!r})"


class Session:
    """Follows one run.

    Args:
        limits: how long each step may take.
        emit: called with (event type, detail).
        now: monotonic seconds at the start.
        resumes: a saved token was handed to Java.
        policy: `consent` or `auto`: what follows a missed push.
        submitted: called when the login that was asked for takes place.
        again: asked about every login that the controller begins by itself; the first one of a run without
            a token has been asked for before.
        in_window: whether IBKR's servers reset now.
        two_factor_timeout: IBC's SecondFactorAuthenticationTimeout, seconds.
        exit_interval: IBC's SecondFactorAuthenticationExitInterval, seconds.
    """

    def __init__(
        self,
        limits: Limits,
        emit,
        now: float,
        *,
        resumes: bool = False,
        policy: str = "consent",
        submitted: Callable[[], None] = lambda: None,
        again: Callable[[], Decision] = lambda: Decision(GO),
        in_window: Callable[[], bool] = lambda: False,
        two_factor_timeout: float = 180,
        exit_interval: float = 60,
    ) -> None:
        self.phase = "java"
        self.verdict: Verdict | None = None
        self.at_once = False
        self.link: str | None = None
        self.logins = 0
        self.display_lost = False
        self.up = False
        self.was_logged_in = False
        self.stop_commanded = False
        self.command_port = True
        self.shutdown_seen = False
        self.maintenance_seen = False
        self.out_of_memory = False
        self.last_exception = ""
        self.refusal = ""
        self._limits = limits
        self._emit = emit
        self._resumes = resumes
        self._policy = policy
        self._submitted = submitted
        self._again = again
        self._in_window = in_window
        self._code = False
        self._reset_seen = False
        self._memory_full_at = 0.0
        self._two_factor_timeout = two_factor_timeout
        self._exit_interval = exit_interval
        self._now = now
        self._started = now
        self._entered = now
        self._login_began = now
        self._progress = now
        self._configured = False
        self._applied = False
        self._takeovers = 0
        self._choice = ""
        self._leaving = False
        self._title = ""
        self._asked = False
        self._device_list = False
        self._clock_restarts = False
        self._unknown: dict[str, list] = {}  # title → [opened at, reported, words]
        self._last_window = ""

    # --- what others read ---------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """The state for state.json."""
        return STATES[self.phase]

    def wants_api(self, now: float) -> bool:
        """Whether everything but the API's answer is there.

        Gateway takes the settings, and may reopen its API port, only when their window closes after the last
        one was entered: an answer before that is not worth having.
        """
        if self.phase == "link":
            return True
        return self.phase == "api" and (self._applied or now - self._entered >= self._limits.settle)

    def sentence(self, now: float) -> str:
        """The unit's status text."""
        if self.verdict:
            return self.verdict.sentence
        waited = now - self._entered
        sentences = {
            "java": "starting Java",
            "resuming": f"resuming the saved session, no tap needed, {duration(waited)}",
            "login_dialog": "waiting for the login window",
            "logging_in": f"logging in, attempt {self.logins}, {duration(now - self._login_began)}",
            "two_factor": f"waiting for IB Key, {duration(waited)}"
            f" ({duration(self._answer_within(now))} left)",
            "code": f"waiting for a person to type a code: {self._title}, {duration(waited)}",
            "two_factor_answered": f"second factor answered, completing the login, {duration(waited)}",
            "choice": f"waiting for a person to choose: {self._choice}",
            "configuring": "logged in, applying the settings",
            "api": "logged in, waiting for the API to answer",
            "link": "logged in, but Gateway has no link to IBKR's servers",
            "ready": "ready",
        }
        return sentences[self.phase]

    def has_open_questions(self) -> bool:
        """Whether something comes to a decision with time alone, although nothing new is logged."""
        return self.out_of_memory or any(not reported for _, reported, _ in self._unknown.values())

    def ends_itself(self) -> bool:
        """Whether the controller is on its own way out, so that it need not be ended at once."""
        return self._leaving

    # --- what happens -------------------------------------------------------------------------------------

    def api_answered(self, now: float, detail: dict, link: str = "up") -> None:
        """The API's handshake is complete; `link` is how it says the link to IBKR is, `up` or `down`."""
        if self.phase not in ("api", "link"):
            return
        self.link = link
        if link == "down":
            self._enter("link", now)
        else:
            self._enter("ready", now)
            self._emit("ready", {"seconds": round(now - self._started, 1), **detail})

    def tick(self, now: float, api_problem: str = "") -> None:
        """Check the limits.

        Args:
            now: monotonic seconds.
            api_problem: why the API did not answer last time.
        """
        if self.verdict:
            return
        self._tick_unknown(now)
        if self.out_of_memory and now - self._memory_full_at > self._limits.out_of_memory:
            self._stuck(exitcodes.RELAUNCH, "memory", "Java's heap is full: raise the instance's heap")
            return
        if self.phase == "two_factor" and now - self._entered >= self._limits.two_factor_notice:
            self._ask(now)
        if self.phase == "ready":
            return  # what is wrong from here on, the watcher finds by asking the API
        limits, waited = self._limits, now - self._entered
        overdue = {
            "java": waited > limits.java,
            "resuming": waited > limits.resuming,
            "login_dialog": waited > limits.login_dialog,
            "logging_in": now - self._progress > limits.logging_in
            or now - self._login_began > limits.logging_in_total,
            "two_factor": self._answer_within(now) <= 0 and waited > limits.two_factor_grace,
            "two_factor_answered": waited > self._exit_interval + limits.two_factor_answered,
            "code": waited > limits.code,
            "choice": waited > limits.choice,
            "configuring": waited > limits.configuring,
            "api": waited > limits.api,
            "link": waited > limits.link,
        }
        if self.phase == "link" and overdue["link"] and self._reset_excuses_it(now):
            return
        if not self.verdict and overdue[self.phase]:
            self._overdue(now, api_problem)

    def _reset_excuses_it(self, now: float) -> bool:
        """A link that is down in a reset has its time when the reset is over."""
        during, self._reset_seen = self._reset_seen, self._in_window()
        if self._reset_seen:
            self._entered = now - self._limits.link + self._limits.look_again
        elif during:
            self._entered = now
        return self._reset_seen or during

    def see(self, signal: Signal, now: float) -> None:
        """Take one signal in."""
        handler = getattr(self, "_on_" + signal.name, None)
        if handler:
            self._now = now
            handler(**signal.detail)

    # --- signals ------------------------------------------------------------------------------------------

    def _on_process_up(self, **_: str) -> None:
        self.up = True
        self._enter("login_dialog", self._now)

    def _on_resuming(self) -> None:
        self._enter("resuming", self._now)
        self._emit("token_restart", {})

    def _on_login_dialog(self) -> None:
        if self.phase == "java":
            self._enter("login_dialog", self._now)

    def _on_login_attempt(self, **_: str) -> None:
        self.logins += 1
        self._login_began = self._now
        self._enter("logging_in", self._now)
        self._emit("login_submitted", {"attempt": self.logins})
        if self.logins == 1 and not self._resumes:
            self._submitted()
        else:
            self._allow("the controller began a login by itself")

    def _allow(self, what: str) -> bool:
        """Ask about a login that is under way; one that is not allowed ends the run at once."""
        decision = self._again()
        if decision.kind == GO and not self.verdict:
            return True
        self.at_once = True
        code = exitcodes.PARKED if decision.kind == PARK else exitcodes.RELAUNCH
        reason = decision.reason if decision.kind == PARK else "login_not_now"
        self._end(code, reason, f"{what}: {decision.sentence}")
        return False

    def _on_progress(self, **_: str) -> None:
        self._progress = self._now

    def _on_main_window(self) -> None:
        self._progress = self._now

    def _on_two_factor_open(self, title: str = "") -> None:
        if self.phase == "ready":
            # A session that works is not given up for a question, whatever comes of it.
            self._emit("two_factor_waiting", {"title": title, "seconds": round(self._two_factor_timeout)})
        else:
            self._on_two_factor_seen(title)

    def _on_two_factor_seen(self, title: str) -> None:
        # Windows report several events each; a device list, waiting for a person, carries the same title.
        if self.phase in ("two_factor", "choice", "configuring", "api", "link", "ready"):
            return
        if self._clock_restarts:
            self._clock_restarts = False
            self._login_began = self._now
        self._title = title
        self._asked = False
        if self._code or _CODE.search(title):
            self._code = self._asked = True
            if self.phase != "code":
                self._enter("code", self._now)
                self._emit("two_factor_waiting", {"kind": "code", "title": title, "text": _TYPE_IT})
            return
        self._enter("two_factor", self._now)

    def _on_two_factor_asked(self) -> None:
        self._on_two_factor_seen("")
        self._ask(self._now)

    def _on_device_chosen(self) -> None:
        self._device_list = self.phase == "two_factor"

    def _on_two_factor_closed(self, **_: str) -> None:
        if self._device_list or self.phase == "choice":
            # Only the list of devices went away. IBC counts its timeout afresh from the push that follows.
            self._clock_restarts = True
            self._enter("logging_in", self._now)
        elif self.phase in ("two_factor", "code"):
            self._enter("two_factor_answered", self._now)

    def _on_two_factor_duration(self, seconds: str) -> None:
        listed, self._device_list = self._device_list, False
        if listed or self.phase not in ("two_factor", "two_factor_answered"):
            return
        if float(seconds) >= self._two_factor_timeout and not self._code:
            return  # missed; the next line says what the controller does about it
        self._ask(self._now)
        self._enter("two_factor_answered", self._now)
        # An approval and a denial look the same here; only what follows tells them apart.
        self._emit("two_factor_answered", {"seconds": int(seconds)})

    def _on_two_factor_retry(self) -> None:
        self._missed()

    def _on_two_factor_idle(self) -> None:
        # A code may take longer to type than a push lives; then this is the controller's mistake.
        if not self._code:
            self._missed()

    def _on_two_factor_failed(self) -> None:
        self._denied()

    def _on_device_choice(self, text: str) -> None:
        self._choice = "the second factor device"
        if self.phase != "choice":
            self._enter("choice", self._now)
            self._emit("device_choice_needed", {"text": text})

    def _on_existing_session(self, scenario: str, text: str) -> None:
        outcome = {"1": "a person must choose", "3": "taken over", "5": "kept"}.get(scenario, "given way")
        self._emit("competing_session", {"scenario": int(scenario), "outcome": outcome, "text": text})
        if scenario == "1":
            self._wait_for_choice()
        elif outcome == "given way":
            self._give_way()

    def _on_taken(self) -> None:
        # The controller has pressed "Re-login" by now, and a tap may follow.
        self._takeovers += 1
        decision = self._again()
        again = decision.kind == GO and self._takeovers <= self._limits.polite_attempts
        self._emit("session_taken", {"count": self._takeovers, "again": again})
        if again:
            self._login_began = self._now
            self._enter("logging_in", self._now)
            return
        self.at_once = True
        self._park("session_taken", f"another session took over {times(self._takeovers)}")

    def _on_handoff(self, text: str) -> None:
        self._emit("competing_session", {"outcome": "handoff", "text": text})
        if text.startswith("error"):
            self._give_way()
        else:
            # IBC logs the same words whether it answers by itself or leaves it to a person.
            self._wait_for_choice()

    def _on_login_failed(self) -> None:
        self._emit("login_refused", {"text": ""})
        self._park("login_refused", "IBKR refused the login without saying why", leaving=True)

    def _on_login_error(self, text: str) -> None:
        if (self._resumes and not self.logins) or "soft token" in text.lower():
            # As it does every Sunday.
            self._expired(text)
            return
        self._emit("login_refused", {"text": text})
        self._park("login_refused", f"IBKR refused the login: {text or 'no reason given'}", leaving=True)

    def _on_connection_failed(self, text: str) -> None:
        self._emit("connection_failed", {"text": text})
        self._end(exitcodes.RELAUNCH, "connection_failed", "IBKR could not be reached")

    def _on_credentials_rejected(self, title: str) -> None:
        if self.verdict:
            return
        if self._resumes and not self.logins:
            # Nothing was typed: Gateway says so of a saved session it does not accept, on paper quite often.
            self._expired(title)
            return
        self._emit("credentials_rejected", {"text": title})
        self._park("credentials_rejected", "IBKR does not accept this user name or password")

    def _on_throttled(self, text: str) -> None:
        self._emit("throttled", {"text": text})
        self.at_once = True  # the controller may log in again by itself, after the time IBKR names
        self._park("throttled", f"too many login attempts: {text}")

    def _on_maintenance(self, title: str = "") -> None:
        self.maintenance_seen = True
        if not title:
            self.declare_maintenance()

    def _on_password_expiring(self, title: str) -> None:
        self._emit("password_expiring", {"text": title})

    def _on_no_login_dialog(self) -> None:
        self._stuck(exitcodes.RELAUNCH, "login_dialog", "the login window did not come")

    def _on_login_window_broken(self, text: str) -> None:
        # A window that vanished may come back; one that lacks a control will lack it again.
        code = exitcodes.PARKED if "control" in text else exitcodes.RELAUNCH
        self._stuck(code, "login_window", f"the login window is not as expected: {text}")

    def _on_logged_in(self) -> None:
        self.was_logged_in = True
        self._unknown.clear()
        self._enter("api" if self._configured else "configuring", self._now)

    def _on_configured(self) -> None:
        self._configured = True
        if self.phase not in ("link", "ready"):
            self._enter("api", self._now)

    def _on_settings_applied(self, **_: str) -> None:
        self._applied = self._configured

    def _on_setting_refused(self, text: str) -> None:
        self._emit("configuration_invalid", {"text": text, "continues": True})

    def _on_command_port_failed(self) -> None:
        self.command_port = False

    def _on_command(self, verb: str) -> None:
        if verb.upper() == "STOP":
            self.stop_commanded = True

    def _on_shutdown(self, **_: str) -> None:
        self.shutdown_seen = True

    def _on_cold_restart(self) -> None:
        self._leaving = True

    def _on_error_exit(self, **_: str) -> None:
        self._leaving = True

    def _on_exception(self, text: str) -> None:
        self.last_exception = text

    def _on_out_of_memory(self) -> None:
        if not self.out_of_memory:
            self.out_of_memory, self._memory_full_at = True, self._now

    def _on_display_lost(self, **_: str) -> None:
        self.display_lost = True

    def _on_java_refused(self, text: str) -> None:
        if not self.up:
            self.refusal = self.refusal or text

    def _on_unknown_window(self, title: str) -> None:
        self._last_window = title
        self._unknown.setdefault(title, [self._now, False, ""])

    def _on_choice_made(self, **_: str) -> None:
        if self.phase == "choice":
            self._enter("api" if self._configured else "logging_in", self._now)

    def _on_window_closed(self, title: str) -> None:
        if self._unknown.pop(title, None):
            self._progress = self._now

    def _on_window_text(self, text: str) -> None:
        if entry := self._unknown.get(self._last_window):
            entry[2] = f"{entry[2]} {text}".strip()[:500]

    # --- conclusions --------------------------------------------------------------------------------------

    def declare_maintenance(self) -> None:
        """IBKR's system is not available."""
        self._emit("maintenance", {})
        self._end(exitcodes.RELAUNCH, "maintenance", "IBKR's system is not available")

    def _expired(self, text: str) -> None:
        sentence = "the saved session is not accepted any more: a login follows"
        self._emit("restart_planned", {"kind": "login", "reason": sentence, "text": text})
        self._end(exitcodes.RELAUNCH, "token_expired", sentence)

    def _wait_for_choice(self) -> None:
        self._choice = "continue here or leave the other session alone"
        self._enter("choice", self._now)

    def _ask(self, now: float) -> None:
        if self._asked or self.phase not in ("two_factor", "two_factor_answered"):
            return
        self._asked = True
        seconds = max(0, round(self._answer_within(now)))
        self._emit("two_factor_waiting", {"title": self._title, "seconds": seconds})

    def _missed(self) -> None:
        if self.verdict:
            return
        again = self._policy == "auto"
        self._emit("two_factor_missed", {"again": again, "attempt": self.logins})
        # The controller's own repetition comes in a few seconds: be quicker. Ours asks the gate first.
        self.at_once = True
        code = exitcodes.RELAUNCH if again else exitcodes.PARKED
        self._end(code, "two_factor_missed", "IB Key was not answered in time")

    def _give_way(self) -> None:
        sentence = "another session uses this user name; this one gave way"
        self._park("competing_session", sentence, leaving=True)

    def _denied(self) -> None:
        sentence = "the second factor was denied, or the login took too long after it"
        self._emit("login_refused", {"text": sentence})
        self._park("second_factor_refused", sentence)

    def _tick_unknown(self, now: float) -> None:
        for title, entry in self._unknown.items():
            opened, reported, words = entry
            if not reported and now - opened > self._limits.unknown_notice:
                entry[1] = True
                self._emit("unknown_dialog", {"title": title, "text": words})
            stays = now - max(opened, self._progress)
            if stays > self._limits.unknown_dialog and self.phase != "ready":
                self._park("unknown_dialog", f"Gateway shows a window nobody knows: {title}")
                return

    def _overdue(self, now: float, api_problem: str) -> None:
        waited = duration(now - self._entered)
        if self.phase == "two_factor":
            self._missed()
        elif self.phase == "code":
            self._park("code_missing", f"nobody typed the code within {waited}: {self._title}")
        elif self.phase == "two_factor_answered":
            self._denied()
        elif self.phase == "choice":
            self._park("choice_missing", f"nobody chose: {self._choice}")
        elif self._unknown:
            title, (_, reported, words) = next(iter(self._unknown.items()))
            if not reported:
                self._emit("unknown_dialog", {"title": title, "text": words})
            self._park("unknown_dialog", f"Gateway shows a window nobody knows: {title}")
        elif self.phase == "api":
            self._stuck(exitcodes.RELAUNCH, "api", f"the API did not answer within {waited}: {api_problem}")
        elif self.phase == "link":
            self._stuck(exitcodes.RELAUNCH, "link", f"Gateway had no link to IBKR's servers for {waited}")
        else:
            what = {
                "java": "Java started, but IBC did not",
                "resuming": "the saved session did not come back",
                "login_dialog": "the login window did not come, or was not filled in",
                "logging_in": "the login made no progress",
                "configuring": "logged in, but the settings could not be applied",
            }[self.phase]
            self._stuck(exitcodes.RELAUNCH, self.phase, f"{what} ({waited})")

    def _stuck(self, code: int, where: str, sentence: str) -> None:
        if not self.verdict:
            self._emit("stuck", {"where": where, "text": sentence})
            self._end(code, "stuck_" + where, sentence)

    def _park(self, reason: str, sentence: str, *, leaving: bool = False) -> None:
        self._leaving = self._leaving or leaving
        self._end(exitcodes.PARKED, reason, sentence)

    def _end(self, code: int, reason: str, sentence: str) -> None:
        if not self.verdict:
            self.verdict = Verdict(code, reason, sentence)

    def _enter(self, phase: str, now: float) -> None:
        self._progress = now
        if phase != self.phase or phase == "logging_in":
            self.phase = phase
            self._entered = now

    def _answer_within(self, now: float) -> float:
        # IBC counts from the click on "Log In", not from the window's opening.
        return self._login_began + self._two_factor_timeout - now


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 42s, 1m12s, 2h05m."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def times(count: int) -> str:
    """Once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
