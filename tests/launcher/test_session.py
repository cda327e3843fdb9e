"""One run with a fake clock: states, events, limits, verdicts; and what follows from how Java ended."""

from __future__ import annotations

import pytest
from ibgatewaylib.dialect import IBC, Parser
from ibgatewaylib.events import TYPES
from ibgatewaylib.gate import Decision
from ibgatewaylib.limits import Limits
from ibgatewaylib.outcome import End, decide
from ibgatewaylib.session import STATES, Session, duration
from launcher_box import SUCCESS

TWO_FACTOR_OPEN = "detected dialog entitled: Second Factor Authentication; event=Opened"
TWO_FACTOR_CLOSED = "detected dialog entitled: Second Factor Authentication; event=Closed"
LOGIN = SUCCESS[:9]


class Run:
    """A session fed with IBC's messages."""

    def __init__(self, **options: object) -> None:
        self.now = 1000.0
        self.events: list[tuple[str, dict]] = []
        self.session = Session(
            Limits(), lambda kind, detail: self.events.append((kind, detail)), self.now, **options
        )
        self.parser = Parser(IBC)

    def say(self, *messages: str, raw: bool = False) -> Run:
        for message in messages:
            line = message if raw else f"2026-11-24 02:26:33:150 IBC: {message}"
            for signal in self.parser.feed(line):
                self.session.see(signal, self.now)
        return self

    def wait(self, seconds: float) -> Run:
        """Let time pass, second by second."""
        for _ in range(int(seconds)):
            self.now += 1
            self.session.tick(self.now, "handshake: no answer in time")
        return self

    def types(self) -> list[str]:
        return [kind for kind, _ in self.events]

    def detail(self, kind: str) -> dict:
        return next(detail for found, detail in self.events if found == kind)

    @property
    def verdict(self) -> tuple[int, str] | None:
        verdict = self.session.verdict
        return (verdict.code, verdict.reason) if verdict else None


def test_success():
    run = Run().say(*SUCCESS)
    assert run.session.wants_api(run.now)
    run.session.api_answered(run.now, {"accounts": 1})
    assert run.session.state == "ready"
    assert run.types() == ["login_submitted", "ready"]
    assert run.wait(100_000).verdict is None


@pytest.mark.parametrize(
    ("messages", "seconds", "verdict"),
    [
        ([], 121, (75, "stuck_java")),
        (["version: 3.25.0"], 121, (75, "stuck_login_dialog")),
        (LOGIN[:7], 121, (75, "stuck_login_dialog")),
        (LOGIN, 181, (75, "stuck_logging_in")),
        ([*LOGIN, TWO_FACTOR_OPEN], 241, (77, "two_factor_missed")),
        ([*LOGIN, TWO_FACTOR_OPEN, TWO_FACTOR_CLOSED], 121, (77, "second_factor_refused")),
        ([*LOGIN, "Login has completed"], 181, (75, "stuck_configuring")),
        (SUCCESS, 121, (75, "stuck_api")),
        (["version: 3.25.0", "Re-starting session"], 181, (75, "stuck_resuming")),
        ([*LOGIN, "User must choose (scenario 1)"], 301, (77, "choice_missing")),
        ([*LOGIN, TWO_FACTOR_OPEN, "could not select second factor device"], 301, (77, "choice_missing")),
        ([*LOGIN, "detected dialog entitled: News; event=Opened"], 301, (77, "unknown_dialog")),
    ],
)
def test_no_progress_ends_the_run_in_time(messages, seconds, verdict):
    run = Run().say(*messages)
    assert run.wait(seconds - 3).verdict is None or run.verdict == verdict
    assert run.wait(5).verdict == verdict


def test_api_is_not_asked_before_the_settings_are_taken():
    run = Run().say(*SUCCESS[:-2])
    assert not run.session.wants_api(run.now)
    assert run.say(*SUCCESS[-2:]).session.wants_api(run.now)


def test_api_is_asked_even_if_the_settings_window_is_not_seen_to_close():
    run = Run().say(*SUCCESS[:-2]).wait(4)
    assert run.session.wants_api(run.now)


def test_progress_that_never_arrives_is_bounded():
    run = Run().say(*LOGIN)
    for _ in range(100):
        run.say("detected frame entitled: Attempt 2: connecting to server...; event=Opened").wait(60)
    assert run.verdict == (75, "stuck_logging_in")


def test_second_factor_countdown_runs_from_the_login():
    run = Run(two_factor_timeout=180).say(*LOGIN).wait(3).say(TWO_FACTOR_OPEN).wait(72)
    assert run.session.state == "two_factor"
    assert run.session.sentence(run.now) == "waiting for IB Key, 1m12s (1m45s left)"


