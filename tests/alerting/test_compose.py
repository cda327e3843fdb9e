"""Every message's words, kept as golden files. To accept new words: UPDATE_GOLDEN=1 pytest tests/alerting"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from ibgateway_alerting import rules
from ibgateway_alerting.catalogue import catalogue
from ibgateway_alerting.model import HOST, SEVERITIES, Incident, Message
from ibgateway_alerting.watch import compose, presses
from ibgateway_alerting.watch.compose import OPENED, PHASES, RESOLVED, Context
from ibgateway_alerting.watch.view import InstanceView

GOLDEN = Path(__file__).with_name("golden")
START = datetime(2026, 11, 24, 21, 15, 3, tzinfo=UTC).timestamp()
TABLE = rules.load()
HOST_KINDS = ("network_down", "dns_down", "disk_full", "clock_wrong", "store_damaged", "channel_failing")

DETAILS = {
    "push_missed": {"reason": "login_due", "missed": 1},
    "login_refused": {"text": "This user is not known"},
    "credentials_rejected": {"text": "Unrecognized Username or Password"},
    "passkey_required": {"text": "Required PassKey is not supported"},
    "password_expired": {"text": "Your password has expired"},
    "gateway_desupported": {"text": "This version is no longer supported"},
    "throttled": {"text": "Too many failed login attempts. Please wait 5 minutes"},
    "competing_session": {"outcome": "given way", "scenario": 2},
    "session_taken": {"count": 1, "again": False},
    "connection_failed": {"text": "Connection to server failed: the server is unreachable."},
    "password_expiring": {"text": "Password Notice"},
    "unknown_dialog": {"title": "Notice to customers", "text": "Do you agree?"},
    "device_choice_needed": {"text": "IB Key, Mobile Authenticator"},
    "code_needed": {"title": "Security Code Card Authentication"},
    "stuck": {"where": "api", "text": "the API did not answer within 2m00s"},
    "stuck_display": {"where": "display", "text": "the X server :10 does not answer"},
    "crashed": {"after": "3h02m", "state": "ready", "exit_code": 76},
    "out_of_memory": {"after": "3h02m", "state": "ready", "signal": 9, "out_of_memory": True},
    "parked": {"reason": "closed", "text": "Gateway closed before the login was complete"},
    "unit_failed": {"text": "signal, 9"},
    "configuration_invalid": {"text": "IBC refused a setting"},
    "logins_too_often": {"count": 3},
    "login_deferred": {
        "until": "2026-11-25T06:45:00Z", "reason": "window", "text": "IBKR's servers reset: the login waits",
    },
    "settings_differ": {"text": "ReadOnlyApi: wanted yes, found false"},
    "restart_slow": {"state": "starting"},
    "upgrade_failed": {"text": "IB Gateway 10.37.1 → 10.45.1: Java did not start"},
    "upgraded": {"text": "IB Gateway 10.37.1 → 10.45.1"},
    "api_down": {"stage": "port", "text": "connection refused"},
    "api_wedged": {"stage": "time", "text": "no answer in 10 s, 3 connections in CLOSE_WAIT"},
    "link_lost": {"code": "1100"},
    "farm_down": {"farms": ["usfarm", "hfarm"]},
    "network_down": {"how": "no_route", "text": "there is no default route"},
    "disk_full": {"path": "/var/lib/ibgateway", "free": "1.5 %"},
    "channel_failing": {"channel": ["mail"]},
    "unknown_event": {"type": "from_the_future"},
}  # fmt: skip
"""What the brain adds to each kind; kinds that are not here come without."""


def incident(kind: str, **detail) -> Incident:
    """An incident as the rules make it, 75 seconds old."""
    rule = max(TABLE.of(kind), key=lambda rule: SEVERITIES.index(rule.severity))
    instance = HOST if kind in HOST_KINDS else "live"
    told = START + rule.delay
    return Incident(
        instance, kind, rule.severity, START, id=17, told=told, detail=detail or DETAILS.get(kind, {})
    )


def context(now: float = START + 75, **more) -> Context:
    return Context("vps1", now, ZoneInfo("Europe/Zurich"), **more)


def written(message: Message, actions: list[str] | None = None) -> str:
    buttons = "".join(f"[{presses.LABELS[action]}] " for action in actions or ()).strip()
    return f"{message.title}\n\n{message.body}\n" + (f"\n{buttons}\n" if buttons else "")


def is_golden(name: str, parts: dict[str, str]) -> None:
    text = "\n".join(f"=== {head}\n{part}" for head, part in parts.items())
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


def offered(about: Incident) -> list[str]:
    """The buttons a phone shows, for an instance that is down or up, as the kind has it."""
    if about.instance == HOST:
        return presses.offers(about, None, START)
    up = about.kind in presses.SOFT_KINDS
    view = InstanceView("live", state="ready" if up else "parked", unit="active" if up else "inactive")
    return presses.offers(about, view, START)


# --- golden files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in catalogue() if kind != "login"])
def test_words(kind):
    about = incident(kind)
    parts = {OPENED: written(compose.message(about, OPENED, context()), offered(about))}
    for variant in catalogue()[kind].variants:
        other = incident(kind, **{**DETAILS.get(kind, {}), **variant.when})
        facts = ", ".join(f"{key}={value}" for key, value in variant.when.items())
        parts[f"{OPENED}, {facts}"] = written(compose.message(other, OPENED, context()), offered(other))
    about.resolved = START + 75
    parts[RESOLVED] = written(compose.message(about, RESOLVED, context()))
    is_golden(kind, parts)


def test_words_of_the_other_phases():
    about = incident("link_lost")
    remedied = {"remedy": "reset", "policy": "consent", "mode": "live", "note": "", "flapping": 0}
    later = START + 120
    parts = {
        "progress": written(
            compose.message(about, "progress", context(later, extra={**remedied, "note": "Anna: I'm on it"}))
        ),
        "progress, flapping": written(
            compose.message(about, "progress", context(later, extra={**remedied, "flapping": 3}))
        ),
        "escalated": written(
            compose.message(
                about,
                "escalated",
                context(START + 1020, next_step="mail to Ben at 22:45 CET.", extra={"who": "Anna"}),
            )
        ),
        "reminded": written(
            compose.message(about, "reminded", context(START + 4 * 3600, next_step="a reminder in 4 h."))
        ),
    }
    is_golden("phases", parts)


def test_nothing_lies_about_that_is_no_message():
    ours = {*(kind for kind in catalogue() if kind != "login"), "phases"}
    assert ours <= {path.stem for path in GOLDEN.glob("*.txt")}
    others = {path.stem for path in GOLDEN.glob("*.txt")} - ours
    assert all(name.startswith(("login.", "login_", "reminder", "digest", "test")) for name in others), others


# --- what holds for all of them ---------------------------------------------------------------------------

CANARY = {
    "text": "user canary-user of U7654321\nsaid \x1b[31mhello\x00",
    "title": "DU7654321",
    "farms": ["F7654321"],
    "username": "canary-user-name",
    "password": "canary-password",
    "accounts": ["U1111111"],
    "url": "tgram://canary",
    "told_on": ["canary-channel"],
    "outcome": {"canary": 1},
    "until": "canary",
    "exit_code": None,
    "signal": True,
}


EVERY = [pytest.param(kind, phase, id=f"{kind}-{phase}") for kind in catalogue() for phase in PHASES]


@pytest.mark.parametrize(("kind", "phase"), EVERY)
def test_it_says_the_same_five_things(kind, phase):
    message = compose.message(incident(kind), phase, context())
    lines = message.body.splitlines()
    starts = [line.partition(": ")[0] for line in lines]
    for word in ("Since", "The machine", "You", "Next"):
        assert starts.count(word) == 1, word
    assert ("Runbook" in starts) == (phase != RESOLVED)
    assert all(line == line.strip() and line for line in lines)


@pytest.mark.parametrize(("kind", "phase"), EVERY)
def test_its_title_fits_a_lock_screen(kind, phase):
    message = compose.message(incident(kind), phase, context())
    assert re.match(r"\[(info|warning|action|critical)\] (live on )?vps1: [A-Z]", message.title)
    assert message.severity == message.title[1:].partition("]")[0]
    assert len(message.title) <= 75, message.title
    assert len(message.body) <= 900


@pytest.mark.parametrize(("kind", "phase"), EVERY)
def test_no_secret_and_no_account_gets_out(kind, phase):
    about = incident(kind, **CANARY)
    message = compose.message(about, phase, context())
    text = message.title + message.body
    assert not re.search(r"\d{6,}", text)
    assert "canary-user-name" not in text
    assert "canary-password" not in text
    assert "tgram" not in text
    assert "canary-channel" not in text
    assert not any(ord(c) < 32 for c in text if c != "\n")


@pytest.mark.parametrize("kind", list(catalogue()))
def test_the_instances_name_is_put_in(kind):
    about = incident(kind)
    about.instance = about.instance and "second"
    message = compose.message(about, OPENED, context())
    assert "{" not in message.body
    assert "ibgatewayctl login live" not in message.body


# --- details ----------------------------------------------------------------------------------------------


def test_the_policy_decides_what_the_machine_does():
    asks = compose.message(incident("push_missed"), OPENED, context(extra={"policy": "consent"}))
    tries = compose.message(incident("push_missed"), OPENED, context(extra={"policy": "auto"}))
    assert "before you say so" in asks.body
    assert "within the login budget" in tries.body


def test_a_reason_is_shown_where_no_text_says_it():
    why = {"action": "nothing", "reason": "there were 3 soft restarts in 24 hours already"}
    bare = compose.message(incident("restart_missed", **why), OPENED, context())
    told = compose.message(incident("parked", reason="closed", text="Gateway closed."), OPENED, context())
    assert "\nReason: there were 3 soft restarts in 24 hours already\n" in bare.body
    assert "\nIn detail: Gateway closed.\n" in told.body
    assert "Reason" not in told.body


def test_its_end_says_how_and_how_long():
    about = incident("link_lost")
    about.resolved, about.outcome = START + 3600, "back after a restart"
    message = compose.message(about, RESOLVED, context())
    assert message.body.splitlines()[0] == "Back after a restart. It lasted 60 min."
    assert message.severity == "info"


def test_what_comes_next_is_said():
    message = compose.message(incident("link_lost"), OPENED, context(next_step="mail to Ben at 22:30 CET."))
    assert "\nNext: mail to Ben at 22:30 CET.\n" in message.body


def test_a_kind_of_another_release():
    about = Incident("live", "from_the_future", "warning", START, id=1, told=START)
    message = compose.message(about, OPENED, context())
    assert message.title == "[warning] live on vps1: Unknown event"
    assert message.body.endswith("ibgatewayctl explain unknown_event")
