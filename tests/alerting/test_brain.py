"""What people hear of what happens: at once, once, in one conversation; nothing when all is well."""

from __future__ import annotations

import dataclasses
import json

import pytest
from alerting_tools import FakeClock, channel
from ibgateway_alerting.watch.view import HostView, InstanceView, Login
from story import Story, loud

RESET = "ibgateway-reset@live.service"
CONSENT = "ibgateway-consent@live.service"


def restart_by_token(story: Story, name: str = "live", seconds: float = 70) -> list:
    """A planned restart as the launcher tells it."""
    heard = story.see("probe", "port", name)
    story.wait(8)
    heard += story.event(
        "restart_planned", name, kind="token", reason="Gateway restarts with its saved session"
    )
    heard += story.see("unit", "activating", name)
    heard += story.state("starting", name)
    heard += story.wait(2)
    heard += story.event("starting", name, resumes=True)
    heard += story.event("token_restart", name)
    heard += story.wait(seconds)
    heard += story.event("ready", name, seconds=seconds)
    heard += story.see("unit", "active", name)
    heard += story.state("ready", name)
    heard += story.see("probe", "ok", name)
    heard += story.see("link", "up", name)
    return heard + story.wait(900)


# --- nothing is said when all is well ---------------------------------------------------------------------


def test_planned_restart_is_silent(story: Story):
    story.ready()
    assert restart_by_token(story) == []
    assert story.open_kinds() == []


def test_watcher_that_starts_beside_a_ready_gateway_is_silent(story: Story):
    story.see("unit", "active")
    story.state("ready")
    story.see("probe", "ok")
    assert story.wait(3600) == []


def test_reset_with_its_blips_is_silent(story: Story, clock: FakeClock):
    clock.set("2026-11-24T23:00:00-05:00")
    story.ready()
    story.until("2026-11-24T23:50:00-05:00")
    for _ in range(3):
        story.see("link", "down", text="1100")
        story.see("farm", ("usfarm", "hfarm"))
        story.wait(600)
        story.see("link", "up", text="1102")
        story.see("farm", ())
        story.wait(60)
    story.see("probe", "time")
    story.wait(120)
    story.see("probe", "ok")
    story.until("2026-11-25T06:00:00-05:00")
    assert story.heard == []


def test_quiet_weekend_is_silent_for_links_and_not_for_crashes(story: Story, clock: FakeClock):
    clock.set("2026-11-28T12:00:00-05:00")
    story.ready()
    story.see("link", "down", text="1100")
    assert story.wait(3600) == []
    assert loud(story.event("crashed", signal=9)) == ["Gateway died"]


def test_paper_stops_and_starts_daily_in_silence(story: Story, clock: FakeClock):
    story.ready("paper")
    clock.set("2026-11-24T17:17:00-05:00")
    story.event("stopping", "paper", state="ready")
    story.event("stopped", "paper", reason="stopped")
    story.see("unit", "inactive", "paper")
    story.state("stopped", "paper")
    story.wait(180)
    story.event("starting", "paper", resumes=False)
    story.event("login_submitted", "paper", attempt=1)
    story.see("unit", "activating", "paper")
    story.wait(60)
    story.ready("paper")
    story.wait(1800)
    assert story.heard == []


def test_paper_that_does_not_come_back_is_told(story: Story, clock: FakeClock):
    story.ready("paper")
    clock.set("2026-11-24T17:17:00-05:00")
    story.event("stopped", "paper", reason="stopped")
    story.see("unit", "inactive", "paper")
    heard = story.wait(700)
    assert loud(heard) == ["Planned restart takes too long"] * 2
    assert [one.severity for one in heard if one.channel == "phone"] == ["warning", "critical"]


def test_stop_by_an_operator_is_told_if_it_lasts(story: Story):
    story.ready()
    story.event("stopping", state="ready")
    story.event("stopped", reason="stopped")
    story.see("unit", "inactive")
    story.state("stopped")
    assert story.wait(59) == []
    assert loud(story.wait(2)) == ["Stopped"]
    story.event("starting", resumes=False)
    story.ready()
    assert loud(story.heard[1:]) == ["Over: Stopped"]