def test_second_factor_whose_opening_is_not_reported():
    run = Run().say(*LOGIN, TWO_FACTOR_OPEN.replace("Opened", "Focused"))
    assert run.session.state == "two_factor"


def test_second_factor_asked_while_ready_is_told_but_never_ends_the_session():
    run = Run().say(*SUCCESS)
    run.session.api_answered(run.now, {})
    run.say(TWO_FACTOR_OPEN.replace("Opened", "Focused"))
    assert run.types()[-1] == "ready"
    run.say(TWO_FACTOR_OPEN, TWO_FACTOR_CLOSED)
    assert run.types()[-1] == "two_factor_waiting"
    assert run.wait(1000).session.state == "ready"


def test_one_window_is_one_event():
    run = Run().say(*LOGIN, TWO_FACTOR_OPEN, TWO_FACTOR_OPEN.replace("Opened", "Focused"))
    run.say("Second Factor Authentication initiated").wait(5)
    assert run.types().count("two_factor_waiting") == 1


@pytest.mark.parametrize("seconds", [0, 5])
def test_request_that_is_not_announced_is_told_all_the_same(seconds):
    run = Run().say(*LOGIN, TWO_FACTOR_OPEN).wait(seconds)
    run.say(TWO_FACTOR_CLOSED, "Duration since login: 9 seconds")
    assert run.types() == ["login_submitted", "two_factor_waiting", "two_factor_answered"]


MISSED = [*LOGIN, TWO_FACTOR_OPEN, TWO_FACTOR_CLOSED, "Duration since login: 181 seconds"]
RETRY = "Re-login after second factor authentication timeout in 5 second"
IDLE = "Re-login after second factor authentication timeout not required"


@pytest.mark.parametrize("last", [RETRY, IDLE])
@pytest.mark.parametrize(("policy", "code"), [("consent", 77), ("auto", 75)])
def test_missed_push_ends_the_run_before_the_controller_repeats_it(policy, code, last):
    run = Run(policy=policy).say(*MISSED, last)
    assert run.verdict == (code, "two_factor_missed")
    assert run.session.at_once
    assert run.detail("two_factor_missed") == {"again": policy == "auto", "attempt": 1}
    run.say(IDLE, RETRY)
    assert run.types().count("two_factor_missed") == 1


@pytest.mark.parametrize(
    ("decision", "verdict"),
    [
        (Decision("go"), None),
        (Decision("park", "consent", "…"), (77, "consent")),
        (Decision("park", "budget", "…"), (77, "budget")),
        (Decision("wait", "window", "…", 60), (75, "login_not_now")),
        (Decision("wait", "spacing", "…", 60), (75, "login_not_now")),
    ],
)
def test_every_login_the_controller_begins_by_itself_is_asked_about(decision, verdict):
    asked = []
    run = Run(again=lambda: asked.append(1) or decision).say(*LOGIN)
    assert not asked
    run.say("Login attempt: 2")
    assert (len(asked), run.verdict, run.session.at_once) == (1, verdict, verdict is not None)
    assert run.types().count("login_submitted") == 2


def test_login_in_a_run_with_a_token_is_asked_about():
    run = Run(resumes=True, again=lambda: Decision("park", "consent", "…")).say(*LOGIN)
    assert run.verdict == (77, "consent")


def test_login_after_the_end_of_a_run_ends_java_at_once():
    run = Run().say(*LOGIN, "Login failed")
    assert not run.session.at_once
    run.say("Login attempt: 2")
    assert run.session.at_once
    assert run.verdict == (77, "login_refused")


def test_throttled_ends_java_before_the_controller_logs_in_again():
    run = Run().say(*LOGIN, "Too many failed login attempts. Please wait 2 seconds")
    assert run.session.at_once
    assert run.verdict == (77, "throttled")


CARD_OPEN = "detected dialog entitled: Security Code Card Authentication; event=Opened"
CARD_CLOSED = CARD_OPEN.replace("Opened", "Closed")


def test_code_is_waited_for_longer_than_a_push():
    run = Run().say(*LOGIN, CARD_OPEN).wait(599)
    assert run.types() == ["login_submitted", "two_factor_waiting"]
    assert run.detail("two_factor_waiting")["kind"] == "code"
    assert run.session.state == "two_factor"
    assert run.session.sentence(run.now).startswith("waiting for a person to type a code")
    assert run.wait(3).verdict == (77, "code_missing")


def test_code_typed_late_is_no_missed_push():
    run = Run().say(*LOGIN, CARD_OPEN).wait(300)
    run.say(CARD_CLOSED, "Duration since login: 300 seconds", IDLE)
    assert run.verdict is None
    assert run.detail("two_factor_answered") == {"seconds": 300}
    run.say(*SUCCESS[9:])
    assert run.session.wants_api(run.now)


