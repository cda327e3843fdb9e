"""The units, timers and the polkit rule that the role brings, as systemd and polkit will read them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Any

import pytest
from ansible.template import trust_as_template
from ibgatewaylib.ctl_acts import UNITS as ACT_UNITS
from render import ROOT, Role, section

INSTANCES = [
    {"name": "live", "mode": "live", "username": "canary-a", "password": "canary", "api_port": 4001},
    {"name": "paper", "mode": "paper", "username": "canary-b", "password": "canary", "api_port": 4002},
]
NEEDS_SYSTEMD = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
WINDOWS = {
    "checked_on": "2026-06-01",
    "daily": {
        "america": [{"zone": "America/New_York", "from": "00:15", "to": "01:45"}],
        "europe": [{"zone": "Europe/Zurich", "from": "06:25", "to": "07:45"}],
        "asia": [{"zone": "Asia/Hong_Kong", "from": "04:45", "to": "06:05"}],
    },
    "weekend": {
        "closed": {"zone": "America/New_York", "from": "Fri 23:00", "to": "Sat 03:00"},
        "quiet": {"zone": "America/New_York", "from": "Fri 22:45", "to": "Sun 02:00"},
    },
}


def role_with(**variables: object) -> Role:
    """Role ibc with two instances."""
    given = {
        "ibc_version": "3.25.0",
        "ibgateway_instances": INSTANCES,
        "ibgateway_version": "10.45.1",
        "ibgateway_java_source": "installer",
        "ibgateway_heap": 768,
        "ibgateway_restart": "planned",
        "ibgateway_artifact_delivery": "push",
        "ansible_check_mode": False,
    }
    return Role("ibc", **given, **variables)


@pytest.fixture(scope="module")
def units() -> dict[str, str]:
    """What the role puts into systemd's folder and polkit's, by file name."""
    return {Path(file["dest"]).name: file["content"] for file in role_with().value("_ibc_units")}


def test_each_instance_gets_the_timers_of_its_mode(units: dict[str, str]) -> None:
    assert sorted(name for name in units if name.endswith(".timer")) == [
        "ibgateway-cycle@paper.timer",
        "ibgateway-login@live.timer",
        "ibgateway-reset@live.timer",
        "ibgateway-reset@paper.timer",
        "ibgateway-restart@live.timer",
        "ibgateway-restart@paper.timer",
    ]


def test_timers_are_exact_and_make_up_for_nothing(units: dict[str, str]) -> None:
    for name, text in units.items():
        if name.endswith(".timer"):
            timer = section(text, "Timer")
            assert set(timer) == {"OnCalendar", "AccuracySec"}, name
            assert timer["AccuracySec"] == ["1s"]
            # The zone is part of it, whatever the host's own is.
            assert all("/" in calendar.split()[-1] for calendar in timer["OnCalendar"]), name
            assert section(text, "Install") == {"WantedBy": ["timers.target"]}


def test_every_timer_starts_a_service_that_is_there(units: dict[str, str]) -> None:
    for name in units:
        if name.endswith(".timer"):
            assert re.sub(r"@.*", "@.service", name) in units


def test_timers_call_the_command_that_decides(units: dict[str, str]) -> None:
    commands = {
        what: section(units[f"ibgateway-{what}@.service"], "Service")["ExecStart"]
        for what in ("restart", "reset", "login", "cycle")
    }
    ctl = "/usr/local/bin/ibgatewayctl appointment"
    assert commands == {
        "restart": [f"{ctl} restart %i"],
        "reset": [f"{ctl} reset %i"],
        "login": [f"{ctl} login %i"],
        "cycle": [f"-{ctl} stop %i", f"{ctl} start %i"],
    }


def test_there_is_a_unit_for_every_act_of_the_operator(units: dict[str, str]) -> None:
    for verb, unit in ACT_UNITS.items():
        service = section(units[unit.format("")], "Service")
        assert service["ExecStart"] == [f"/usr/local/lib/ibgateway/act {verb} %i"]
        assert "User" not in service, "acts steer units, as root"


def test_nothing_that_logs_in_is_started_at_boot_but_the_instance(units: dict[str, str]) -> None:
    started = {name for name, text in units.items() if name.endswith(".service") and "[Install]" in text}
    assert started == {"ibgateway@.service", "ibgateway-keep-token@.service"}


def test_only_live_instances_keep_their_token_over_a_reboot() -> None:
    assert role_with().value("_ibc_boot_units") == [
        "ibgateway@live.service",
        "ibgateway@paper.service",
        "ibgateway-keep-token@live.service",
    ]


def test_the_token_is_kept_before_the_instance_stops_and_only_at_a_shutdown(units: dict[str, str]) -> None:
    text = units["ibgateway-keep-token@.service"]
    unit, service = section(text, "Unit"), section(text, "Service")
    # Stopped in the reverse order of starting; with the default dependencies, before shutdown.target.
    assert "ibgateway@%i.service" in unit["After"][0].split()
    assert "DefaultDependencies" not in unit
    assert service["RemainAfterExit"] == ["yes"]
    (stop,) = service["ExecStop"]
    script = re.fullmatch(r"/bin/sh -c '(.*)'", stop)[1]
    for state, expected in (("running", ""), ("degraded", ""), ("stopping", "paused %i\n")):
        fake = script.replace("systemctl is-system-running", f"echo {state}")
        fake = fake.replace("/usr/local/lib/ibgateway/act pause", "echo paused")
        done = subprocess.run(["sh", "-c", fake], capture_output=True, text=True, check=True)
        assert done.stdout == expected
    assert int(service["TimeoutStopSec"][0]) > 150


def test_a_token_restart_is_not_slowed_and_does_not_reach_the_limit_on_starts(units: dict[str, str]) -> None:
    text = units["ibgateway@.service"]
    assert section(text, "Service")["RestartSec"] == ["200ms"]
    unit = section(text, "Unit")
    assert (unit["StartLimitIntervalSec"], unit["StartLimitBurst"]) == (["10min"], ["10"])


def test_the_display_over_vnc_ends_by_itself_and_has_no_rights(units: dict[str, str]) -> None:
    text = units["ibgateway-vnc@.service"]
    service = section(text, "Service")
    assert service["RuntimeMaxSec"] == ["30min"]
    assert (service["User"], service["CapabilityBoundingSet"]) == (["ibgateway"], [""])
    assert section(text, "Unit")["JoinsNamespaceOf"] == ["ibgateway-display@%i.service"]
    # Needed for the joint /tmp.
    assert service["PrivateTmp"] == ["yes"]


def allowed(unit: str, verb: str) -> bool:
    """What the rule says, its regular expressions and verbs read from the rule itself."""
    rule = (ROOT / "roles/ibc/files/50-ibgateway.rules").read_text()
    named = dict(re.findall(r"var (\w+) = /(.+)/;", rule))
    pairs = re.findall(r"if \((\w+)\.test\(unit\) && /(.+?)/\.test\(verb\)\)", rule)
    found = [(named[name], verbs) for name, verbs in pairs]
    found += re.findall(r'if \(/(.+?)/\.test\(unit\) && verb === "(\w+)"\)', rule)
    assert len(found) == rule.count("Result.YES") == 4
    return any(re.search(pattern, unit) and re.search(f"^(?:{verbs})$", verb) for pattern, verbs in found)


@pytest.mark.parametrize(
    "unit", [*(unit.format("live") for unit in ACT_UNITS.values()), "ibgateway-vnc@a-1.service"]
)
def test_operators_may_start_and_stop_each_act(unit: str) -> None:
    assert allowed(unit, "start")
    assert allowed(unit, "stop")
    assert not allowed(unit, "restart")
    assert not allowed(unit, "set-property")


@pytest.mark.parametrize(
    ("unit", "verb"),
    [
        ("ibgateway@live.service", "restart"),
        ("ibgateway@live.service", "kill"),
        ("ibgateway-login@live.service", "start"),
        ("ibgateway-cycle@live.service", "start"),
        ("ibgateway-keep-token@live.service", "stop"),
        ("ibgateway-display@live.service", "stop"),
        ("ibgateway-watch.service", "stop"),
        ("ibgateway-notify.service", "stop"),
        ("ibgateway-digest.service", "start"),
        ("ibgateway-test-alert.service", "stop"),
        ("ibgateway-firewall.service", "stop"),
        ("ssh.service", "stop"),
        ("xibgateway@live.service", "start"),
        ("ibgateway@live.service.d", "start"),
        ("ibgateway@../x.service", "start"),
        ("ibgateway-restart@live.timer", "stop"),
    ],
)
def test_operators_may_do_nothing_else(unit: str, verb: str) -> None:
    assert not allowed(unit, verb)


def test_operators_may_test_the_channels() -> None:
    assert allowed("ibgateway-test-alert.service", "start")


@pytest.mark.parametrize("verb", ["start", "stop", "reset-failed"])
def test_operators_may_start_and_stop_an_instance(verb: str) -> None:
    assert allowed("ibgateway@live.service", verb)
    assert allowed("ibgateway-cycle@paper.service", verb) == (verb == "stop")


def test_the_rule_asks_for_the_group_and_the_action_first() -> None:
    rule = (ROOT / "roles/ibc/files/50-ibgateway.rules").read_text()
    head = rule[: rule.index("Result.YES")]
    assert 'action.id !== "org.freedesktop.systemd1.manage-units"' in head
    assert '!subject.isInGroup("ibgateway-operators")' in head


def test_windows_of_ones_own_reach_the_host_and_the_calendars() -> None:
    role = role_with(ibc_reset_windows=WINDOWS)
    (file,) = [
        file for file in role.value("_ibc_configuration") if file["dest"].endswith("reset-windows.json")
    ]
    assert json.loads(file["content"]) == WINDOWS
    assert (file["owner"], file["mode"]) == ("root:root", "0644")
    assert "*-*-* 02:05:00 America/New_York" in role.value("_ibc_schedules")["live"]["reset_check"]
    shipped = role_with()
    assert not [file for file in shipped.value("_ibc_configuration") if "windows" in file["dest"]]


def test_the_region_found_on_the_host_counts() -> None:
    answer = {"rc": 0, "stdout": json.dumps({"peers": {"live": "Peer=zdc1.ibllc.com"}})}
    assert role_with().value("_ibc_schedules")["live"]["region_known"] is False
    found = role_with(_ibc_hold=answer).value("_ibc_schedules")["live"]
    assert (found["region"], found["region_known"]) == ("europe", True)


@pytest.mark.parametrize("stdout", ["", json.dumps({"id": "another run"})])
def test_what_held_the_host_tells_nothing_of_the_accounts(stdout: str) -> None:
    role = role_with(_ibc_hold={"rc": 3, "stdout": stdout})
    assert role.value("_ibc_schedules") == role_with().value("_ibc_schedules")


def test_the_look_at_the_host_finds_whatever_the_role_puts_there() -> None:
    role = role_with(ibc_reset_windows=WINDOWS)
    asked = role.value("_ibc_questions")
    written = role.value("_ibc_library_files + _ibc_configuration + _ibc_units")
    library = f"{role.value('_ibc_library')}/ibgatewaylib/"
    paths = [file["dest"] for file in written if not file["dest"].startswith(library)]
    assert [path for path in paths if not any(PurePath(path).match(item) for item in asked["files"])] == []
    units = role.value("_ibc_boot_units + _ibc_timer_names")
    assert [unit for unit in units if not any(fnmatch(unit, item) for item in asked["units"])] == []


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """What look.py says of a host as it shall be."""
    role = role_with()
    names = role.value("_ibc_boot_units + _ibc_timer_names")
    return {
        "releases": {"3.25.0": "ab" * 32},
        "files": {
            file["dest"]: [hashlib.sha256(file["content"].encode()).hexdigest(), file["mode"], file["owner"]]
            for file in role.value("_ibc_library_files + _ibc_configuration + _ibc_units")
        },
        "compiled": True,
        "timers": [],
        "enabled": names,
        "active": names,
        "members": {"ibgateway-operators": ["anna"], "ibgateway-alerting": ["anna"], "ibgateway": ["anna"]}
        | {"systemd-journal": ["anna"]},
        "peers": {},
    }


def included(
    host: dict[str, Any], differing: Iterable[str] = (), leftover: Iterable[str] = (), *, alone: bool = False
) -> list[str]:
    """The task files that a run needs.

    Args:
        host: what look.py says.
        differing: the files of the instances and for systemd that the preflight found to differ.
        leftover: the timers that nothing wants.
        alone: whether the role is used without site.yml.
    """
    role = role_with(
        ibc_artifacts={"3.25.0": {"url": "https://host/ibc.zip", "sha256": "ab" * 32, "size": 1}},
        ibc_operators=["anna"],
        _ibc_host=host,
        _ibc_differing=list(differing),
        _ibc_timers_seen={"wanted": [], "leftover": list(leftover)},
        **({} if alone else {"_ibc_starts_later": True}),
    )
    return role.included("install", "configure", "service")


def test_a_host_as_it_shall_be_needs_nothing(good: dict[str, Any]) -> None:
    assert included(good) == []


def test_alone_the_role_starts_the_instances_itself(good: dict[str, Any]) -> None:
    assert included(good, alone=True) == ["start.yml"]


@pytest.mark.parametrize(
    ("host", "file"),
    [
        ({"releases": {}}, "releases.yml"),
        ({"compiled": False}, "library.yml"),
        ({"members": {}}, "operators.yml"),
        ({"enabled": []}, "boot.yml"),
        ({"active": []}, "boot.yml"),
    ],
)
def test_what_differs_is_seen_to(good: dict[str, Any], host: dict[str, Any], file: str) -> None:
    assert included(good | host) == [file]


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/usr/local/lib/ibgateway/ibgatewaylib/launcher.py", "library.yml"),
        ("/usr/local/lib/ibgateway/ibgatewaylib/gone.py", "library.yml"),
        ("/usr/local/bin/ibgatewayctl", "library.yml"),
        ("/etc/ibgateway/live/ibc.ini", "instances.yml"),
        ("/etc/ibgateway/reset-windows.json", "instances.yml"),
        ("/etc/systemd/system/ibgateway@.service", "units.yml"),
    ],
)
def test_a_file_that_differs_is_seen_to(good: dict[str, Any], path: str, file: str) -> None:
    files = good["files"] | {path: ["x", "0644", "root:root"]}
    assert included(good | {"files": files}, [path]) == [file]


@pytest.mark.parametrize(
    ("asked", "seldom"),
    [
        ("_ibc_units_outdated", "_ibc_units"),
        ("_ibc_configuration_outdated", "_ibc_configuration"),
        ("_ibc_credential_tool_is_previewed", "_ibc_outdated"),
    ],
)
def test_where_nothing_differs_nothing_is_rendered(asked: str, seldom: str, tmp_path: Path) -> None:
    trace = tmp_path / "rendered"
    noting = trust_as_template(f"{{{{ lookup('ansible.builtin.pipe', 'touch {trace}') }}}}")
    assert not role_with().value(asked, _ibc_differing=[], **{seldom: noting})
    assert not trace.exists()


def test_a_timer_that_nothing_wants_is_seen_to(good: dict[str, Any]) -> None:
    assert included(good, leftover=["ibgateway-login@paper.timer"]) == ["units.yml"]


def test_who_is_no_operator_any_more_is_seen_to(good: dict[str, Any]) -> None:
    members = good["members"] | {"ibgateway-operators": ["anna", "bob"]}
    assert included(good | {"members": members}) == ["operators.yml"]


def test_no_unit_knows_a_credential(units: dict[str, str]) -> None:
    assert "canary" not in "".join(units.values())


@NEEDS_SYSTEMD
def test_systemd_knows_every_line_of_the_units(units: dict[str, str], tmp_path: Path) -> None:
    # The programs and the display's unit are not on this machine; a warning names any unknown key.
    files = []
    for name, text in units.items():
        if name.endswith((".service", ".timer")):
            file = tmp_path / name
            file.write_text(re.sub(r"/usr/local/(lib/ibgateway|bin)/[a-z-]+", "/bin/true", text))
            files.append(str(file))
    (tmp_path / "ibgateway-display@.service").write_text("[Service]\nExecStart=/bin/true\n")
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True, check=False
    )
    ours = [line for line in result.stderr.splitlines() if "ibgateway" in line]
    assert (result.returncode, ours) == (0, [])


@NEEDS_SYSTEMD
def test_systemd_understands_every_calendar(units: dict[str, str]) -> None:
    calendars = [
        calendar
        for name, text in units.items()
        if name.endswith(".timer")
        for calendar in section(text, "Timer")["OnCalendar"]
    ]
    assert len(calendars) >= 6
    subprocess.run(["systemd-analyze", "calendar", *calendars], check=True, capture_output=True)