# --- restarts that go wrong -------------------------------------------------------------------------------


def test_restart_that_takes_too_long_is_told_after_five_and_ten_minutes(story: Story):
    story.ready()
    story.event("restart_planned", kind="token")
    story.event("starting", resumes=True)
    assert story.wait(299) == []
    (warning,) = [one for one in story.wait(2) if one.channel == "phone"]
    assert (warning.severity, warning.words) == ("warning", "Planned restart takes too long")
    assert story.wait(297) == []
    (critical,) = [one for one in story.wait(3) if one.channel == "phone"]
    assert critical.severity == "critical"
    assert critical.incident == warning.incident
    assert loud(story.event("ready")) == ["Over: Planned restart takes too long"]


def test_events_read_late_are_judged_by_their_own_time(story: Story, clock: FakeClock):
    story.event("ready", age=7300)
    story.event("restart_planned", kind="token", age=7200)
    story.event("starting", resumes=True, age=7195)
    story.event("ready", age=7130)
    assert story.heard == []
    story.event("restart_planned", kind="token", age=3600)
    assert loud(story.event("ready", age=3200)) == [
        "Planned restart takes too long", "Over: Planned restart takes too long",
    ]  # fmt: skip


def test_crash_is_told_at_once_and_its_end(story: Story):
    story.ready()
    (heard,) = [one for one in story.event("crashed", signal=9, after="2h05m") if one.channel == "phone"]
    assert (heard.severity, heard.words) == ("critical", "Gateway died")
    story.event("starting", resumes=True)
    story.event("token_restart")
    story.wait(23)
    heard = story.event("ready")
    assert loud(heard) == ["Over: Gateway died"]
    assert "It lasted 23 s" in heard[0].body
    assert story.open_kinds() == []


def test_out_of_memory_is_not_told_beside_the_crash(story: Story):
    story.ready()
    story.see("oom", 0)
    story.event("crashed", signal=9)
    heard = story.see("oom", 1)
    assert loud(heard) == ["Out of memory"]
    assert story.open_kinds() == ["out_of_memory"]
    assert heard[0].incident == story.heard[0].incident


def test_unit_that_fails_without_a_word(story: Story):
    story.ready()
    story.see("unit", "failed", text="signal 9")
    assert story.wait(9) == []
    assert loud(story.wait(2)) == ["Gateway's service is down"]
    story.event("starting", resumes=False)  # the run before never said that it ended
    story.ready()
    assert story.open_kinds() == []


def test_run_that_vanished_is_told_when_the_next_begins(story: Story):
    story.ready()
    story.see("unit", "activating")
    heard = story.event("starting", resumes=True)
    assert loud(heard) == ["Gateway's service is down"]
    assert heard[0].severity == "warning"


# --- one park, one message --------------------------------------------------------------------------------

PARKS = [
    ([("credentials_rejected", {"text": "Unrecognized Username or Password"})], "credentials_rejected", None),
    ([("login_refused", {"text": "Login failed"})], "login_refused", None),
    ([("login_refused", {"text": "Required PassKey is not supported"})], "login_refused", "passkey_required"),
    ([("login_refused", {"text": "Your password has expired"})], "login_refused", "password_expired"),
    ([("login_refused", {"text": "is no longer supported"})], "login_refused", "gateway_desupported"),
    ([("login_refused", {"text": "the second factor was denied"})], "second_factor_refused", None),
    ([("throttled", {"text": "wait 15 minutes"})], "throttled", None),
    ([("unknown_dialog", {"title": "Odd", "text": "?"})], "unknown_dialog", None),
    ([("device_choice_needed", {"text": "x"})], "choice_missing", "device_choice_needed"),
    ([("competing_session", {"outcome": "a person must choose"})], "choice_missing", "competing_session"),
    ([("competing_session", {"scenario": 2, "outcome": "given way"})], "competing_session", None),
    ([("session_taken", {"count": 1, "again": False})], "session_taken", None),
    ([("two_factor_waiting", {"kind": "code", "title": "Code"})], "code_missing", "code_needed"),
    ([("stuck", {"where": "login_window", "text": "x"})], "stuck_login_window", "stuck"),
    ([], "budget", "budget_used_up"),
    ([], "restarts", "restarts_used_up"),
    ([], "closed", "parked"),
    ([("consent_needed", {"reason": "login_due"})], "consent", "login"),
    ([("two_factor_missed", {"again": False, "attempt": 1})], "two_factor_missed", "push_missed"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "reason", "kind"), PARKS)
