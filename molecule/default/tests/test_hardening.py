"""Hardening as systemd loaded it, and secrets where they belong."""

import shlex
from collections.abc import Iterable

import pytest
from harness.instance import Instance, run_probe, unit_properties
from testinfra.host import Host

GATEWAY_UNITS = ["ibgateway@live.service", "ibgateway-display@live.service"]
ALERTING_UNITS = ["ibgateway-watch.service", "ibgateway-notify.service"]
ONESHOTS = ["ibgateway-digest.service", "ibgateway-test-alert.service"]
UNITS = [*GATEWAY_UNITS, *ALERTING_UNITS, *ONESHOTS]
SERVICE_USERS = ["ibgateway", "ibgateway-watch", "ibgateway-notify"]

# As loaded, which is what counts: a misspelt line in a unit file would only be a warning.
PROPERTIES = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectControlGroups": "yes",
    "RestrictSUIDSGID": "yes",
    "CapabilityBoundingSet": "",
}

# What each instance's credentials begin with, and nothing else on the host contains.
CANARIES = {"password": "Canary-4b1d", "username": "canary-3c5e"}

# Tenths of what `systemd-analyze security` calls exposure: 100 is unprotected, 20 and less is "OK".
HIGHEST_EXPOSURE = {
    "ibgateway@live.service": 30,
    "ibgateway-display@live.service": 30,
    "ibgateway-watch.service": 30,
    "ibgateway-notify.service": 30,
    "ibgateway-digest.service": 30,
    "ibgateway-test-alert.service": 30,
}


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_sandboxed(host: Host, unit: str):
    found = unit_properties(host, unit)
    assert {name: found[name] for name in PROPERTIES} == PROPERTIES
    assert found["SystemCallFilter"]
    assert found["User"] not in ("", "root")
    # The two users of alerting share a database through their group.
    assert found["UMask"] == ("0077" if unit in GATEWAY_UNITS else "0007")


@pytest.mark.parametrize("unit", UNITS)
def test_exposure_stays_low(host: Host, unit: str):
    result = host.run(
        "systemd-analyze security --no-pager --threshold=%s %s", str(HIGHEST_EXPOSURE[unit]), unit
    )
    assert result.rc == 0, result.stdout.splitlines()[-1]


def test_the_launcher_may_make_code_because_java_must(host: Host):
    assert unit_properties(host, "ibgateway@live.service")["MemoryDenyWriteExecute"] == "no"


@pytest.mark.parametrize("unit", [*ALERTING_UNITS, *ONESHOTS])
def test_alerting_may_not(host: Host, unit: str):
    assert unit_properties(host, unit)["MemoryDenyWriteExecute"] == "yes"


def test_the_watcher_stays_on_this_machine(host: Host):
    found = unit_properties(host, "ibgateway-watch.service")
    assert set(found["IPAddressDeny"].split()) == {"::/0", "0.0.0.0/0"}
    assert set(found["IPAddressAllow"].split()) == {"127.0.0.0/8", "::1/128"}


def test_the_notifier_sees_nothing_of_gateway(host: Host):
    pid = unit_properties(host, "ibgateway-notify.service")["MainPID"]
    inside = ["nsenter", f"--target={pid}", "--mount", "--"]
    # As root inside its mounts: what is hidden there is hidden from everybody.
    for place in ("/etc/ibgateway", "/run/ibgateway", "/var/lib/ibgateway", "/opt/ibgateway", "/opt/ibc"):
        assert host.check_output(shlex.join([*inside, "find", place, "-mindepth", "1"])) == "", place
    assert (
        host.run(shlex.join([*inside, "test", "-e", "/var/lib/ibgateway-alerting/alerting.sqlite"])).rc == 0
    )


def test_the_channels_are_readable_for_the_notifier_alone(host: Host):
    token = host.ansible.get_variables()["alerting_channels"][0]["url"].split("/")[2]
    found = run_probe(host, "canaries", token.encode().hex())[0]
    handed = "/run/credentials/ibgateway-notify.service/channels"
    assert set(found["files"]) <= {handed}
    assert (found["arguments"], found["environments"], found["journal"]) == ([], [], 0)
    for user in ("ops", "nobody", "ibgateway", "ibgateway-watch"):
        assert readable_for(host, user, ["/etc/ibgateway-alerting/channels.cred", handed]) == []