def test_link_that_never_comes_up():
    run = Run().say(*SUCCESS)
    run.session.api_answered(run.now, {}, "down")
    assert run.session.link == "down"
    assert run.session.wants_api(run.now)
    assert run.wait(299).verdict is None
    assert run.types() == ["login_submitted"]
    assert run.wait(3).verdict == (75, "stuck_link")


def test_link_that_comes_up():
    run = Run().say(*SUCCESS)
    run.session.api_answered(run.now, {}, "down")
    run.wait(200).session.api_answered(run.now, {})
    assert (run.session.state, run.session.link) == ("ready", "up")


def test_link_is_given_its_time_after_a_reset():
    reset = [True]
    run = Run(in_window=lambda: reset[0]).say(*SUCCESS)
    run.session.api_answered(run.now, {}, "down")
    assert run.wait(5000).verdict is None
    reset[0] = False
    assert run.wait(290).verdict is None
    assert run.wait(320).verdict == (75, "stuck_link")


def test_full_heap_ends_the_run_even_when_java_lives_on():
    run = Run().say(*SUCCESS)
    run.session.api_answered(run.now, {})
    run.say("java.lang.OutOfMemoryError: Java heap space", raw=True).wait(19)
    assert run.verdict is None
    assert run.wait(3).verdict == (75, "stuck_memory")
    assert "raise the instance's heap" in run.detail("stuck")["text"]


def test_an_idle_launcher_stays_awake_for_a_full_heap():
    run = Run().say(*SUCCESS)
    run.session.api_answered(run.now, {})
    assert not run.session.has_open_questions()
    run.say("java.lang.OutOfMemoryError: Java heap space", raw=True)
    assert run.session.has_open_questions()


def test_device_list_chosen_by_the_controller_is_no_answer():
    run = Run(two_factor_timeout=180).say(*LOGIN, TWO_FACTOR_OPEN, "Click button: OK")
    run.say(TWO_FACTOR_CLOSED, "Duration since login: 0 seconds").wait(30)
    assert run.types() == ["login_submitted"]
    run.say(TWO_FACTOR_OPEN)
    assert run.session.sentence(run.now).endswith("(3m00s left)")
    run.say(TWO_FACTOR_CLOSED, "Duration since login: 9 seconds")
    assert run.detail("two_factor_answered") == {"seconds": 9}


def test_device_chosen_by_a_person():
    run = Run().say(*LOGIN, TWO_FACTOR_OPEN, "You should specify the required second factor device").wait(60)
    run.say(TWO_FACTOR_OPEN.replace("Opened", "Focused"), TWO_FACTOR_CLOSED, TWO_FACTOR_OPEN)
    assert run.session.state == "two_factor"
    assert run.types() == ["login_submitted", "device_choice_needed"]


def test_session_taken_and_won_back_then_given_up():
    run = Run(policy="auto").say(*SUCCESS)
    run.session.api_answered(run.now, {})
    run.say("Re-login to session")
    assert run.session.state == "login"
    run.say("Login has completed")
    run.session.api_answered(run.now, {})
    assert run.types().count("ready") == 2
    run.say("Re-login to session")
    assert run.verdict == (77, "session_taken")


@pytest.mark.parametrize("reason", ["consent", "budget"])
def test_session_taken_is_given_up_at_once_where_no_login_is_allowed(reason):
    run = Run(again=lambda: Decision("park", reason, "…")).say(*SUCCESS, "Re-login to session")
    assert run.verdict == (77, "session_taken")
    assert run.session.at_once
    assert run.detail("session_taken") == {"count": 1, "again": False}


def test_person_chooses_between_sessions():
    run = Run().say(*LOGIN, "User must choose (scenario 1)").wait(100)
    run.say("detected dialog entitled: Existing session detected; event=Closed", *SUCCESS[9:])
    assert run.session.wants_api(run.now)


def test_unknown_window_that_goes_away_is_not_reported():
    run = Run().say(*LOGIN, "detected frame entitled: News; event=Opened").wait(5)
    run.say("detected frame entitled: News; event=Closed").wait(60)
    assert "unknown_dialog" not in run.types()


def test_unknown_window_while_ready_is_reported_only():
    run = Run().say(*SUCCESS)
    run.session.api_answered(run.now, {})
    run.say("detected dialog entitled: API client needs write access; event=Opened").wait(1000)
    assert run.types()[-1] == "unknown_dialog"
    assert run.verdict is None


@pytest.mark.parametrize(
    "words",
    [["Login error message:"], ["detected dialog entitled: Unrecognized Username or Password; event=Opened"]],
)
def test_refused_token_is_no_refused_login(words):
    run = Run(resumes=True).say("version: 3.25.0", "Re-starting session", *words, "Cold restart in progress")
    assert run.verdict == (75, "token_expired")
    assert not {"login_refused", "credentials_rejected"} & set(run.types())