def test_one_park_is_one_incident_and_one_message(story: Story, before: list, reason: str, kind: str | None):
    if reason not in ("consent", "budget", "restarts"):  # these come before Gateway is started
        story.event("starting", resumes=False)
    for event, detail in before:
        story.event(event, **detail)
        story.wait(1)
    story.event("parked", reason=reason, text="the sentence")
    story.see("unit", "failed", text="exit code 77")
    story.state("parked", end={"code": 77, "reason": reason})
    story.wait(60)
    assert story.open_kinds() == [kind or reason]
    assert len(loud(story.heard)) == 1
    story.event("starting", resumes=False)
    story.ready()
    assert story.open_kinds() == []
    assert len(loud(story.heard)) == 2


def test_watcher_installed_beside_a_parked_gateway_tells_it(story: Story):
    story.see("unit", "failed")
    story.state("parked", end={"code": 77, "reason": "credentials_rejected"})
    assert loud(story.wait(15)) == ["User name or password wrong"]
    assert loud(story.wait(3600)) == []


def test_setting_refused_is_not_told_each_day(story: Story):
    for _ in range(3):
        story.event("starting", resumes=True)
        story.event("configuration_invalid", text="x", continues=True)
        story.event("ready")
        story.wait(86400 - 7200)
        story.event("restart_planned", kind="token")
    assert loud(story.heard) == ["Configuration not accepted"]
    story.event("starting", resumes=True)
    story.event("ready")
    assert story.open_kinds() == []


def test_settings_that_differ_end_when_they_do_not(story: Story):
    story.ready()
    assert loud(story.event("settings_differ", text="x")) == ["Gateway's settings are not yours"]
    restart_by_token(story)
    story.state("ready", readback={"A": {"wanted": "1", "found": "2", "ok": False}})
    assert story.open_kinds() == ["settings_differ"]
    story.state("ready", readback={"A": {"wanted": "1", "found": "1", "ok": True}})
    assert story.open_kinds() == []
    assert len(loud(story.heard)) == 1  # its end is not news


def test_a_release_that_failed_is_told_until_another_upgrade_goes_well(story: Story):
    story.ready()
    assert loud(story.event("upgrade_failed", text="10.37.1 → 10.45.1: crashed")) == [
        "New release left again"
    ]
    restart_by_token(story)
    assert story.open_kinds() == ["upgrade_failed"]
    assert loud(story.event("upgraded", text="10.37.1 → 10.46.1")) == ["New release runs"]
    assert story.open_kinds() == ["upgraded"]
    story.wait(3700)
    assert story.open_kinds() == []


def test_a_code_that_is_asked_for_again_was_wrong(story: Story):
    story.event("starting", resumes=False)
    story.event("login_submitted", attempt=1)
    assert loud(story.event("two_factor_waiting", kind="code", title="Code")) == ["IBKR wants a code"]
    story.event("two_factor_answered", seconds=20)
    told = story.event("two_factor_waiting", kind="code", title="Code")
    assert loud(told) == ["Code not accepted"]
    assert "It waits ten minutes for another one" in told[0].body
    assert "push" not in told[0].actions
    assert loud(story.event("parked", reason="code_missing")) == []
    assert story.open_kinds() == ["code_rejected"]


