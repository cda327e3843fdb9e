"""What people are told: one table, from event type to words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from .events import Event

# Parts of `detail` that may be shown, and what to call them. Everything else stays on the host.
SHOWN = {
    "text": "In detail",
    "reason": "Reason",
    "outcome": "Outcome",
    "until": "Until",
    "title": "Window",
    "attempt": "Attempt",
    "again": "Tries again",
    "continues": "Goes on",
    "after": "Had run for",
    "appointment": "Appointment",
    "out_of_memory": "Out of memory",
    "exit_code": "Exit code",
    "signal": "Signal",
}
LONGEST_DETAIL = 200
LATE = timedelta(minutes=1)
# IBKR account ids: U1234567, DU1234567 (paper), F…/DF… (advisor), I… (fund).
ACCOUNT = re.compile(r"\bD?[UFI]\d{4,}\b")


class Words(NamedTuple):
    """What is said about one event type.

    Attributes:
        severity: info, warning, action (you must do something) or critical.
        told: whether it is sent; the others are steps on the way and only reach the journal.
        title: a few words for a phone's lock screen.
        happened: one or two sentences.
        machine: what the machine does about it.
        you: what the reader does now. `{name}` is the instance.
    """

    severity: str
    told: bool
    title: str
    happened: str
    machine: str
    you: str


NOTHING = "Nothing."
# Not `start`: that parks where a login waits for consent. This one starts in every case.
LOGIN = "sudo ibgatewayctl login {name}"
LOG = "sudo ibgatewayctl log {name}"

WORDS = {
    "starting": Words(
        "info", False, "Gateway is starting",
        "IB Gateway is being started.",
        "It waits until Gateway is ready or a login is needed.",
        NOTHING,
    ),
    "token_restart": Words(
        "info", False, "Restarting without a tap",
        "IB Gateway comes back with the login it saved.",
        "It waits until Gateway is ready.",
        NOTHING,
    ),
    "login_submitted": Words(
        "info", False, "Logging in",
        "User name and password were submitted to IBKR.",
        "It waits for IBKR's answer.",
        NOTHING,
    ),
    "two_factor_waiting": Words(
        "action", True, "Approve IB Key now",
        "IBKR sent a request to IB Key on your phone and waits for your approval.",
        "It waits. IBKR withdraws the request after about 3 minutes.",
        "Open IBKR Mobile and approve. No notification? Open the app by hand: the request may wait there.",
    ),
    "two_factor_answered": Words(
        "info", True, "IB Key answered",
        "The IB Key request was answered.",
        "It waits for the login to complete, and tells you when Gateway is ready.",
        "Nothing. If it was not you who answered, change your IBKR password.",
    ),
    "two_factor_missed": Words(
        "action", True, "IB Key request missed",
        "Nobody answered the IB Key request in time. IBKR may count that as a failed login.",
        "This login has ended. The next message says whether the machine tries again or waits for you.",
        "Phone in hand? " + LOGIN + " sends a new request. If none arrives, check the phone's notifications, "
        "battery saver and do-not-disturb.",
    ),
    "ready": Words(
        "info", True, "Ready",
        "IB Gateway is logged in and its API answers.",
        "It keeps the session.",
        NOTHING,
    ),
    "login_refused": Words(
        "critical", True, "Login refused",
        "IBKR refused the login.",
        "It does not repeat the login: that could lock the account.",
        "Read why: " + LOG + ". Put it right, then: " + LOGIN,
    ),
    "credentials_rejected": Words(
        "critical", True, "User name or password wrong",
        "IBKR did not accept the user name or the password.",
        "It stops trying: repeated wrong logins lock the account.",
        "Correct them in your inventory, run the playbook again, then: " + LOGIN,
    ),
    "throttled": Words(
        "action", True, "Too many login attempts",
        "IBKR says that there were too many failed logins, and makes this user wait.",
        "It does not add to them.",
        "Do not log in with this user anywhere for now. Find out what failed before: "
        "sudo ibgatewayctl events {name}",
    ),
    "maintenance": Words(
        "warning", True, "IBKR is under maintenance",
        "IBKR says that its servers are under maintenance.",
        "It tries again a few times at most, or waits for your consent to do so.",
        "Nothing now. No 'Ready' in an hour? Look at IBKR's system status page, then: " + LOGIN,
    ),
    "competing_session": Words(
        "action", True, "Somebody else is logged in",
        "Another session uses the same IBKR user: the mobile app, TWS or another Gateway.",
        "It does what ExistingSessionDetectedAction in ibc_settings says, and does not fight over it.",
        "Log out there, then: " + LOGIN + ". A second IBKR user only for Gateway prevents this.",
    ),
    "session_taken": Words(
        "action", True, "Session taken over",
        "Another login with the same IBKR user ended this Gateway's session.",
        "It tries to come back once, if your policy allows that, then waits for you.",
        "Was it you? Log out there, then: " + LOGIN + ". Was it not? Change your IBKR password now.",
    ),
    "connection_failed": Words(
        "warning", True, "IBKR cannot be reached",
        "IB Gateway could not connect to IBKR's servers.",
        "It tries again a few times at most; where that is a login, it may wait for your consent.",
        "No 'Ready' soon? Check the server's network and IBKR's system status page, then: " + LOGIN,
    ),
    "password_expiring": Words(
        "action", True, "Password expires soon",
        "IBKR says that this user's password expires.",
        "It goes on as long as the password is good.",
        "Change the password at IBKR, put the new one into your inventory, and run the playbook before the "
        "next login.",
    ),
    "unknown_dialog": Words(
        "action", True, "Gateway shows an unknown window",
        "IB Gateway shows a window that nobody has taught the machine to answer.",
        "It leaves the window alone.",
        "See which window it is: " + LOG,
    ),
    "device_choice_needed": Words(
        "action", True, "IBKR asks which device to use",
        "This IBKR user has more than one second-factor device, and none is chosen.",
        "It does not guess.",
        "Set SecondFactorDevice in ibc_settings to the device's exact name, run the playbook, then: " + LOGIN,
    ),
    "stuck": Words(
        "critical", True, "Gateway is stuck",
        "IB Gateway got no further for too long.",
        "It ends this attempt. The next message says whether it tries again or waits for you.",
        "See where it stopped: " + LOG,
    ),
    "restart_planned": Words(
        "info", False, "Daily restart",
        "IB Gateway ends for its planned restart.",
        "It starts Gateway again with the saved login.",
        NOTHING,
    ),
    "restart_missed": Words(
        "warning", True, "Daily restart did not happen",
        "IB Gateway did not restart at its planned time.",
        "It makes up for it, unless something speaks against that.",
        "Look for the reason: " + LOG,
    ),
    "stopping": Words(
        "info", False, "Gateway is stopping",
        "IB Gateway was asked to stop.",
        "It logs out properly.",
        NOTHING,
    ),
    "stopped": Words(
        "info", True, "Stopped",
        "IB Gateway was stopped as asked.",
        "It stays stopped until somebody starts it.",
        "To start it again: " + LOGIN,
    ),
    "crashed": Words(
        "critical", True, "Gateway died",
        "IB Gateway ended without being asked to.",
        "It starts Gateway again a few times at most. Without a saved login, a live instance waits for your "
        "consent or, if your policy is auto, asks for IB Key.",
        "Keep your phone at hand: the next message says what it needs. Look for the reason: " + LOG,
    ),
    "parked": Words(
        "action", True, "Waiting for you",
        "IB Gateway is not running, and will not be started again without you.",
        "It does not log in by itself, so that nothing gets worse.",
        "Put right what this or the previous message names. Then: " + LOGIN,
    ),
    "configuration_invalid": Words(
        "critical", True, "Configuration not accepted",
        "Something in IB Gateway's configuration is wrong.",
        "It does not start Gateway with what cannot work. One refused setting alone does not stop it.",
        "Correct it in your inventory and run the playbook again. Not running? " + LOGIN,
    ),
    "login_deferred": Words(
        "info", True, "Login put off",
        "A login is due but not allowed yet: IBKR's servers reset, or the last login was a moment ago.",
        "It waits, and logs in by itself if your policy allows that.",
        NOTHING,
    ),
    "consent_needed": Words(
        "action", True, "May I send you the push?",
        "A login is due. It asks for IB Key on your phone, so it waits for your word.",
        "It does not log in, and IBKR sends you nothing, before you say so.",
        "Phone in hand? " + LOGIN,
    ),
    "settings_differ": Words(
        "warning", True, "Gateway's settings are not yours",
        "Gateway has settings other than those of your inventory.",
        "It goes on with what Gateway has, and compares again at the next start.",
        "See all of them: sudo ibgatewayctl status {name} --json. Correct your inventory, or Gateway itself "
        "over VNC: sudo ibgatewayctl vnc {name}",
    ),
}  # fmt: skip


MACHINE = {
    ("restart_missed", "soft_restart"): "It asks Gateway to restart now, with the saved login: no tap.",
    ("restart_missed", "full_restart"): "It logs out now, and in again if your policy allows that.",
    ("restart_missed", "nothing"): "It does not make up for it, see the reason: Gateway goes on as it is.",
}
"""What the machine does, by event type and `detail.action`, where that decides."""


@dataclass(frozen=True)
class Message:
    """What a channel sends: severity, title (one line) and body (plain text)."""

    severity: str
    title: str
    body: str


def words_for(kind: str) -> Words:
    """Return the words for an event type; for an unknown one, words that say so."""
    if kind in WORDS:
        return WORDS[kind]
    return Words(
        "warning", True, f"Unknown event {kind}",
        f"The launcher reported '{kind}', which this watcher does not know.",
        "It goes on watching.",
        "Run the playbook again, so that both come from the same release. Details: "
        "sudo ibgatewayctl events {name}",
    )  # fmt: skip


def compose(event: Event, host: str, now: datetime) -> Message:
    """Return the message about an event.

    Args:
        event: what happened.
        host: how the operator calls this machine.
        now: the present time; a message about something older than a minute says that it is late.
    """
    words = words_for(event.type)
    lines = [
        words.happened,
        f"Since: {_clock(event.time)}",
        f"The machine: {_machine(event, words)}",
        f"You: {words.you.format(name=event.instance)}",
        *_details(event.detail),
    ]
    delay = now - event.time
    if delay > LATE:
        lines.append(f"This message is late by {_duration(delay)}.")
    return Message(
        words.severity, f"[{words.severity}] {event.instance} on {host}: {words.title}", "\n".join(lines)
    )


def _machine(event: Event, words: Words) -> str:
    action = event.detail.get("action")
    # What is not text may not even be a key.
    return MACHINE.get((event.type, action), words.machine) if isinstance(action, str) else words.machine


def _details(detail: dict[str, Any]) -> list[str]:
    shown = []
    for key, label in SHOWN.items():
        value = detail.get(key)
        if key == "reason" and detail.get("text"):
            continue  # the launcher's own word for what the text says
        if isinstance(value, bool):
            shown.append(f"{label}: {'yes' if value else 'no'}")
        elif isinstance(value, str | int) and value != "":
            shown.append(f"{label}: {_clean(str(value))}")
    return shown


def _clean(text: str) -> str:
    """Make one harmless line of what a window or a program said."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = ACCOUNT.sub("(account)", line)
    return line if len(line) <= LONGEST_DETAIL else line[: LONGEST_DETAIL - 1] + "…"


def _clock(moment: datetime) -> str:
    """Write a time as the host's own clock shows it."""
    local = moment.astimezone()
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S %Z}"


def _duration(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
