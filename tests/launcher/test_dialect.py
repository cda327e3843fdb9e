"""The dialect reads every line of interest, and nothing else."""

from __future__ import annotations

import pytest
from ibgatewaylib.dialect import IBC, Parser, Signal

STAMP = "2026-11-24 02:26:33:150 IBC: "


def read(*lines: str) -> list[Signal]:
    parser = Parser(IBC)
    return [signal for line in lines for signal in parser.feed(line)] + parser.flush()


def window(title: str, event: str = "Opened", kind: str = "dialog") -> str:
    return f"detected {kind} entitled: {title}; event={event}"


ROWS = [
    ("version: 3.24.1", "process_up", {"version": "3.24.1"}),
    ("Re-starting session", "resuming", {}),
    ("Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT", "login_dialog", {}),
    ("Login attempt: 12", "login_attempt", {"attempt": "12"}),
    ("Found Gateway main window", "main_window", {}),
    (window("Loading...", kind="frame"), "progress", {"title": "Loading..."}),
    (window("Connecting to server...", kind="frame"), "progress", {"title": "Connecting to server..."}),
    (
        window("Attempt 3: connecting to server...", kind="frame"),
        "progress",
        {"title": "Attempt 3: connecting to server..."},
    ),
    (window("Authenticating...", "Activated", "frame"), "progress", {"title": "Authenticating..."}),
    (
        window("Requesting startup parameters...", kind="frame"),
        "progress",
        {"title": "Requesting startup parameters..."},
    ),
    (window("Starting application...", kind="frame"), "progress", {"title": "Starting application..."}),
    (window("Second Factor Authentication"), "two_factor_open", {"title": "Second Factor Authentication"}),
    (
        window("Second Factor Authentication", "Focused"),
        "two_factor_seen",
        {"title": "Second Factor Authentication"},
    ),
    (
        window("Security Code Card Authentication"),
        "two_factor_open",
        {"title": "Security Code Card Authentication"},
    ),
    ("Second Factor Authentication initiated", "two_factor_asked", {}),
    (
        "You should specify the required second factor device using …",
        "device_choice",
        {"text": "You should specify the required second factor device using …"},
    ),
    (
        "could not find second factor device 'X' in the list",
        "device_choice",
        {"text": "could not find second factor device 'X' in the list"},
    ),
    (
        "could not select second factor device",
        "device_choice",
        {"text": "could not select second factor device"},
    ),
    ("Selected second factor device: IB Key", "device_chosen", {}),
    ("Click button: OK", "device_chosen", {}),
    (
        window("Second Factor Authentication", "Closed"),
        "two_factor_closed",
        {"title": "Second Factor Authentication"},
    ),
    ("Duration since login: 180 seconds", "two_factor_duration", {"seconds": "180"}),
    ("Re-login after second factor authentication timeout in 5 second", "two_factor_retry", {}),
    ("Re-login after second factor authentication timeout not required", "two_factor_idle", {}),
    (
        "IBC closing because login has not completed after Second Factor Authentication",
        "two_factor_failed",
        {},
    ),
    (
        "User must choose whether to continue with this session (scenario 1)",
        "existing_session",
        {"text": "User must choose whether to continue with this session", "scenario": "1"},
    ),
    (
        "Other session may be primary (scenario 6)",
        "existing_session",
        {"text": "Other session may be primary", "scenario": "6"},
    ),
    (
        "ExistingSessionDetectedAction has an invalid value: x: assuming 'secondary'",
        "setting_refused",
        {"text": "ExistingSessionDetectedAction has an invalid value: x: assuming 'secondary'"},
    ),
    (window("Existing session detected", "Closed"), "choice_made", {"title": "Existing session detected"}),
    ("Re-login to session", "taken", {}),
    ("Trading Login Handoff dialog; {}", "handoff", {"text": "{}"}),
    ("Trading Login Handoff dialog; error: {}", "handoff", {"text": "error: {}"}),
    ("Login failed", "login_failed", {}),
    ("Cold restart in progress", "cold_restart", {}),
    (
        "Connection to server failed: no route",
        "connection_failed",
        {"text": "Connection to server failed: no route"},
    ),
    (
        window("Unrecognized Username or Password"),
        "credentials_rejected",
        {"title": "Unrecognized Username or Password"},
    ),
    (
        "Too many failed login attempts. Please wait 2 minutes & 3 seconds",
        "throttled",
        {"text": "Too many failed login attempts. Please wait 2 minutes & 3 seconds"},
    ),
    (window("Login"), "maintenance", {"title": "Login"}),
    ("The system is not currently available.", "maintenance", {}),
    (window("India Password Notice", kind="frame"), "password_expiring", {"title": "India Password Notice"}),
    ("IBC closing after TWS/Gateway failed to display login dialog", "no_login_dialog", {}),
    (
        "Login dialog has been invalidated - initiate cold restart",
        "login_window_broken",
        {"text": "Login dialog has been invalidated - initiate cold restart"},
    ),
    (
        "could not login: could not find control: Log In",
        "login_window_broken",
        {"text": "could not find control: Log In"},
    ),
    ("Login has completed", "logged_in", {}),
    ("Configuration tasks completed", "configured", {}),
    (window("IBKR Configuration", "Closed"), "settings_applied", {"title": "IBKR Configuration"}),
    (
        "getConfigDialog could not find Settings",
        "setting_refused",
        {"text": "getConfigDialog could not find Settings"},
    ),
    (
        "Auto restart time setting must be hh:mm AM or hh:mm PM",
        "setting_refused",
        {"text": "Auto restart time setting must be hh:mm AM or hh:mm PM"},
    ),
    (
        'Invalid number "7462 " for property "CommandServerPort"',
        "setting_refused",
        {"text": 'Invalid number "7462 " for property "CommandServerPort"'},
    ),
    ("CommandServer received command: STOP", "command", {"verb": "STOP"}),
    ("CommandServer failed to create socket", "command_port_failed", {}),
    ("Setting auto-restart time to 02:32 AM", "restart_scheduled", {"at": "02:32 AM"}),
    (window("Shutdown progress"), "shutdown", {"title": "Shutdown progress"}),
    ("Exiting after error with exit code=1100", "error_exit", {"code": "1100"}),
    (window("Login Messages"), "unknown_window", {"title": "Login Messages"}),
    (window("** no title **"), "unknown_window", {"title": "** no title **"}),
    (
        window("API client needs write access action confirmation"),
        "unknown_window",
        {"title": "API client needs write access action confirmation"},
    ),
    (window("Login Messages", "Closed"), "window_closed", {"title": "Login Messages"}),
]