def test_each_release_that_is_left_again_is_told(story: Story):
    story.ready()
    for text in ("10.37.1 → 10.45.1: crashed", "10.37.1 → 10.45.1: crashed", "10.37.1 → 10.46.1: stuck"):
        told = story.event("upgrade_failed", text=text)
        assert loud(told) == ["New release left again"]
        assert text in [one.body for one in told if one.mode != "edit"][-1]
        assert story.open_kinds() == ["upgrade_failed"]


def test_settings_that_differ_are_told_again_only_when_they_differ_otherwise(story: Story):
    story.ready()
    title = "Gateway's settings are not yours"
    assert loud(story.event("settings_differ", text="TimeZone is A")) == [title]
    assert loud(story.event("settings_differ", text="TimeZone is A")) == []
    told = story.event("settings_differ", text="TimeZone is B")
    assert loud(told) == [title]
    assert "TimeZone is B" in told[-1].body
    assert story.open_kinds() == ["settings_differ"]


def test_three_full_logins_a_week_are_too_many(story: Story):
    for _ in range(3):
        story.event("starting", resumes=False)
        story.event("login_submitted", attempt=1)
        story.event("ready")
        story.wait(3600)
        story.event("restart_planned", kind="cold")
    assert loud(story.heard) == ["More logins than one a week"]
    story.event("starting", resumes=True)
    story.event("ready")
    assert story.open_kinds() == ["logins_too_often"]
    story.wait(86400)
    assert story.open_kinds() == []


def test_unknown_event(story: Story):
    assert loud(story.event("from_the_future")) == ["Unknown event"]


# --- the login conversation -------------------------------------------------------------------------------


def test_weekly_login_is_one_message_that_changes(story: Story):
    story.ready()
    story.event("consent_needed", reason="weekly_login", appointment="2026-11-29T14:30:00Z")
    assert loud(story.heard) == ["Weekly login: may I send you the push?"]
    assert "push" in story.heard[0].actions
    story.wait(60)
    answered = story.press("push")
    assert story.actions.started == [CONSENT]
    assert {one.mode for one in answered} == {"edit"}
    story.acted(CONSENT, ok=True, text="consent given")
    story.wait(3)
    story.event("stopping", state="ready")
    story.wait(8)
    story.event("stopped", reason="stopped")
    story.wait(1)
    story.event("starting", resumes=False)
    story.event("login_submitted", attempt=1)
    story.wait(4)
    story.event("two_factor_waiting", title="Second Factor Authentication", seconds=180)
    countdown = story.wait(31)
    assert [one.mode for one in countdown] == ["edit", "edit"]
    assert "2:45" in countdown[0].title
    story.event("two_factor_answered", seconds=30)
    story.wait(21)
    (end,) = [one for one in story.event("ready") if one.channel == "phone"]
    assert end.words == "Approved, ready after 52 s"
    assert {one.incident for one in story.heard} == {end.incident}
    assert [one.mode for one in story.heard if one.mode == "send"] == ["send"]
    assert story.open_kinds() == []
    assert story.wait(3600) == []


def test_weekly_question_outlives_a_restart_by_the_token(story: Story):
    story.ready()
    story.event("consent_needed", reason="weekly_login")
    restart_by_token(story)
    assert story.open_kinds() == ["login"]


def test_missed_pushes_ask_anew_and_become_urgent(story: Story):
    story.event("consent_needed", reason="login_due")
    story.event("parked", reason="consent")
    kinds = []
    for _ in range(3):
        story.press("push")
        story.event("starting", resumes=False)
        story.event("login_submitted", attempt=1)
        story.event("two_factor_waiting", title="x", seconds=180)
        story.wait(185)
        heard = story.event("two_factor_missed", again=False, attempt=1)
        heard += story.event("parked", reason="two_factor_missed")
        kinds += story.open_kinds()
        past, ringing = [one for one in heard if one.channel == "phone"]
        assert (past.mode, ringing.mode) == ("edit", "send")
        assert past.words == ringing.words
        assert past.actions == ()
        assert "push" in ringing.actions
    assert kinds == ["push_missed", "push_missed", "push_missed_repeatedly"]
    assert len(story.store.incidents_since(0.0)) == 1
    story.press("push")
    story.event("starting", resumes=False)
    story.event("login_submitted", attempt=1)
    story.event("two_factor_waiting", title="x", seconds=180)
    story.wait(20)
    story.event("two_factor_answered", seconds=20)
    story.event("ready")
    assert story.open_kinds() == []


