"""Java has ended: what now? One decision table, without any side effect."""

from __future__ import annotations

from . import exitcodes
from .session import Session, Verdict, duration

# IBC's own exit codes modulo 256 (ibc.md §1b).
_UNHANDLED, _NO_CONTROL, _AFTER_TWO_FACTOR, _NO_LOGIN_DIALOG, _OTHER_SESSION = 76, 77, 87, 88, 86
_INVALID = {
    78: "IBC was started with wrong arguments",
    79: "IBC found no config.ini",
    80: "IBC refused the trading mode",
    81: "IBC refused a setting",
    82: "IBC found no settings directory",
    83: "this Gateway's program could not be started by IBC",
    84: "jts.ini is a directory",
    85: "jts.ini cannot be read or written",
}
_JAVA_FAILED = 1


class End:
    """How Java ended.

    Args:
        status: exit code, or the negative signal number.
        stop_asked: somebody asked the launcher to stop.
        cold_restart: IBC left its COLDRESTART flag.
        paused: IBC left its PAUSE flag.
        tokens: how many saved tokens there are now.
        lived: seconds Java ran.
        may_return: one attempt may be made to take a session back that another took.
    """

    __slots__ = ("cold_restart", "lived", "may_return", "paused", "status", "stop_asked", "tokens")

    def __init__(
        self,
        status: int,
        *,
        stop_asked: bool,
        cold_restart: bool,
        paused: bool,
        tokens: int,
        lived: float,
        may_return: bool = False,
    ) -> None:
        self.may_return = may_return
        self.status = status
        self.stop_asked = stop_asked
        self.cold_restart = cold_restart
        self.paused = paused
        self.tokens = tokens
        self.lived = lived


def decide(end: End, session: Session) -> tuple[Verdict, list[tuple[str, dict]]]:
    """Decide what the launcher exits with.

    Args:
        end: how Java ended.
        session: what its log said; may already hold a verdict.

    Returns:
        the verdict and the events that belong to it, in order.
    """
    if end.stop_asked:
        return _stopped("stopped", "stopped as asked", end)
    if session.verdict is None and end.status == _UNHANDLED and session.maintenance_seen:
        session.declare_maintenance()
    if session.verdict:
        verdict = session.verdict
        return verdict, [_parked(verdict)] if verdict.code == exitcodes.PARKED else []
    if session.stop_commanded:
        return _stopped("stopped", "stopped as asked over IBC's command port", end)
    if end.paused:
        return _stopped("paused", "paused: the next start resumes without a login", end)
    if end.cold_restart:
        return _relaunch("cold_restart", "login", "IBC ended for a fresh start: a login follows")
    if end.status == 0:
        return _closed_itself(end, session)
    return _failed(end, session)


def _closed_itself(end: End, session: Session) -> tuple[Verdict, list]:
    if end.tokens == 1:
        return _relaunch("token_restart", "token", "Gateway restarts with its saved session")
    if end.tokens > 1:
        return _relaunch(
            "several_tokens", "login", "several saved sessions, none can be trusted: a login follows"
        )
    if not session.was_logged_in:
        sentence = "Gateway closed before the login was complete, although nobody asked for it"
        verdict = Verdict(exitcodes.PARKED, "closed", sentence)
        return verdict, [_parked(verdict)]
    # IBC closes Gateway like this when it yields to another session for good (its "scenario 4").
    sentence = "Gateway closed although nobody asked for it: most likely another session took over"
    detail = {"again": end.may_return, "text": sentence}
    if end.may_return:
        return Verdict(exitcodes.RELAUNCH, "session_taken", sentence), [("session_taken", detail)]
    verdict = Verdict(exitcodes.PARKED, "session_taken", sentence)
    return verdict, [("session_taken", detail), _parked(verdict)]


def _failed(end: End, session: Session) -> tuple[Verdict, list]:
    if end.status in _INVALID or _refused(end, session):
        sentence = _INVALID.get(end.status) or f"Java did not start: {session.refusal or 'see the log'}"
        detail = {"text": sentence, "exit_code": end.status}
        return Verdict(exitcodes.CONFIGURATION, "java", sentence), [("configuration_invalid", detail)]
    if end.status == _AFTER_TWO_FACTOR:
        verdict = Verdict(
            exitcodes.PARKED, "second_factor_refused", "the login did not complete after the second factor"
        )
        return verdict, [("login_refused", {"text": verdict.sentence}), _parked(verdict)]
    if end.status == _NO_CONTROL:
        verdict = Verdict(
            exitcodes.PARKED, "stuck_login_window", "the login window lacks something IBC needs"
        )
        return verdict, [("stuck", {"where": "login_window", "text": verdict.sentence}), _parked(verdict)]
    if end.status == _OTHER_SESSION:
        verdict = Verdict(exitcodes.PARKED, "competing_session", "another session uses this user name")
        return verdict, [("competing_session", {"outcome": "given way"}), _parked(verdict)]
    if end.status == _NO_LOGIN_DIALOG:
        verdict = Verdict(exitcodes.RELAUNCH, "stuck_login_dialog", "the login window did not come")
        return verdict, [("stuck", {"where": "login_dialog", "text": verdict.sentence})]
    detail: dict = {"after": duration(end.lived), "state": session.state}
    if end.status < 0:
        detail["signal"] = -end.status
        sentence = f"Java was killed by signal {-end.status} after {detail['after']}"
    else:
        detail["exit_code"] = end.status
        sentence = f"Java ended with code {end.status} after {detail['after']}"
    if session.last_exception:
        detail["text"] = session.last_exception
    if session.display_lost:
        sentence += ": its X server is gone, see systemctl status ibgateway-display@"
        detail["text"] = "the X server is gone"
    if session.out_of_memory:
        detail["out_of_memory"] = True
        sentence += ": its heap was full, raise the instance's heap"
    return Verdict(exitcodes.RELAUNCH, "crashed", sentence), [("crashed", detail)]


def _refused(end: End, session: Session) -> bool:
    return end.status == _JAVA_FAILED and not session.up and not session.display_lost


def _stopped(reason: str, sentence: str, end: End) -> tuple[Verdict, list]:
    # A token left behind is only used by the next start; it never turns this stop into a start.
    detail = {"reason": reason, "text": sentence, "token": end.tokens == 1}
    return Verdict(exitcodes.STOPPED, reason, sentence), [("stopped", detail)]


def _relaunch(reason: str, kind: str, sentence: str) -> tuple[Verdict, list]:
    return Verdict(exitcodes.RELAUNCH, reason, sentence), [
        ("restart_planned", {"kind": kind, "reason": sentence})
    ]


def _parked(verdict: Verdict) -> tuple[str, dict]:
    return "parked", {"reason": verdict.reason, "text": verdict.sentence}
