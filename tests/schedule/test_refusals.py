"""What a schedule may not be: each refusal is one sentence with the time, the reason and the way out."""

import pytest


@pytest.mark.parametrize(
    "value", ["25:61", "24:00", "7:15", "17.15", "5:15 PM", "noon", "17:15:00", 1035, None]
)
def test_a_restart_is_a_time_of_day(refusal, value):
    text = refusal(daily_restart=value)
    assert text.startswith("daily_restart must be a time as HH:mm")
    assert text.endswith("in quotes")
    assert "\n" not in text


def test_a_restart_has_no_zone_of_its_own(refusal):
    assert refusal(daily_restart="17:15 America/New_York") == (
        "daily_restart must be a time alone, not '17:15 America/New_York': write its zone as timezone"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Sun 25:61", "weekly_login must be a time as HH:mm, not '25:61'"),
        ("Sunn 09:30", "weekly_login must begin with a weekday, not 'Sunn': write one of Mon, Tue,"),
        ("09:30", "weekly_login must be a day and a time, not '09:30': write \"Sun 09:30\" in quotes"),
        ("Sun 09:30 in Zurich", "weekly_login must be a day and a time"),
        (["Sun", "09:30"], "weekly_login must be a day and a time"),
        (
            "Sun 09:30 ET",
            "the zone of weekly_login must be the full name of a time zone, not 'ET': write Ame",
        ),
    ],
)
def test_a_login_is_a_day_and_a_time(refusal, value, said):
    assert refusal(weekly_login=value).startswith(said)


def test_days_have_short_and_long_names(compiled):
    for name in ("Sun", "sun", "Sunday", "SUNDAY"):
        assert compiled(weekly_login=f"{name} 09:30").weekly_login == "Sun 09:30"


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("ET", "America/New_York"),
        ("EST", "America/New_York"),
        ("EST5EDT", "America/New_York"),
        ("US/Eastern", "America/New_York"),
        ("CET", "Europe/Zurich"),
        ("GB", "Europe/London"),
        ("HKT", "Asia/Hong_Kong"),
        ("GMT", "UTC"),
        ("europe/zurich", "Europe/Zurich"),
        ("Europe/Zürich", "Europe/Zurich"),
        ("America/NewYork", "America/New_York"),
        ("America/New York", "America/New_York"),
        ("Mars/Olympus_Mons", "a name such as America/New_York"),
        ("Europe/../Europe/Zurich", "Europe/Zurich"),
        ("Nowhere", "a name such as America/New_York"),
        ("", "a name such as America/New_York"),
        (None, "a name such as America/New_York"),
        (5, "a name such as America/New_York"),
    ],
)
def test_a_zone_has_its_full_name(refusal, name, instead):
    assert refusal(timezone=name) == (
        f"timezone must be the full name of a time zone, not {str(name)!r}: write {instead}"
    )


def test_no_restart_in_a_window(refusal):
    assert refusal(daily_restart="23:50") == (
        "daily_restart 23:50 America/New_York meets the reset window 23:45-01:45 America/New_York, with 25 "
        "minutes kept free before and 15 after it (next on Thu 01 Jan 2026): the nearest allowed time is "
        "22:34 America/New_York"
    )


def test_no_restart_on_friday_night(refusal):
    # Free on six days: the sentence says which day it is not.
    assert refusal(timezone="Asia/Hong_Kong", region="asia", daily_restart="12:00") == (
        "daily_restart 12:00 Asia/Hong_Kong meets the reset window Fri 23:00 to Sat 03:00 America/New_York, "
        "with 25 minutes kept free before and 15 after it (next on Sat 03 Jan 2026): the nearest allowed "
        "time is 10:34 Asia/Hong_Kong"
    )


def test_windows_move_when_only_one_side_has_changed_its_clocks(refusal, compiled):
    # 09:10 Zurich is 03:10 in New York, the weekend's end but for the weeks in which New York is nearer.
    assert "Fri 23:00 to Sat 03:00" in refusal(
        region="europe", timezone="Europe/Zurich", daily_restart="09:10"
    )
    assert "next on Sat 14 Mar 2026" in refusal(
        region="america", timezone="Europe/Zurich", daily_restart="04:00", mode="paper"
    )
    assert compiled(region="europe", timezone="Europe/Zurich", daily_restart="09:50", weekly_login="")