def test_policy_auto_asks_nobody_and_tells_the_push(story: Story):
    story.see("state", {"state": "login", "login": "auto"})
    story.event("starting", resumes=False)
    story.event("login_submitted", attempt=1)
    assert story.wait(5) == []
    heard = story.event("two_factor_waiting", title="x", seconds=180)
    assert loud(heard) == ["Approve IB Key now, 3:00 left"]
    story.event("two_factor_answered", seconds=10)
    assert loud(story.event("ready")) == ["Approved, ready after 0 s"]


def test_refused_after_the_answer_is_one_new_message(story: Story):
    story.event("consent_needed", reason="login_due")
    story.press("push")
    story.event("starting", resumes=False)
    story.event("login_submitted", attempt=1)
    story.event("two_factor_waiting", title="x", seconds=180)
    story.event("two_factor_answered", seconds=5)
    heard = story.event(
        "login_refused", text="the second factor was denied, or the login took too long after it"
    )
    heard += story.event("parked", reason="second_factor_refused")
    assert loud(heard) == ["IB Key denied, or too late"]
    assert story.open_kinds() == ["second_factor_refused"]


def test_wrong_code_continues_the_incident_of_the_code(story: Story):
    story.event("starting", resumes=False)
    story.event("login_submitted", attempt=1)
    story.event("two_factor_waiting", kind="code", title="Security Code Card Authentication")
    story.event("two_factor_answered", seconds=40)
    story.event("login_refused", text="Login failed")
    story.event("parked", reason="login_refused")
    assert story.open_kinds() == ["code_rejected"]
    assert loud(story.heard) == ["IBKR wants a code", "Code not accepted"]
    assert len({one.incident for one in story.heard}) == 1


def test_login_that_is_not_begun_asks_anew(story: Story):
    story.event("consent_needed", reason="login_due")
    story.event("parked", reason="consent")
    story.press("push")
    heard = story.acted(CONSENT, ok=False, text="the login budget is used up")
    assert loud(heard) == ["Login not begun"]
    assert "push" in heard[0].actions
    (incident,) = story.store.open_incidents()
    assert incident.acknowledged is None


def test_stop_ends_the_question(story: Story):
    story.event("consent_needed", reason="login_due")
    story.event("stopped", reason="stopped")
    assert story.open_kinds() == ["login"]
    assert loud(story.wait(61)) == ["Stopped"]
    assert story.open_kinds() == ["stopped"]


def test_push_in_a_session_that_works_is_forgotten_when_it_dies(story: Story):
    story.ready()
    story.event("two_factor_waiting", title="x", seconds=180)
    assert story.open_kinds() == ["login"]
    story.wait(310)
    assert story.open_kinds() == []


# --- the API, the link, the farms -------------------------------------------------------------------------


def test_wedge_is_told_at_once_and_recovered(story: Story):
    story.ready()
    heard = story.see("probe", "time", text="Recv-Q 12")
    assert loud(heard) == ["API hangs"]
    assert heard[0].severity == "critical"
    assert story.actions.started == [RESET]
    story.wait(60)
    assert loud(story.see("probe", "ok")) == ["Over: API hangs"]


def test_closed_port_is_told_if_it_lasts(story: Story):
    story.ready()
    story.see("probe", "port")
    assert story.wait(19) == []
    assert loud(story.wait(2)) == ["API does not answer"]