def test_wrong_password_after_a_refused_token_is_one():
    run = Run(resumes=True).say(
        *LOGIN, "detected dialog entitled: Unrecognized Username or Password; event=Opened"
    )
    assert run.verdict == (77, "credentials_rejected")


def test_setting_ibc_refuses_is_an_event_but_no_end():
    run = Run().say("Auto restart time setting must be hh:mm AM or hh:mm PM")
    assert run.detail("configuration_invalid")["continues"] is True
    assert run.verdict is None


def end(status: int, **facts: object) -> End:
    defaults = {"stop_asked": False, "cold_restart": False, "paused": False, "tokens": 0, "lived": 10.0}
    return End(status, **{**defaults, **facts})


@pytest.mark.parametrize(
    ("messages", "how", "code", "events"),
    [
        (SUCCESS, end(0, stop_asked=True), 0, ["stopped"]),
        (SUCCESS, end(0, stop_asked=True, tokens=1), 0, ["stopped"]),
        (SUCCESS, end(-9, stop_asked=True), 0, ["stopped"]),
        (["CommandServer received command: STOP"], end(0), 0, ["stopped"]),
        (["Login failed"], end(0, stop_asked=True), 0, ["stopped"]),
        (SUCCESS, end(0, tokens=1, paused=True), 0, ["stopped"]),
        (SUCCESS, end(0, tokens=1), 75, ["restart_planned"]),
        (SUCCESS, end(0, tokens=2), 75, ["restart_planned"]),
        (SUCCESS, end(0, cold_restart=True), 75, ["restart_planned"]),
        (SUCCESS, end(0), 77, ["session_taken", "parked"]),
        (SUCCESS, end(0, may_return=True), 75, ["session_taken"]),
        (LOGIN, end(0, may_return=True), 77, ["parked"]),
        (LOGIN, end(0), 77, ["parked"]),
        (SUCCESS, end(-9), 75, ["crashed"]),
        (SUCCESS, end(-9, tokens=1), 75, ["crashed"]),
        (SUCCESS, end(76), 75, ["crashed"]),
        (SUCCESS, end(1), 75, ["crashed"]),
        (SUCCESS, end(143), 75, ["crashed"]),
        ([], end(1), 78, ["configuration_invalid"]),
        ([], end(79), 78, ["configuration_invalid"]),
        (LOGIN, end(81), 78, ["configuration_invalid"]),
        (LOGIN, end(85), 78, ["configuration_invalid"]),
        (LOGIN, end(77), 77, ["stuck", "parked"]),
        (LOGIN, end(86), 77, ["competing_session", "parked"]),
        (LOGIN, end(87), 77, ["login_refused", "parked"]),
        ([], end(88), 75, ["stuck"]),
        ([*LOGIN, "detected dialog entitled: Login; event=Opened"], end(76), 75, []),
        ([*LOGIN, "detected dialog entitled: Login; event=Activated"], end(76), 75, []),
        ([*LOGIN, "Login failed"], end(0, cold_restart=True), 77, ["parked"]),
        ([*LOGIN, "Connection to server failed"], end(0, cold_restart=True), 75, []),
    ],
)
def test_what_follows_from_javas_end(messages, how, code, events):
    run = Run().say(*messages)
    verdict, told = decide(how, run.session)
    assert (verdict.code, [kind for kind, _ in told]) == (code, events)
    assert verdict.sentence


def test_out_of_memory_names_the_remedy():
    run = Run().say(*SUCCESS).say("java.lang.OutOfMemoryError: Java heap space", raw=True)
    verdict, [(_, detail)] = decide(end(76), run.session)
    assert detail["out_of_memory"] is True
    assert "raise the instance's heap" in verdict.sentence


@pytest.mark.parametrize(
    "line",
    [
        "java.awt.AWTError: Can't connect to X11 window server using ':4001' as the value of DISPLAY",
        "X connection to :4001 broken (explicit kill or server shutdown).",
        "java: Fatal IO error 11 (Resource temporarily unavailable) on X server :4001.",
    ],
)
@pytest.mark.parametrize("messages", [[], SUCCESS])
def test_dead_x_server_is_named_and_no_configuration(messages, line):
    run = Run().say(*messages).say(line, raw=True)
    verdict, [(kind, detail)] = decide(end(1), run.session)
    assert (verdict.code, kind, detail["text"]) == (75, "crashed", "the X server is gone")
    assert "ibgateway-display@" in verdict.sentence


def test_only_contract_events_and_states():
    allowed = {"starting", "login", "two_factor", "ready"}
    assert set(STATES.values()) == allowed
    for messages in ([*LOGIN, "Login failed"], [*LOGIN, "The system is not currently available."], SUCCESS):
        assert set(Run().say(*messages).types()) <= TYPES


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m00s"), (72, "1m12s"), (7500, "2h05m")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text