def test_no_restart_before_the_weekly_login_could_be(refusal, compiled):
    assert refusal(daily_restart="03:20") == (
        "daily_restart 03:20 America/New_York comes on Sunday after IBKR ended the token, at 01:00 New York, "
        "and before there was time for the weekly login, which is possible from 03:15 (next on Sun 04 Jan "
        "2026): the nearest allowed time is 03:45 America/New_York"
    )
    assert compiled(mode="paper", daily_restart="03:20").stop


@pytest.mark.parametrize(
    ("value", "nearest"),
    [
        ("Sun 02:30 America/New_York", "Sun 03:15 America/New_York"),
        ("Sun 00:30", "Sun 03:15 America/New_York"),
    ],
)
def test_no_login_when_clocks_change(refusal, value, nearest):
    text = refusal(weekly_login=value)
    assert "falls into 00:30-03:10, when clocks change in that zone" in text
    assert text.endswith(f"the nearest allowed time is {nearest}")


@pytest.mark.parametrize("value", ["Sun 03:14", "Sat 17:00", "Sat 23:59"])
def test_no_login_before_sunday_0315_new_york(refusal, value):
    assert refusal(weekly_login=value) == (
        f"weekly_login {value} America/New_York comes before Sunday 03:15 New York: IBKR ends the week's "
        "token at 01:00, and until 03:15 its reset may end a new one, too: the nearest allowed time is Sun "
        "03:15 America/New_York"
    )


@pytest.mark.parametrize("value", ["Sun 16:46", "Sun 17:15", "Sun 20:00", "Wed 09:30"])
def test_no_login_after_that_days_restart(refusal, value):
    assert refusal(weekly_login=value) == (
        f"weekly_login {value} America/New_York is not 30 minutes or more before the daily restart (17:15 "
        "America/New_York) that follows Sunday 01:00 New York, when IBKR ends the token: the nearest allowed "
        "time is Sun 16:45 America/New_York"
    )


def test_the_edges_are_allowed(compiled):
    for login in ("Sun 03:15", "Sun 16:45"):
        assert compiled(weekly_login=login).login == (f"Sun *-*-* {login[4:]}:00 America/New_York",)


def test_no_login_in_a_window(refusal):
    text = refusal(
        region="europe", timezone="Australia/Sydney", daily_restart="12:00", weekly_login="Sun 09:30"
    )
    assert text.endswith("the nearest allowed time is Sun 19:15 Australia/Sydney")
    text = refusal(region="asia", timezone="Asia/Hong_Kong", daily_restart="07:30", weekly_login="Sun 20:30")
    assert text == (
        "weekly_login Sun 20:30 Asia/Hong_Kong meets the reset window 20:15-21:15 Asia/Hong_Kong, with 45 "
        "minutes kept free before and 15 after it (next on Sun 04 Jan 2026): the nearest allowed time is Sun "
        "21:30 Asia/Hong_Kong"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AutoRestartTime", "11:45 PM"),
        ("AutoLogoffTime", "11:45 PM"),
        ("ColdRestartTime", "07:00"),
        ("ClosedownAt", "Friday 22:00"),
    ],
)
def test_ibcs_own_times_fight_with_the_schedule(refusal, compiled, name, value):
    text = refusal(settings={name: value})
    assert text.startswith(f"{name} {value} in the settings ")
    assert "fights with daily_restart 17:15 and weekly_login Sun 09:30 America/New_York: remove" in text
    assert compiled(settings={name: ""})
    assert compiled(settings={name: value}, daily_restart="", weekly_login="")


def test_everything_wrong_is_said_at_once(refusal):
    text = refusal(
        timezone="ET", daily_restart="25:61", weekly_login="Sun 9", settings={"ClosedownAt": "22:00"}
    )
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mode": "demo"}, "mode must be live or paper, not 'demo': correct it"),
        ({"region": "mars"}, "region must be one of auto, america, europe, asia, not 'mars': correct it"),
    ],
)
def test_unknown_words(refusal, changes, said):
    assert refusal(**changes) == said


def test_no_free_time_is_said(refusal):
    from ibgatewaylib.schedule import windows

    entries = [
        {"zone": "UTC", "from": f"{hour:02d}:00", "to": f"{(hour + 5) % 24:02d}:45"}
        for hour in (0, 6, 12, 18)
    ]
    weekend = {"zone": "UTC", "from": "Fri 23:00", "to": "Sat 03:00"}
    data = {
        "checked_on": "2026-01-01",
        "daily": dict.fromkeys(windows.REGIONS, entries),
        "weekend": {"closed": weekend, "quiet": weekend},
    }
    text = refusal(windows=windows.parse(data))
    assert text.endswith("no time is free, so change the schedule around it or ibc_reset_windows")