def test_lost_link_is_told_after_its_delay(story: Story):
    story.ready()
    story.see("link", "down", text="1100")
    assert story.wait(119) == []
    heard = story.wait(1)
    assert loud(heard) == ["Link to IBKR lost"]
    assert heard[0].severity == "warning"
    assert story.actions.started == [RESET]
    later = story.wait(790)
    assert [one.severity for one in later if one.channel == "phone"] == ["critical"]
    assert loud(story.see("link", "up", text="1102")) == ["Over: Link to IBKR lost"]


def test_what_was_seen_of_the_last_session_says_nothing_of_this_one(story: Story):
    story.ready()
    story.see("probe", "port")
    story.see("link", "down", text="1100")
    story.state("starting")  # the restart's events are late
    story.wait(200)
    story.state("ready")
    assert story.wait(5) == []
    story.event("restart_planned", kind="token", age=200)
    story.event("ready", age=5)
    assert story.wait(600) == []


def test_short_loss_is_silent(story: Story):
    story.ready()
    story.see("link", "down", text="1100")
    story.wait(100)
    story.see("link", "up", text="1102")
    assert story.wait(3600) == []


def test_lost_link_that_outlives_its_window_is_told_once(story: Story, clock: FakeClock):
    clock.set("2026-11-24T23:00:00-05:00")
    story.ready()
    story.until("2026-11-25T00:30:00-05:00")
    story.see("link", "down", text="1100")
    story.until("2026-11-25T02:09:00-05:00")  # the window ends at 01:45, its margin at 02:00
    assert story.heard == []
    heard = story.wait(120)
    assert len(loud(heard)) == 1
    assert loud(story.wait(600)) == []


def test_loss_just_before_a_window_is_held(story: Story, clock: FakeClock):
    clock.set("2026-11-24T23:29:00-05:00")
    story.ready()
    story.see("link", "down", text="1100")
    assert story.until("2026-11-25T02:09:58-05:00") == []
    assert len(loud(story.wait(10))) == 1


def test_windows_of_the_region_that_the_launcher_found(story: Story, clock: FakeClock):
    clock.set("2026-11-25T16:00:00-05:00")
    story.ready()
    story.state("ready", region="asia")
    clock.set("2026-11-25T17:00:00-05:00")  # Asia's reset, and an hour like others in America
    story.see("link", "down", text="1100")
    assert story.until("2026-11-25T18:09:58-05:00") == []
    assert len(loud(story.wait(5))) == 1
    story.restart()
    assert story.brain.views["live"].region == "asia"


def test_damaged_windows_make_no_silence(story: Story, clock: FakeClock, caplog):
    (story.settings.etc_root / "reset-windows.json").write_text("{")
    clock.set("2026-11-25T00:30:00-05:00")
    story.ready()
    story.see("link", "down", text="1100")
    assert "Link to IBKR lost" in loud(story.wait(125))
    assert "unusable" in caplog.text


def test_held_over_a_restart_of_the_watcher(story: Story, clock: FakeClock):
    clock.set("2026-11-25T01:00:00-05:00")
    story.ready()
    story.see("link", "down", text="1100")
    clock.set("2026-11-25T02:05:00-05:00")
    story.restart()
    assert story.wait(280) == []
    assert len(loud(story.wait(30))) == 1


def test_farms(story: Story):
    story.ready()
    story.see("farm", ("usfarm",))
    assert story.wait(599) == []
    assert loud(story.wait(2)) == ["Market data interrupted"]
    story.see("farm", ())
    assert story.open_kinds() == []


def test_crash_silences_and_supersedes_the_api(story: Story):
    story.ready()
    story.see("probe", "time")
    assert story.open_kinds() == ["api_wedged"]
    heard = story.event("crashed", signal=9)
    assert loud(heard) == ["Gateway died"]
    assert story.open_kinds() == ["crashed"]
    assert story.wait(120) == []


