"""What Gateway's settings are, from IBC's own words."""

from __future__ import annotations

import pytest
from ibgatewaylib.dialect import IBC, Parser
from ibgatewaylib.ibc_catalogue import CATALOGUE
from ibgatewaylib.readback import _BOXES, _FOUND, ReadBack, differences, sections

JTS = "[Logon]\nTimeZone=America/New_York\n[IBGateway]\nApiOnly=true\nPeer=ndc1.ibllc.com:4000\n"


def compared(box, wanted: dict[str, str], *messages: str, jts: str = JTS) -> dict:
    back = ReadBack(wanted, box.instance())
    parser = Parser(IBC)
    for message in messages:
        for signal in parser.feed(f"2026-11-24 02:26:33:150 IBC: {message}"):
            assert signal.name == "setting_found"
            back.found(**signal.detail)
    return back.result(jts)


@pytest.mark.parametrize(
    ("key", "wanted", "message", "found"),
    [
        ("OverrideTwsApiPort", "4001", "TWS API socket port is already set to 4001", "4001"),
        ("OverrideTwsApiPort", "4001", "TWS API socket port now set to 4001", "4001"),
        ("ReadOnlyApi", "yes", "Read-Only API checkbox is already set to: true", "true"),
        ("ReadOnlyApi", "no", "Read-Only API checkbox is now set to: false", "false"),
        ("OverrideTwsMasterClientID", "7", "TWS Master Client ID now set to 7", "7"),
        ("AllowLocalhostOnly", "yes", "'Allow connections from localhost only' is now set to: true", "true"),
        (
            "SendMarketDataInLotsForUSstocks",
            "no",
            "Send Market Data In Lots checkbox is now set to: false",
            "false",
        ),
        ("AutoRestartTime", "05:15 PM", "Auto restart time already set to 05:15 PM", "05:15 PM"),
        ("AutoRestartTime", "05:15 PM", "Auto restart time set to 05:15 PM", "05:15 PM"),
        (
            "AutoRestartTime",
            "05:15 PM",
            "Auto restart time changed from 02:32 AM to 05:15 PM",
            "05:15 PM",
        ),
        ("AutoLogoffTime", "11:45 PM", "Auto logoff time set to 11:45 PM", "11:45 PM"),
        (
            "BypassBondWarning",
            "yes",
            "'Bypass Bond warning for API Orders.' is now selected",
            "selected",
        ),
        (
            "BypassOrderPrecautions",
            "no",
            "Checkbox 'Bypass Order Precautions for API Orders' is already unselected",
            "unselected",
        ),
    ],
)
def test_reported_as_wanted(box, key, wanted, message, found):
    result = compared(box, {key: wanted}, message)
    assert result[key] == {"wanted": wanted, "found": found, "ok": True}
    assert differences(result) == ""


def test_a_difference_is_named(box):
    result = compared(box, {"ReadOnlyApi": "yes"}, "Read-Only API checkbox is already set to: false")
    assert differences(result) == "ReadOnlyApi: wanted yes, found false"


def test_a_setting_nobody_reports_is_a_difference(box):
    assert differences(compared(box, {"ReadOnlyApi": "yes"})) == "ReadOnlyApi: wanted yes, found not reported"


def test_empty_means_leave_it(box):
    assert "ReadOnlyApi" not in compared(box, {"ReadOnlyApi": ""})


def test_logoff_time_is_ignored_beside_a_restart_time(box):
    wanted = {"AutoLogoffTime": "11:45 PM", "AutoRestartTime": "05:15 PM"}
    assert "AutoLogoffTime" not in compared(box, wanted)


@pytest.mark.parametrize(
    ("jts", "text"),
    [
        ("", "jts.ini TimeZone: wanted America/New_York, found nothing"),
        (JTS.replace("New_York", "Chicago"), "found America/Chicago"),
        (JTS.replace("true", "false"), "jts.ini ApiOnly: wanted true, found false"),
        ("\0\xff[[[=", "found nothing"),
    ],
)
def test_jts_ini(box, jts, text):
    assert text in differences(compared(box, {}, jts=jts))


def test_sections():
    held = sections("a=1\n[One]\n b = 2 \nb=3\nnothing\n[Two]\nb=\n")
    assert held == {("", "a"): "1", ("One", "b"): "2", ("Two", "b"): ""}


def test_every_setting_is_in_the_catalogue():
    known = {setting.name for setting in CATALOGUE}
    assert {*_FOUND, *_BOXES} <= known
    assert {name for name in known if name.startswith("Bypass")} == set(_BOXES)
    reported = {name.partition(":")[2] for name, _ in IBC.messages if name.startswith("setting_found:")}
    assert reported == {*_FOUND.values(), "box"}