@pytest.mark.parametrize(
    ("message", "name", "detail"), ROWS, ids=[f"{i}-{row[1]}" for i, row in enumerate(ROWS)]
)
def test_every_row(message, name, detail):
    assert read(STAMP + message) == [Signal(name, **detail)]
    # IBC has changed the case of its words between versions.
    assert [signal.name for signal in read(STAMP + message.swapcase())] == [name]


@pytest.mark.parametrize(
    "message",
    [
        "Setting user name",
        "Setting password",
        "Click button: Log In",
        "Getting config dialog",
        "Login has completed: exiting via [File, Close] menu",
        "STOP already in progress",
        window("IBKR Gateway", kind="frame"),
        window("IBKR Gateway", "Lost focus", "frame"),
        window("trader Trader Workstation Configuration"),
        window("Existing session detected"),
        window("Login failed"),
        window("Warning"),
    ],
)
def test_nothing_to_say(message):
    assert read(STAMP + message) == []


@pytest.mark.parametrize("line", ["", "Login failed", "Gateway's own output", "!" * 79, "IBC: Login failed"])
def test_lines_that_are_not_ibcs(line):
    assert read(line) == []


def test_error_text_follows_on_the_next_lines():
    signals = read(
        STAMP + "Login error message:",
        "Your account",
        "is <b>locked</b>.",
        STAMP + "Cold restart in progress",
    )
    assert signals == [Signal("login_error", text="Your account is locked ."), Signal("cold_restart")]


def test_error_text_at_the_end_of_the_output():
    assert read(STAMP + "Login error message:", "Bye") == [Signal("login_error", text="Bye")]


def test_exception_text():
    signals = read(
        "!" * 79,
        STAMP + "An exception has occurred:",
        "null source",
        "!" * 79,
        STAMP + "Exiting after error with exit code=1100",
    )
    assert signals == [Signal("exception", text="null source"), Signal("error_exit", code="1100")]


def test_words_of_an_unknown_window():
    signals = read(
        STAMP + window("Notice"),
        STAMP + "Window structure for dialog entitled: Notice; event=Opened",
        "null.contentPane(javax.swing.JPanel){Object.Component.Container.JComponent.JPanel}",
        "|   null(javax.swing.JLabel){JLabel: <html>Please&nbsp;read</html>}",
        "|   null(javax.swing.JTextArea){JTextArea: two",
        "lines}",
        "|   null(javax.swing.JTextField){JTextField: username}",
        "|   null(javax.swing.JLabel){JLabel: }",
    )
    assert signals == [
        Signal("unknown_window", title="Notice"),
        Signal("window_text", text="Please read"),
        Signal("window_text", text="two lines"),
    ]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Unrecognized VM option 'UseNothing'", "java_refused"),
        ("Error: Could not find or load main class ibcalpha.ibc.IbcGateway", "java_refused"),
        ("Error occurred during initialization of VM", "java_refused"),
        ("java.lang.OutOfMemoryError: Java heap space", "out_of_memory"),
    ],
)
def test_javas_own_lines(line, name):
    assert [signal.name for signal in read(line)] == [name]


def test_the_documented_signals_are_the_tables():
    from ibgatewaylib import dialect

    documented = {
        line.split()[0] for line in dialect.__doc__.split("====\n")[1].splitlines() if line[:1].islower()
    }
    used = {name.partition(":")[0] for name, _ in IBC.messages + IBC.raw} | {
        name for name, _, _ in IBC.windows if name
    }
    assert documented == used | {"window_text"}
