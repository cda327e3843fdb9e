"""Settings are checked and completed as IBC wants them; mistakes get one sentence with the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from ibgatewaylib import ibc_settings
from ibgatewaylib.properties import parse


def settled(instance: dict[str, Any], **changes: Any) -> dict[str, str]:
    """The values ibc.ini gets; there must be no problem."""
    values, problems = ibc_settings.effective(instance | changes)
    assert problems == []
    return values


def problem(instance: dict[str, Any], **changes: Any) -> str:
    """The one problem there must be."""
    (only,) = ibc_settings.effective(instance | changes)[1]
    assert only.startswith("Instance 'live': ")
    assert only.endswith(".")
    assert not only.endswith("..")
    return only


def test_the_defaults_are_safe_and_take_ports_and_mode_from_the_instance(instance: dict[str, Any]) -> None:
    values = settled(instance)
    expected = {
        "TradingMode": "live",
        "OverrideTwsApiPort": "4001",
        "CommandServerPort": "7462",
        "BindAddress": "127.0.0.1",
        "ReadOnlyApi": "yes",
        "AcceptIncomingConnectionAction": "reject",
        "AcceptNonBrokerageAccountWarning": "yes",
        "ReloginAfterSecondFactorAuthenticationTimeout": "no",
        "AutoRestartTime": "05:15 PM",
    }
    assert {name: values[name] for name in expected} == expected
    assert not values.keys() & {
        "IbLoginId",
        "IbPassword",
        "FIXLoginId",
        "FIXPassword",
        "IbDir",
        "ControlFrom",
    }


def test_the_forks_defaults_are_left_out_for_upstream(instance: dict[str, Any]) -> None:
    assert settled(instance)["AllowLocalhostOnly"] == "yes"
    assert "AllowLocalhostOnly" not in settled(instance, ibc_version="3.24.1")


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("00:00", "12:00 AM"),
        ("00:30", "12:30 AM"),
        ("09:05", "09:05 AM"),
        ("12:00", "12:00 PM"),
        ("23:59", "11:59 PM"),
    ],
)
def test_the_daily_restart_is_spelled_as_gateway_wants_it(
    instance: dict[str, Any], time: str, expected: str
) -> None:
    assert settled(instance, daily_restart=time)["AutoRestartTime"] == expected


def test_a_paper_account_is_restarted_by_its_timer_and_not_by_gateway(instance: dict[str, Any]) -> None:
    values = settled(instance, mode="paper")
    assert not values.keys() & {"AutoRestartTime", "AutoLogoffTime"}


def test_without_a_daily_restart_an_auto_logoff_is_possible(instance: dict[str, Any]) -> None:
    values = settled(instance, daily_restart="", settings={"AutoLogoffTime": "11:45 PM"})
    assert "AutoRestartTime" not in values
    assert values["AutoLogoffTime"] == "11:45 PM"


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("ReadOnlyApi", False, "no"),
        ("ReadOnlyApi", "TRUE", "yes"),
        ("ReadOnlyApi", "", ""),
        ("MinimizeMainWindow", True, "yes"),
        ("LoginDialogDisplayTimeout", 90, "90"),
        ("LoginDialogDisplayTimeout", "090", "90"),
        ("OverrideTwsMasterClientID", 0, "0"),
        ("ExistingSessionDetectedAction", "secondary", "secondary"),
        ("SecondFactorDevice", "IB Key", "IB Key"),
        ("ColdRestartTime", "07:05", "07:05"),
        ("ClosedownAt", "22:00", "22:00"),
        ("ClosedownAt", "Friday 22:00", "Friday 22:00"),
        ("TrustedTwsApiClientIPs", "10.0.0.5, 10.0.0.6", "10.0.0.5,10.0.0.6"),
        ("TrustedTwsApiClientIPs", ["10.0.0.5", "fd00::1"], "10.0.0.5,fd00::1"),
        ("SaveTwsSettingsAt", "08:00   12:30", "08:00 12:30"),
        ("SaveTwsSettingsAt", "Every 90 mins 08:00 17:43", "Every 90 mins 08:00 17:43"),
        ("ConfirmOrderIdReset", "confirm/reject", "confirm/reject"),
        ("BypassBondWarning", True, "yes"),
        (
            "EventLogFile",
            "/var/lib/ibgateway/live/ibc-events.jsonl",
            "/var/lib/ibgateway/live/ibc-events.jsonl",
        ),
        ("DialogRulesFile", "/etc/ibgateway/rules.txt", "/etc/ibgateway/rules.txt"),
    ],
)
def test_good_values_are_taken(instance: dict[str, Any], name: str, given: Any, expected: str) -> None:
    assert settled(instance, settings={name: given})[name] == expected


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("ReadOnlyAPI", True, "IBC has no setting 'ReadOnlyAPI': the nearest is ReadOnlyApi"),
        ("AutoRestart", "05:15 PM", "the nearest is AutoRestartTime"),
        ("ReadOnlyApi ", True, "the nearest is ReadOnlyApi "),
        (7, True, "IBC has no setting '7'"),
        ("ForceTwsApiPort", 4001, "IBC gave up: set the instance's api_port"),
        ("IbLoginId", "canary", "may not be in ibc_settings: set the instance's username"),
        ("IbPassword", "canary", "set the instance's password"),
        ("FIX", True, "runs the API Gateway and not the FIX gateway"),
        ("FIXPassword", "canary", "not the FIX gateway"),
        ("TradingMode", "paper", "set the instance's mode"),
        ("IbDir", "/tmp/x", "leave it out"),
        ("OverrideTwsApiPort", 4001, "set the instance's api_port"),
        ("CommandServerPort", 7462, "set the instance's command_port"),
        ("BindAddress", "192.0.2.1", "leave it out"),
        ("ControlFrom", "10.0.0.1", "leave it out"),
        ("AutoRestartTime", "11:45 PM", "set ibc_daily_restart"),
        ("LogComponents", "open", "use LogStructureScope"),
        (
            "ExitAfterSecondFactorAuthenticationTimeout",
            True,
            "use ReloginAfterSecondFactorAuthenticationTimeout",
        ),
        ("ReadOnlyApi", "maybe", "must be yes or no, not 'maybe'"),
        ("ReadOnlyApi", "yes ", "has a blank at its beginning or end"),
        ("ReadOnlyApi", 1, "must be yes or no, not 1"),
        ("ReadOnlyApi", None, 'has no value: write ""'),
        ("ReadOnlyApi", ["yes"], "must be a text"),
        ("ReadOnlyLogin", True, "use ReadOnlyApi"),
        ("LoginDialogDisplayTimeout", "1m", "must be a whole number 1 to 86400 seconds, not '1m'"),
        ("LoginDialogDisplayTimeout", 0, "must be a whole number 1 to 86400"),
        ("LoginDialogDisplayTimeout", -5, "must be a whole number"),
        ("LoginDialogDisplayTimeout", 60.5, "must be a whole number"),
        ("LoginDialogDisplayTimeout", "٦٠", "must be a whole number"),
        ("SecondFactorDevice", " IB Key", "has a blank at its beginning"),
        ("SecondFactorDevice", "IB\nKey", "line break"),
        ("SecondFactorDevice", True, "put the value in quotes"),
        ("ExistingSessionDetectedAction", "primery", "write primary"),
        ("ExistingSessionDetectedAction", "Primary", "write primary"),
        ("LogStructureScope", "everything", "must be one of known, unknown, untitled, all"),
        ("LogStructureWhen", False, "must be one of never, open, openclose, activate, not no/false"),
        ("AutoLogoffTime", "23:45", 'write "11:45 PM"'),
        ("AutoLogoffTime", "11:45pm", 'write "11:45 PM"'),
        ("AutoLogoffTime", "9:05 AM", 'write "09:05 AM"'),
        ("AutoLogoffTime", "11:45  PM", 'write "11:45 PM"'),
        ("AutoLogoffTime", "13:00 PM", 'write "01:00 PM"'),
        ("AutoLogoffTime", "late", 'write "05:15 PM"'),
        ("AutoLogoffTime", 1425, 'write "11:45 PM" in quotes'),
        ("ColdRestartTime", "7:05", 'write "07:05"'),
        ("ColdRestartTime", "07:05 AM", 'write "07:05"'),
        ("ColdRestartTime", "24:00", "must be a time as HH:mm"),
        ("ColdRestartTime", "25:61", "must be a time as HH:mm"),
        ("ClosedownAt", "Fri 22:00", "write Friday"),
        ("ClosedownAt", "friday 22:00", "write Friday"),
        ("ClosedownAt", "Friday 10 PM", "no day of the week"),
        ("ClosedownAt", 1320, 'write "22:00"'),
        ("TrustedTwsApiClientIPs", "10.0.0.0/8", "'10.0.0.0/8' is none"),
        ("TrustedTwsApiClientIPs", "example.org", "'example.org' is none"),
        ("TrustedTwsApiClientIPs", "127.0.0.1", "may always connect: leave it out"),
        ("TrustedTwsApiClientIPs", "10.0.0.1,", "'' is none"),
        ("SaveTwsSettingsAt", "Every x", "write a number after Every"),
        ("SaveTwsSettingsAt", "Every 5 08:00 09:00 10:00", "at most a start and an end time"),
        ("SaveTwsSettingsAt", "8:00", 'write "08:00"'),
        ("ConfirmOrderIdReset", "confirm", "two of confirm, reject, ignore"),
        ("EventLogFile", "events.jsonl", "begins with '/'"),
        ("EventLogFile", "/var/lib/ibgateway/paper/x", "must be inside /var/lib/ibgateway/live/"),
    ],
)
def test_bad_settings_are_refused_with_a_remedy(
    instance: dict[str, Any], name: Any, given: Any, expected: str
) -> None:
    sentence = problem(instance, daily_restart="", settings={name: given})
    assert expected in sentence
    assert "canary" not in sentence


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ColdRestartTime": "07:05", "ClosedownAt": "Friday 22:00"}, "exclude each other"),
        (
            {
                "SecondFactorDevice": "IB Key",
                "ReloginAfterSecondFactorAuthenticationTimeout": True,
                "SecondFactorAuthenticationExitInterval": 60,
            },
            "write 240 or more",
        ),
        ({"AllowLocalhostOnly": True}, "AllowLocalhostOnly needs IBC 3.25.0 or later, and this is 3.24.1"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    instance: dict[str, Any], settings: dict[str, Any], expected: str
) -> None:
    assert expected in problem(instance, ibc_version="3.24.1", settings=settings)


def test_every_problem_of_every_instance_is_told_at_once(instance: dict[str, Any]) -> None:
    other = instance | {"name": "paper", "settings": {"ReadOnlyApi": "maybe"}}
    problems = ibc_settings.problems_of([instance | {"settings": {"FIX": True, "Foo": 1}}, other])
    assert [text.split(":")[0] for text in problems] == ["Instance 'live'"] * 2 + ["Instance 'paper'"]


@pytest.mark.parametrize("key", ["username", "password"])
def test_credentials_ibc_would_not_type_are_refused_without_being_shown(
    instance: dict[str, Any], key: str
) -> None:
    (sentence,) = ibc_settings.problems_of([instance | {key: "canary "}])
    assert f"{key} begins or ends with a blank" in sentence
    assert "canary" not in sentence


@pytest.mark.parametrize("device", ["IB Key", r"back\slash: #1 = !", "ключ 鍵 😀", "C:\\new\\u0041"])
def test_java_reads_back_what_was_written(instance: dict[str, Any], device: str) -> None:
    text = ibc_settings.render(instance | {"settings": {"SecondFactorDevice": device}})
    assert text.isascii()
    assert parse(text)["SecondFactorDevice"] == device


def test_rendering_refuses_what_is_wrong(instance: dict[str, Any]) -> None:
    with pytest.raises(ibc_settings.BadSettingsError, match="ReadOnlyApi must be yes or no"):
        ibc_settings.render(instance | {"settings": {"ReadOnlyApi": "maybe"}})