def test_open_api_incident_outlives_its_remedy(story: Story):
    story.ready()
    story.see("probe", "time")
    story.event("restart_planned", kind="soft", reason="the session was not back after a reset")
    story.see("unit", "activating")
    story.state("starting")
    story.wait(30)
    assert story.open_kinds() == ["api_wedged"]
    story.event("restart_planned", kind="token")
    story.event("starting", resumes=True)
    story.wait(40)
    story.ready()
    assert story.open_kinds() == []
    assert loud(story.heard) == ["API hangs", "API hangs", "Over: API hangs"]  # and that it restarts


def test_every_remedy_is_told(story: Story):
    story.ready()
    story.see("link", "down", text="1100")
    story.wait(121)
    for kind, mode, words in (
        ("reconnectdata", "edit", "reconnect its data"),
        ("reconnectaccount", "edit", "reconnect to IBKR"),
        ("none", "edit_or_send", "does no more: there were 3 soft restarts in 24 hours already"),
    ):
        heard = story.event("remedy", kind=kind, reason="there were 3 soft restarts in 24 hours already")
        (one,) = [one for one in heard if one.channel == "phone"]
        assert one.mode == mode
        assert words in one.body
    heard = story.event("restart_planned", kind="soft", reason="x")
    assert "restarts by its saved login" in heard[0].body


def test_remedy_that_could_not_be_begun_is_told(story: Story):
    story.ready()
    story.see("probe", "time")
    (one,) = story.acted(RESET, ok=False, text="access denied")
    assert (one.mode, "access denied" in one.body) == ("edit", True)


def test_one_remedy_in_half_an_hour(story: Story):
    story.ready()
    for _ in range(2):
        story.see("probe", "time")
        story.wait(30)
        story.see("probe", "ok")
        story.wait(30)
    assert story.actions.started == [RESET]


def test_competing_market_data_ends_by_itself(story: Story):
    story.ready()
    assert loud(story.see("code", 10197)) == ["Market data goes elsewhere"]
    story.wait(1800)
    story.see("code", 10197)
    story.wait(3500)
    assert story.open_kinds() == ["market_data_competing"]
    story.wait(200)
    assert story.open_kinds() == []


@pytest.mark.parametrize(
    ("value", "kind", "delay"),
    [("incompatible", "api_incompatible", 0), ("client_id", "client_id_in_use", 61)],
)
def test_faults_of_the_probe_itself_are_not_gateways(story: Story, value: str, kind: str, delay: float):
    story.ready()
    story.see("probe", value)
    story.wait(delay)
    assert story.open_kinds() == [kind]
    assert story.actions.started == []


# --- the host ---------------------------------------------------------------------------------------------


def test_network_down_is_not_called_gateway_down(story: Story):
    for name in ("live", "paper"):
        story.ready(name)
    story.host("network", "no_route")
    for name in ("live", "paper"):
        story.see("link", "down", name, "1100")
        story.see("farm", ("usfarm",), name)
    heard = story.wait(1800)
    assert loud(heard) == ["No network"]
    story.host("network", "ok")
    for name in ("live", "paper"):
        story.see("farm", (), name)
    assert story.wait(100) == []
    story.see("link", "up", "paper")
    # The link has its own time again from when the network is back.
    assert loud(story.wait(30)) == ["Link to IBKR lost"]


@pytest.mark.parametrize(
    ("what", "bad", "good", "kind", "delay"),
    [
        ("network", "dns", "ok", "dns_down", 61),
        ("network", "unreachable", "ok", "network_down", 31),
        ("disk", 0.03, 0.2, "disk_full", 0),
        ("clock", "unsynchronised", "ok", "clock_wrong", 901),
    ],
)
def test_host_evidence(story: Story, what: str, bad: object, good: object, kind: str, delay: float):
    story.host(what, bad)
    story.wait(delay)
    assert story.open_kinds("") == [kind]
    story.host(what, good)
    assert story.open_kinds("") == []


def test_disk_is_full_until_there_is_room_enough(story: Story):
    story.host("disk", 0.04)
    story.host("disk", 0.06)
    assert story.open_kinds("") == ["disk_full"]
    story.host("disk", 0.09)
    assert story.open_kinds("") == []


