"""Reminders come ahead of time, once, and not when nothing will happen."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from alerting_tools import write_instance
from ibgateway_alerting.store import Store
from ibgateway_alerting.watch.reminders import FRIDAY_AHEAD, Reminders, appointments, windows_age_days
from ibgateway_alerting.watch.view import InstanceView
from ibgatewaylib import instance as instances
from ibgatewaylib.ctl_host import CtlError
from ibgatewaylib.schedule import windows

APPOINTMENT = "2026-11-29T14:30:00+00:00"
"""Sunday 09:30 in New York."""


@pytest.fixture
def make(make_settings, store, clock):
    """Make the reminders as a fresh start of the watcher does."""

    def fresh(opened: Store = store, views=None, **changes) -> Reminders:
        settings = make_settings(**changes)
        known = {name: instances.load(settings.etc_root / name) for name in settings.instances}
        seen = views or {name: InstanceView(name) for name in known}
        return Reminders(settings, opened, known, seen)

    return fresh


def told(reminders: Reminders, store: Store, now: float) -> list[str]:
    with store.transaction():
        return [message.title for message in reminders.tick(now)]


def test_once_ahead_of_the_weekly_login(make, store, clock):
    reminders = make()
    clock.set(APPOINTMENT)
    titles = []
    for second in range(-3600, 3600, 10):
        found = told(reminders, store, clock.now + second)
        titles += [(second, title) for title in found]
    assert titles == [(-900, "[info] live on vps1: Weekly login in 15 min")]


def test_the_message_in_full(make, store, clock):
    with store.transaction():
        (message,) = make().tick(clock.set(APPOINTMENT) - 900)
    assert message.body.splitlines() == [
        "The weekly login is due at Sun 29 Nov, 15:30 CET.",
        "The machine: It asks you then, and sends nothing to IBKR before you say so.",
        "You: Have your phone with IBKR Mobile at hand. Sooner suits you better? "
        "sudo ibgatewayctl restart live --full",
        "Next: the question at Sun 29 Nov, 15:30 CET.",
    ]
    assert (message.severity, message.buttons) == ("info", ())


def test_a_day_ahead_a_login_would_not_count_yet(make, store, clock):
    with store.transaction():
        (message,) = make(remind_before_minutes=1440).tick(clock.set(APPOINTMENT) - 86400)
    assert message.title == "[info] live on vps1: Weekly login in 24 h"
    assert "--full" not in message.body


def test_the_policy_auto_is_told_of_the_push(make, store, clock, tmp_path):
    reminders = make()
    write_instance(tmp_path, "live", login="auto")
    reminders._instances["live"].login = "auto"
    with store.transaction():
        (message,) = reminders.tick(clock.set(APPOINTMENT) - 900)
    assert "The machine: It logs out and in again then; IBKR sends a push to IB Key." in message.body


def test_a_restart_of_the_watcher_repeats_none(make, store, clock, settings):
    now = clock.set(APPOINTMENT) - 800
    assert told(make(), store, now)
    assert told(make(), store, now + 1) == []
    second = Store(settings.database)
    assert told(make(second), second, now + 2) == []
    second.close()


def test_what_was_due_while_the_host_was_down_comes_late(make, store, clock):
    assert told(make(), store, clock.set(APPOINTMENT) - 120) == ["[info] live on vps1: Weekly login in 2 min"]


def test_what_is_no_use_any_more_does_not_come(make, store, clock):
    assert told(make(), store, clock.set(APPOINTMENT)) == []
    assert told(make(), store, clock.now + 60) == []


def test_next_week_again(make, store, clock):
    reminders = make()
    now = clock.set(APPOINTMENT)
    assert told(reminders, store, now - 900)
    assert told(reminders, store, now + 3600) == []
    assert told(reminders, store, now + 7 * 86400 - 900)


def test_a_transaction_that_was_lost_loses_no_reminder(make, store, clock):
    reminders = make()
    now = clock.set(APPOINTMENT) - 900
    with contextlib.suppress(ZeroDivisionError), store.transaction():
        assert reminders.tick(now)
        raise ZeroDivisionError
    assert told(reminders, store, now + 1)


@pytest.mark.parametrize(("hours_ago", "needless"), [(1.0, True), (8.0, True), (9.0, False), (24.0, False)])
def test_not_when_the_weeks_login_was_made_already(make, store, clock, hours_ago, needless):
    """IBKR ended the token at 01:00 New York, eight and a half hours before the appointment."""
    now = clock.set(APPOINTMENT) - 900
    views = {
        "live": InstanceView("live", last_login=clock.now - hours_ago * 3600),
        "paper": InstanceView("paper"),
    }
    assert (told(make(views=views), store, now) == []) == needless


def test_none_when_none_are_wanted(make, store, clock):
    reminders = make(remind_before_minutes=0)
    now = clock.set(APPOINTMENT)
    assert [told(reminders, store, now + second) for second in range(-3600, 3600, 60)] == [[]] * 120


def test_the_weekend_is_told_only_where_asked_for(make, store, clock):
    """Friday 23:00 New York, less the margin, is Saturday 04:45 in Zurich."""
    start = clock.set("2026-11-28T03:45:00+00:00")
    assert told(make(), store, start - 60) == []
    reminders = make(remind_friday=True)
    found = [
        (offset, title)
        for offset in range(-5 * 3600, 2 * 3600, 60)
        for title in told(reminders, store, start + offset)
    ]
    assert found == [(-FRIDAY_AHEAD, "[info] vps1: Weekend reset in 3 h")]


def test_the_weekends_message_in_full(make, store, clock):
    with store.transaction():
        (message,) = make(remind_friday=True).tick(clock.set("2026-11-28T01:00:00+00:00"))
    assert message.body.splitlines()[0] == (
        "IBKR's servers are down for the weekend's reset, from Sat 28 Nov, 04:45 CET to "
        "Sat 28 Nov, 09:15 CET, margins included."
    )


def test_a_damaged_table_of_windows_is_no_end(make, store, clock, tmp_path, caplog):
    reminders = make(remind_friday=True)
    (tmp_path / "etc" / "reset-windows.json").write_text("{")
    assert told(reminders, store, clock.set(APPOINTMENT) - 900) == [
        "[info] live on vps1: Weekly login in 15 min"
    ]
    assert "no reminder ahead of the weekend" in caplog.text


def test_a_clock_that_was_set_back_is_noticed(make, store, clock):
    reminders = make()
    now = clock.set(APPOINTMENT)
    assert told(reminders, store, now + 30 * 86400) == []
    assert told(reminders, store, now - 900)


# --- the calendar ---


def test_the_next_appointments(make, clock, tmp_path):
    make()
    live, paper = (instances.load(tmp_path / "etc" / name) for name in ("live", "paper"))
    now = clock.set("2026-11-25T12:00:00+00:00")
    expected = {
        "restart": datetime(2026, 11, 25, 22, 15, tzinfo=UTC).timestamp(),
        "login": datetime(2026, 11, 29, 14, 30, tzinfo=UTC).timestamp(),
    }
    assert appointments(live, now) == expected
    assert appointments(paper, now) == {"restart": expected["restart"]}
    assert (live.daily_restart, live.weekly_login) == ("17:15", "Sun 09:30")


def test_a_wrong_time_is_no_appointment(make, clock, tmp_path):
    make()
    live = instances.load(tmp_path / "etc" / "live")
    live.weekly_login = "Someday 25:99"
    assert set(appointments(live, clock())) == {"restart"}


def test_the_age_of_the_windows(make, clock, tmp_path):
    make()
    shipped = windows.shipped().checked_on
    now = datetime.combine(shipped + timedelta(days=12), datetime.min.time(), UTC).timestamp()
    assert windows_age_days(tmp_path / "etc", now) == 12
    table = {
        "checked_on": date(2026, 5, 1).isoformat(),
        "daily": {
            region: [{"zone": "UTC", "from": "05:00", "to": "06:00"}]
            for region in ("america", "europe", "asia")
        },
        "weekend": {
            "closed": {"zone": "UTC", "from": "Fri 23:00", "to": "Sat 03:00"},
            "quiet": {"zone": "UTC", "from": "Fri 22:00", "to": "Sat 04:00"},
        },
    }
    (tmp_path / "etc" / "reset-windows.json").write_text(json.dumps(table))
    assert windows_age_days(tmp_path / "etc", clock.set("2026-11-29T00:00:00+00:00")) == 212
    (tmp_path / "etc" / "reset-windows.json").write_text("[]")
    with pytest.raises(CtlError):
        windows_age_days(tmp_path / "etc", clock())