def test_starts_are_bounded_by_systemd_too(host: Host):
    # Logins are bounded by the budget on disk, which the scenario `session` proves.
    unit = unit_properties(host, "ibgateway@live.service")
    assert unit["StartLimitIntervalUSec"] == "10min"
    assert int(unit["StartLimitBurst"]) <= 10
    assert unit["RestartForceExitStatus"] == "75"
    assert set(unit["RestartPreventExitStatus"].split()) >= {"77", "78"}


def test_systemd_knows_every_line_of_the_units(host: Host):
    # An unknown key is a warning only, so the words count and not the exit code.
    for unit in [*UNITS, "ibgateway-firewall.service"]:
        verdict = host.run("systemd-analyze verify %s", unit)
        lines = [line for line in (verdict.stdout + verdict.stderr).splitlines() if "ibgateway" in line]
        assert lines == []


@pytest.mark.parametrize(
    "tree",
    [
        "/opt/ibgateway",
        "/opt/ibc",
        "/opt/ibgateway-alerting",
        "/etc/ibgateway",
        "/etc/ibgateway-alerting",
        "/usr/local/lib/ibgateway",
        "/usr/local/bin",
    ],
)
@pytest.mark.parametrize("user", SERVICE_USERS)
def test_what_is_installed_cannot_be_changed_by_the_services(host: Host, tree: str, user: str):
    assert host.file(tree).is_directory
    assert host.run("id %s", user).rc == 0
    command = ["runuser", "-u", user, "--", "find", tree, "-writable", "!", "-type", "l"]
    found = host.run("cd / && " + shlex.join(command))
    assert found.stdout == ""


def test_service_users_cannot_log_in(host: Host):
    for user in SERVICE_USERS:
        shell = host.check_output("getent passwd %s", user).split(":")[-1]
        assert shell.endswith("nologin")


def readable_for(host: Host, user: str, files: Iterable[str]) -> list[str]:
    """Return those of the files that a local user can read."""
    look = 'for file; do if test -r "$file"; then echo "$file"; fi; done'
    command = ["runuser", "-u", user, "--", "sh", "-c", look, "sh", *files]
    return host.check_output("cd / && " + shlex.join(command)).splitlines()


@pytest.fixture(scope="module")
def found(host: Host, instances: dict[str, Instance]) -> dict[str, dict]:
    """Where passwords and user names were found on the host: files, arguments, environments, journal."""
    for secret, canary in CANARIES.items():
        assert all(instance.given[secret].startswith(canary) for instance in instances.values())
    places = run_probe(host, "canaries", *(canary.encode().hex() for canary in CANARIES.values()))
    return dict(zip(CANARIES, places, strict=True))


def test_passwords_are_in_no_file_but_those_of_the_running_service(found: dict[str, dict]):
    # What systemd hands to the service may be seen by root here; where it cannot be, so much the better.
    handed = {f"/run/credentials/ibgateway@{name}.service/password" for name in ("live", "paper")}
    running = {f"/run/ibgateway/{name}/config.ini" for name in ("live", "paper")}
    assert set(found["password"]["files"]) - handed == running


@pytest.mark.parametrize("user", ["ops", "nobody", "ibgateway-watch", "ibgateway-notify"])
@pytest.mark.parametrize("secret", ["password", "username"])
def test_credentials_are_readable_for_nobody_else(host: Host, found: dict[str, dict], secret: str, user: str):
    assert readable_for(host, user, found[secret]["files"]) == []


@pytest.mark.parametrize("secret", ["password", "username"])
def test_credentials_are_not_on_show(found: dict[str, dict], secret: str):
    assert (found[secret]["arguments"], found[secret]["environments"]) == ([], [])
    assert [path for path in found[secret]["files"] if path.startswith("/etc")] == []


def test_passwords_are_not_in_the_journal(found: dict[str, dict]):
    # User names are: IBC logs the title of Gateway's settings window, which begins with the name.
    assert found["password"]["journal"] == 0