def test_failing_channel_is_told_on_the_others(story: Story, clock: FakeClock):
    assert story.notifier(mail=clock()) == []
    heard = story.wait(121)
    assert [(one.channel, one.words) for one in heard] == [("phone", "A channel delivers nothing")]
    assert {one.channel for one in story.notifier()} == {"phone"}
    assert story.open_kinds("") == []


def test_channel_of_another_time_is_nobodys_trouble(story: Story, clock: FakeClock):
    story.notifier(fax=clock())
    assert story.wait(600) == []


def test_old_windows_are_told(story: Story, clock: FakeClock):
    clock.set("2027-09-01T12:00:00-04:00")
    assert loud(story.wait(70)) == ["Reset windows are old"]
    assert loud(story.wait(86400)) == []


def test_database_that_was_set_aside_is_told(story: Story):
    story.store.close()
    story.settings.database.write_bytes(b"rubbish" * 1000)
    story.restart()
    assert loud(story.notifier()) == ["Watcher's memory was damaged"]
    story.restart()
    assert loud(story.notifier()) == []


# --- after a restart of the watcher -----------------------------------------------------------------------


def test_a_change_deep_in_what_is_known_is_kept(story: Story, clock: FakeClock):
    facts = story.brain.views["live"].facts
    facts["password_expiring"] = {"since": clock(), "last": clock(), "detail": {"days": 9}}
    story.wait(70)
    facts["password_expiring"]["detail"]["days"] = 8
    story.wait(70)
    story.restart()
    assert story.brain.views["live"].facts["password_expiring"]["detail"] == {"days": 8}


def test_known_incidents_are_not_told_again(story: Story):
    story.ready()
    story.event("crashed", signal=9)
    story.event("consent_needed", reason="login_due")
    before = len(story.heard)
    story.restart()
    story.see("unit", "failed")
    story.state("parked", end={"code": 77, "reason": "consent"})
    assert story.wait(1000) == [one for one in story.heard[before:] if one.channel == "mail"]
    story.event("ready")
    assert story.open_kinds() == []


def test_ready_that_nobody_wrote_down_ends_incidents(story: Story):
    story.event("crashed", signal=9)
    story.wait(60)
    story.see("unit", "active")
    story.state("ready")
    story.wait(9)
    assert story.open_kinds() == ["crashed"]
    story.wait(3)
    assert story.open_kinds() == []


def test_kind_of_another_release_is_ended(story: Story):
    from ibgateway_alerting.model import Incident

    with story.store.transaction():
        story.store.save_incident(Incident("live", "from_the_future", "critical", 1.0, told=1.0))
    story.restart()
    story.wait(61)
    assert story.open_kinds() == []


def test_without_channels_everything_is_in_the_log(make_settings, clock: FakeClock, caplog):
    caplog.set_level("INFO")
    story = Story(make_settings(channels=()), clock)
    story.event("crashed", signal=9)
    assert "Gateway died" in caplog.text
    assert "no channel" in caplog.text
    story.event("ready")
    story.store.close()


def test_a_channel_hears_the_end_of_what_it_was_told(make_settings, clock: FakeClock):
    channels = (channel(), channel("pager", kind="apprise", severity="critical", users=()))
    story = Story(make_settings(channels=channels), clock)
    story.event("crashed", signal=9)
    story.event("consent_needed", reason="login_due")
    story.event("starting", resumes=False)
    story.event("login_submitted", attempt=1)
    heard = story.event("ready")
    assert loud(heard, "pager") == ["Over: Gateway died"]
    assert len(loud(heard, "phone")) == 1  # the login's end speaks for both
    story.store.close()


@pytest.mark.parametrize(
    "view", [InstanceView("live", farms=("x",), login=Login("asked", 1.0)), InstanceView("live"), HostView()]
)
def test_all_of_a_view_is_kept(view):
    assert json.dumps(view.as_dict()) == json.dumps(dataclasses.asdict(view))
    assert type(view).of(json.loads(json.dumps(view.as_dict()))) == view
