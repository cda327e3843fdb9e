"""IBC's settings as IBC reads them, and as IBC says it applied them."""

import re

import pytest
from harness import properties
from harness.instance import Instance


def read_settings(instance: Instance, path: str) -> dict[str, str]:
    return properties.load(instance.host.file(path).content)


def test_every_instance_gets_its_own_settings(instance: Instance):
    settings = read_settings(instance, f"/run/ibgateway/{instance.name}/config.ini")
    expected = {
        "TradingMode": instance.given["mode"],
        "IbLoginId": instance.given["username"],
        "OverrideTwsApiPort": str(instance.ports["api"]),
        "CommandServerPort": str(instance.ports["command"]),
        "BindAddress": "127.0.0.1",
        "ControlFrom": "",
        "ReadOnlyApi": {"live": "yes", "paper": "no"}[instance.name],
        "AcceptIncomingConnectionAction": "reject",
        "AcceptNonBrokerageAccountWarning": "yes",
        # Paper is stopped and started by a timer: its tokens are not reliable.
        "AutoRestartTime": {"live": "11:10 PM", "paper": ""}[instance.name],
        "AutoLogoffTime": "",
        "LogStructureScope": "unknown",
        "LogStructureWhen": "open",
    }
    assert {key: settings.get(key, "") for key in expected} == expected


def test_the_password_is_what_the_operator_wrote(instance: Instance):
    settings = read_settings(instance, f"/run/ibgateway/{instance.name}/config.ini")
    assert settings["IbPassword"] == instance.given["password"]


def test_the_settings_at_rest_hold_no_credentials(instance: Instance):
    settings = read_settings(instance, f"/etc/ibgateway/{instance.name}/ibc.ini")
    assert settings["TradingMode"] == instance.given["mode"]
    assert not settings.keys() & {"IbLoginId", "IbPassword", "FIXLoginId", "FIXPassword"}


def test_no_value_has_a_trailing_blank(instance: Instance):
    # IBC trims texts but not numbers and booleans: "yes " silently means the default.
    settings = read_settings(instance, f"/etc/ibgateway/{instance.name}/ibc.ini")
    assert [key for key, value in settings.items() if value != value.strip()] == []


@pytest.mark.parametrize(
    ("file", "owner", "group", "mode"),
    [
        ("/etc/ibgateway/{name}/ibc.ini", "root", "ibgateway", 0o640),
        ("/etc/ibgateway/{name}/instance.toml", "root", "ibgateway", 0o640),
        ("/etc/ibgateway/{name}/credentials", "root", "root", 0o700),
        ("/etc/ibgateway/{name}/credentials/password.cred", "root", "root", 0o600),
        ("/run/ibgateway/{name}/config.ini", "ibgateway", "ibgateway", 0o600),
        ("/run/ibgateway/{name}/Xauthority", "ibgateway", "ibgateway", 0o600),
        ("/var/lib/ibgateway/{name}", "ibgateway", "ibgateway", 0o750),
        ("/var/lib/ibgateway/{name}/settings", "ibgateway", "ibgateway", 0o700),
        ("/var/lib/ibgateway/{name}/events.jsonl", "ibgateway", "ibgateway", 0o640),
    ],
)
def test_files_belong_to_whom_they_should(instance: Instance, file: str, owner: str, group: str, mode: int):
    found = instance.host.file(file.format(name=instance.name))
    assert (found.user, found.group, oct(found.mode)) == (owner, group, oct(mode))


def test_ibc_says_that_it_applied_them(instance: Instance):
    journal = instance.journal()
    wanted = [
        rf"Setting Trading mode = {instance.given['mode']}",
        rf"TWS API socket port (is already|now) set to:? ?{instance.ports['api']}",
        rf"Read-Only API checkbox is (now|already) set to: {'true' if instance.name == 'live' else 'false'}",
        r"Configuration tasks completed",
    ]
    if instance.name == "live":
        wanted.append(r"Auto restart time (already set to|changed from .* to|set to) 11:10 PM")
    assert [line for line in wanted if not re.search(line, journal)] == []


def test_each_instance_runs_its_own_release(instance: Instance):
    version = {"live": "10.45.1", "paper": "10.37.1"}[instance.name]
    heap = {"live": "-Xmx256m", "paper": "-Xmx320m"}[instance.name]
    pid = instance.status()["java_pid"]
    command = instance.host.file(f"/proc/{pid}/cmdline").content.decode().split("\0")
    assert heap in command
    classpath = command[command.index("-cp") + 1]
    assert f"/opt/ibgateway/releases/{version}/jars/" in classpath
    assert "/opt/ibc/releases/3.25.0/IBC.jar" in classpath


def test_gateway_runs_in_the_operators_zone(instance: Instance):
    pid = instance.status()["java_pid"]
    environment = instance.host.file(f"/proc/{pid}/environ").content.decode().split("\0")
    assert "TZ=Europe/Zurich" in environment
    assert "LANG=C.UTF-8" in environment
