"""What a good schedule becomes, and whose windows count."""

import pytest
from ibgatewaylib.schedule.regions import region_from_jts_ini, resolve


def jts_ini(peer: str) -> str:
    return f"[IBGateway]\r\nApiOnly=true\r\n[Logon]\r\nPeer={peer}\r\nLocale=en\r\n"


def test_live(compiled):
    schedule = compiled()
    assert schedule.auto_restart_time == "05:15 PM"
    assert schedule.restart_check == ("*-*-* 17:25:00 America/New_York",)
    assert schedule.login == ("Sun *-*-* 09:30:00 America/New_York",)
    assert schedule.reset_check == (
        "*-*-* 02:05:00 America/New_York",
        "*-*-* 03:15:00 America/New_York",
        "Sat *-*-* 03:20:00 America/New_York",
    )
    assert (schedule.stop, schedule.start) == ((), ())


def test_paper_stops_and_starts_because_its_token_restart_is_unreliable(compiled):
    schedule = compiled(mode="paper", region="europe", timezone="Europe/Zurich", daily_restart="23:15")
    assert schedule.auto_restart_time == ""
    assert schedule.stop == ("*-*-* 23:17:00 Europe/Zurich",)
    assert schedule.start == ("*-*-* 23:20:00 Europe/Zurich",)
    assert schedule.restart_check == ("*-*-* 23:25:00 Europe/Zurich",)
    assert (schedule.login, schedule.weekly_login) == ((), "")
    # Whatever region is written: paper is hosted in America.
    assert (schedule.region, schedule.region_known) == ("america", True)


def test_a_login_in_the_operators_zone(compiled):
    schedule = compiled(weekly_login="Sun 15:30 Europe/Zurich")
    assert schedule.login == ("Sun *-*-* 15:30:00 Europe/Zurich",)
    assert (schedule.weekly_login, schedule.weekly_login_timezone) == ("Sun 15:30", "Europe/Zurich")


def test_a_check_after_midnight_stays_a_check_of_every_day(compiled):
    schedule = compiled(timezone="Asia/Tokyo", daily_restart="23:55", weekly_login="", region="america")
    assert schedule.restart_check == ("*-*-* 00:05:00 Asia/Tokyo",)


def test_nothing_scheduled_is_warned_about(compiled):
    schedule = compiled(daily_restart="", weekly_login="", windows=None)
    assert (schedule.restart_check, schedule.login) == ((), ())
    assert any(text.startswith("daily_restart is empty") for text in schedule.warnings)
    assert any(text.startswith("weekly_login is empty") for text in schedule.warnings)


def test_without_a_daily_restart_the_login_may_be_on_any_day(compiled):
    assert compiled(daily_restart="", weekly_login="Wed 10:00").login == (
        "Wed *-*-* 10:00:00 America/New_York",
    )


@pytest.mark.parametrize(
    ("peer", "region"),
    [
        ("ndc1.ibllc.com", "america"),
        ("cdc1.ibllc.com", "america"),
        ("gdc1.ibllc.com:4001", "america"),
        ("gdc1_hb1.ibllc.com", "america"),
        ("zdc1.ibllc.com", "europe"),
        ("ZDC1.ibllc.com", "europe"),
        ("hdc1.ibllc.com", "asia"),
        ("mcgw1.ibllc.com.cn", "asia"),
        ("qdc1.ibllc.com", None),
        ("", None),
    ],
)
def test_the_region_by_the_server_gateway_was_sent_to(peer, region):
    assert region_from_jts_ini(jts_ini(peer)) == region


@pytest.mark.parametrize("text", ["", "Peer", "\x00\xff=", "NotPeer=zdc1.ibllc.com", "[Peer]\nx=zdc1"])
def test_a_jts_ini_without_a_server(text):
    assert region_from_jts_ini(text) is None


def test_which_region_counts(compiled):
    assert resolve("live", "europe", jts_ini("hdc1.ibllc.com")) == "europe"
    assert resolve("live", "auto", jts_ini("hdc1.ibllc.com")) == "asia"
    assert resolve("live", "auto") is None
    assert resolve("paper", "asia", jts_ini("hdc1.ibllc.com")) == "america"
    assert compiled(region="auto", jts_ini=jts_ini("zdc1.ibllc.com")).region == "europe"


def test_an_unknown_region_warns_when_another_would_refuse(compiled):
    schedule = compiled(region="auto")
    assert (schedule.region, schedule.region_known) == ("america", False)
    assert schedule.warnings[-1] == (
        "The account's region is not known before the first login, so the schedule was checked for america "
        "and would be refused for asia: set region if the account is hosted there."
    )
    everywhere = compiled(region="auto", daily_restart="15:00", weekly_login="Sun 12:00")
    assert not any("region" in text for text in everywhere.warnings)


@pytest.mark.parametrize(
    ("mode", "policy", "warned"),
    [("paper", "consent", True), ("paper", "auto", False), ("live", "consent", False), ("paper", "", False)],
)
def test_paper_that_asks_for_each_login_is_warned_about(compiled, mode, policy, warned):
    schedule = compiled(mode=mode, login_policy=policy)
    assert any("each day until you run" in text for text in schedule.warnings) is warned
