"""Hardening as systemd loaded it, and secrets where they belong."""

import shlex
from collections.abc import Iterable

import pytest
from harness.instance import Instance, run_probe, unit_properties
from testinfra.host import Host

UNITS = ["ibgateway@live.service", "ibgateway-display@live.service", "ibgateway-watch.service"]

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
    "UMask": "0077",
}

# Tenths of what `systemd-analyze security` calls exposure: 100 is unprotected, 20 and less is "OK".
HIGHEST_EXPOSURE = {
    "ibgateway@live.service": 30,
    "ibgateway-display@live.service": 30,
    "ibgateway-watch.service": 30,
}


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_sandboxed(host: Host, unit: str):
    found = unit_properties(host, unit)
    assert {name: found[name] for name in PROPERTIES} == PROPERTIES
    assert found["SystemCallFilter"]
    assert found["User"] not in ("", "root")


@pytest.mark.parametrize("unit", UNITS)
def test_exposure_stays_low(host: Host, unit: str):
    result = host.run(
        "systemd-analyze security --no-pager --threshold=%s %s", str(HIGHEST_EXPOSURE[unit]), unit
    )
    assert result.rc == 0, result.stdout.splitlines()[-1]


def test_the_launcher_may_make_code_because_java_must(host: Host):
    assert unit_properties(host, "ibgateway@live.service")["MemoryDenyWriteExecute"] == "no"


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
    "tree", ["/opt/ibgateway", "/opt/ibc", "/etc/ibgateway", "/usr/local/lib/ibgateway", "/usr/local/bin"]
)
@pytest.mark.parametrize("user", ["ibgateway", "ibgateway-watch"])
def test_what_is_installed_cannot_be_changed_by_the_services(host: Host, tree: str, user: str):
    assert host.file(tree).is_directory
    assert host.run("id %s", user).rc == 0
    command = ["runuser", "-u", user, "--", "find", tree, "-writable", "!", "-type", "l"]
    found = host.run("cd / && " + shlex.join(command))
    assert found.stdout == ""


def test_service_users_cannot_log_in(host: Host):
    for user in ("ibgateway", "ibgateway-watch"):
        shell = host.check_output("getent passwd %s", user).split(":")[-1]
        assert shell.endswith("nologin")


def readable_for(host: Host, user: str, files: Iterable[str]) -> list[str]:
    """Return those of the files that a local user can read."""
    look = 'for file; do if test -r "$file"; then echo "$file"; fi; done'
    command = ["runuser", "-u", user, "--", "sh", "-c", look, "sh", *files]
    return host.check_output("cd / && " + shlex.join(command)).splitlines()


@pytest.fixture(scope="module")
def secrets_found(host: Host, instances: dict[str, Instance]) -> dict:
    # The first word of each password is a canary that occurs nowhere else.
    canaries = [instance.given["password"].split()[0] for instance in instances.values()]
    return run_probe(host, "canaries", *(word.encode().hex() for word in canaries))


def test_passwords_are_in_no_file_but_those_of_the_running_service(secrets_found: dict):
    # What systemd hands to the service may be seen by root here; where it cannot be, so much the better.
    handed = {f"/run/credentials/ibgateway@{name}.service/password" for name in ("live", "paper")}
    running = {f"/run/ibgateway/{name}/config.ini" for name in ("live", "paper")}
    assert secrets_found["files"].keys() - handed == running


@pytest.mark.parametrize("user", ["ops", "nobody", "ibgateway-watch"])
def test_passwords_are_readable_for_nobody_else(host: Host, secrets_found: dict, user: str):
    assert readable_for(host, user, secrets_found["files"]) == []


@pytest.mark.parametrize("place", ["arguments", "environments", "journal"])
def test_passwords_are_in_no_place_others_look_at(secrets_found: dict, place: str):
    assert not secrets_found[place]


def test_user_names_are_for_the_service_only(host: Host, instances: dict[str, Instance]):
    names = [instance.given["username"].encode().hex() for instance in instances.values()]
    found = run_probe(host, "canaries", *names)
    assert [path for path in found["files"] if path.startswith("/etc")] == []
    assert readable_for(host, "nobody", found["files"]) == []
    # In the journal they are: IBC logs the title of Gateway's settings window, which names the user.
    assert (found["arguments"], found["environments"]) == ([], [])
