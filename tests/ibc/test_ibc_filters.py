"""What the role copies, starts, restarts and tells, from what it found on the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from host_look import look
from ibc_host import (
    COMMANDS,
    COMPLETION,
    PLACE,
    ibc_differing,
    ibc_leftover_modules,
    ibc_library,
    ibc_new_operators,
    ibc_not_operators,
)
from ibc_status import (
    ibc_choose,
    ibc_report,
    ibc_status_rows,
    ibc_status_table,
    ibc_to_restart,
    ibc_to_start,
)
from ibc_timers import ibc_leftover_timers, ibc_timers
from place_files import place
from render import ROOT

FILES = str(ROOT / "roles" / "ibc" / "files")
NO_QUESTIONS = {"files": [], "units": [], "groups": [], "instances": []}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A file system on which the library is complete, but for the owner, who is whoever runs the tests."""
    orders = []
    for entry in ibc_library(FILES):
        orders.append(entry | {"dest": str(tmp_path / entry["dest"][1:])})
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"write": orders, "remove": []}))
    place(bundle, tmp_path / PLACE[1:] / "ibgatewaylib")
    assert not bundle.exists()
    return tmp_path


def seen(host: Path) -> dict[str, list[str]]:
    """What look.py tells of the library, were root the owner."""
    asked = NO_QUESTIONS | {"files": [*COMMANDS.values(), COMPLETION]}
    return {path: [*facts[:2], "root:root"] for path, facts in look(host, asked)["files"].items()}


def test_a_bare_host_gets_every_module_and_command(tmp_path: Path) -> None:
    there = look(tmp_path, NO_QUESTIONS | {"files": [COMPLETION], "instances": ["live"]})
    assert [there[key] for key in ("releases", "files", "timers", "enabled", "peers")] == [{}, {}, [], [], {}]
    modes = {entry["dest"]: entry["mode"] for entry in ibc_differing(ibc_library(FILES), there["files"])}
    assert modes[f"{PLACE}/ibgatewaylib/launcher.py"] == "0644"
    assert modes[f"{PLACE}/ibgatewaylib/schedule/compiler.py"] == "0644"
    assert modes[f"{PLACE}/ibgatewaylib/reset_windows.toml"] == "0644"
    assert modes[COMPLETION] == "0644"
    assert {modes[command] for command in COMMANDS.values()} == {"0755"}


def test_nothing_is_copied_twice(host: Path) -> None:
    assert ibc_differing(ibc_library(FILES), seen(host)) == []
    assert ibc_leftover_modules(seen(host), ibc_library(FILES)) == []


@pytest.mark.parametrize(
    "facts", [["0", "0644", "root:root"], ["same", "0664", "root:root"], ["same", "0644", "ops:ops"]]
)
def test_what_differs_is_copied_again(host: Path, facts: list[str]) -> None:
    path = f"{PLACE}/ibgatewaylib/launcher.py"
    there = seen(host)
    there[path] = [there[path][0] if facts[0] == "same" else facts[0], *facts[1:]]
    assert [entry["dest"] for entry in ibc_differing(ibc_library(FILES), there)] == [path]


def test_only_the_librarys_own_leftovers_are_removed(host: Path) -> None:
    (host / PLACE[1:] / "ibgatewaylib" / "schedule" / "old.py").touch()
    (host / PLACE[1:] / "display").touch()
    leftovers = ibc_leftover_modules(seen(host), ibc_library(FILES))
    assert leftovers == [f"{PLACE}/ibgatewaylib/schedule/old.py"]


def test_the_look_finds_links_groups_and_the_server(tmp_path: Path) -> None:
    wants = tmp_path / "etc/systemd/system/timers.target.wants"
    wants.mkdir(parents=True)
    (wants / "ibgateway-login@live.timer").symlink_to("../ibgateway-login@live.timer")
    (tmp_path / "etc/systemd/system/ibgateway-login@live.timer").touch()
    (tmp_path / "etc/systemd/system/logrotate.timer").touch()
    settings = tmp_path / "var/lib/ibgateway/live/settings"
    settings.mkdir(parents=True)
    (settings / "jts.ini").write_bytes(b"[IBGateway]\nPeer=zdc1.ibllc.com:4001\nTimeZone=\xe9\n")
    # A link that leads nowhere yet counts: systemd reads its name.
    (wants / "ibgateway-reset@live.timer").symlink_to("../ibgateway-reset@live.timer")
    asked = {
        "units": ["ibgateway-login@live.timer", "ibgateway-reset@live.timer", "ibgateway-cycle@live.timer"],
        "groups": ["root", "no-such-group"],
        "instances": ["live", "paper"],
    }
    found = look(tmp_path, NO_QUESTIONS | asked)
    assert found["timers"] == ["/etc/systemd/system/ibgateway-login@live.timer"]
    assert found["enabled"] == asked["units"][:2]
    assert list(found["members"]) == ["root"]
    assert found["peers"] == {"live": "Peer=zdc1.ibllc.com:4001"}


def test_a_unit_that_systemd_refuses_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "systemd-analyze"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "$4: Failed to parse calendar (ibgateway)" >&2\nexit 1\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    dest = tmp_path / "ibgateway-login@live.timer"
    bundle = tmp_path / "bundle.json"
    order = {"dest": str(dest), "mode": "0644", "content": "[Timer]\n"}
    bundle.write_text(json.dumps({"write": [order], "remove": []}))
    with pytest.raises(SystemExit, match="Failed to parse calendar"):
        place(bundle, tmp_path / "nothing")
    assert not dest.exists()


OPERATOR_GROUPS = ["ibgateway-operators", "ibgateway", "systemd-journal"]


def test_operators_join_and_leave() -> None:
    members = {"ibgateway-operators": ["old", "half", "whole"], "ibgateway": ["whole", "ibgateway-watch"]}
    members |= {"systemd-journal": ["whole", "half"]}
    wanted = ["whole", "half", "new"]
    assert ibc_new_operators(members, OPERATOR_GROUPS, wanted) == ["half", "new"]
    assert ibc_not_operators(members, OPERATOR_GROUPS[0], wanted) == ["old"]
    assert ibc_new_operators({}, OPERATOR_GROUPS, ["new"]) == ["new"]
    assert ibc_not_operators({}, OPERATOR_GROUPS[0], []) == []


SCHEDULE = {
    "region": "europe",
    "timezone": "Europe/Zurich",
    "daily_restart": "23:10",
    "weekly_login": "Sun 09:30",
    "weekly_login_timezone": "Europe/Zurich",
    "restart_check": ("*-*-* 23:20:00 Europe/Zurich",),
    "reset_check": ("*-*-* 08:05:00 Europe/Zurich", "Sat *-*-* 03:20:00 America/New_York"),
    "login": ("Sun *-*-* 09:30:00 Europe/Zurich",),
    "stop": (),
}


def test_a_live_instance_has_timers_that_explain_themselves() -> None:
    timers = ibc_timers([{"name": "live", "login": "consent"}], {"live": SCHEDULE})
    assert [timer["unit"] for timer in timers] == [
        "ibgateway-restart@live.timer",
        "ibgateway-reset@live.timer",
        "ibgateway-login@live.timer",
    ]
    assert timers[1]["calendars"] == list(SCHEDULE["reset_check"])
    assert timers[2]["description"] == (
        "IB Gateway live: weekly login of Sun 09:30 Europe/Zurich, which asks for your consent"
    )


def test_a_timer_without_an_appointment_is_left_over() -> None:
    live, other = {"name": "live", "login": "auto"}, "/etc/systemd/system/ibgateway-login@other.timer"
    there = [f"/etc/systemd/system/ibgateway-{what}@live.timer" for what in ("cycle", "login", "restart")]
    timers = ibc_timers([live], {"live": SCHEDULE | {"login": ()}})
    found = ibc_leftover_timers([*there, other, "/etc/systemd/system/ibgateway-x@live.timer"], timers, [live])
    assert found == ["ibgateway-cycle@live.timer", "ibgateway-login@live.timer"]


def test_leftovers_go_and_modules_are_compiled(host: Path) -> None:
    library = host / PLACE[1:] / "ibgatewaylib"
    (library / "old.py").touch()
    (host / "bundle.json").write_text(json.dumps({"write": [], "remove": [str(library / "old.py")]}))
    place(host / "bundle.json", library)
    assert not (library / "old.py").exists()
    assert list((library / "__pycache__").glob("launcher.*.pyc"))


SINCE = "2026-11-24T04:00:00.000Z"
LIVE = {"name": "live", "mode": "live", "restart": "planned", "daily_restart": "17:15"}


def state(
    active: str, state: str, *pending: str, since: str | None = SINCE, result: str = "success"
) -> dict[str, Any]:
    """One instance of `ibgatewayctl status --json`."""
    unit = {"active_state": active, "sub_state": "", "result": result, "exit_status": 0}
    said = {"instance": "live", "state": state, "status": f"it is {state}", "since": since}
    return said | {"pending": list(pending), "unit": unit}


@pytest.mark.parametrize(
    ("found", "started"),
    [
        (state("inactive", "stopped", since=None), True),
        (state("failed", "failed"), True),
        (state("active", "ready"), False),
        (state("activating", "two_factor"), False),
        (state("failed", "parked"), False),
        (state("inactive", "stopped"), False),
        (state("failed", "failed", result="start-limit-hit"), False),
    ],
)
def test_only_what_nobody_stopped_or_parked_is_started(found: dict[str, Any], started: bool) -> None:
    assert ibc_to_start([found], [LIVE]) == (["live"] if started else [])
    assert ibc_to_start([found], [{"name": "paper"}]) == []


@pytest.mark.parametrize(
    ("found", "restart", "restarted"),
    [
        (state("active", "ready", "ibc.ini changed"), "now", True),
        (state("active", "ready", "ibc.ini changed"), "planned", False),
        (state("active", "ready"), "now", False),
        (state("failed", "parked", "ibc.ini changed"), "now", False),
    ],
)
def test_only_what_is_pending_and_may_not_wait_is_restarted(
    found: dict[str, Any], restart: str, restarted: bool
) -> None:
    assert ibc_to_restart([found], [LIVE | {"restart": restart}]) == (["live"] if restarted else [])


def test_the_report_tells_what_is_pending_and_what_stays_down() -> None:
    (ready,) = ibc_report([state("active", "ready")])
    assert ready == "live: ready, it is ready"
    (pending,) = ibc_report(
        [state("active", "ready")], [{"instance": "live", "text": "restart pending (ibc.ini changed): …"}]
    )
    assert pending == "live: ready, it is ready. Restart pending (ibc.ini changed): …"
    (parked,) = ibc_report([state("failed", "parked")])
    assert "ibgatewayctl start live" in parked
    (waits,) = ibc_report([state("failed", "parked") | {"login": "consent"}])
    assert "ibgatewayctl login live" in waits


def test_the_table_has_a_line_for_every_instance_and_every_silent_host() -> None:
    answer = {
        "stdout": json.dumps({"instances": [state("active", "ready", "ibc.ini changed") | {"mode": "live"}]})
    }
    rows = ibc_status_rows(answer, "vps1")
    rows += ibc_status_rows({"unreachable": True, "msg": "timed out"}, "vps2")
    rows += ibc_status_rows({"rc": 3, "stdout": "", "stderr": "ibgatewayctl: not permitted"}, "vps3")
    rows += ibc_status_rows({}, "vps4")
    assert ibc_status_table(rows) == [
        "HOST  INSTANCE  MODE  STATE        SINCE (UTC)       STATUS",
        "vps1  live      live  ready        2026-11-24 04:00  it is ready; ibc.ini changed",
        "vps2                  unreachable                    ssh does not get there: "
        "look whether the host is up",
        "vps3                  no answer                      ibgatewayctl: not permitted",
        "vps4                  no answer                      ibgatewayctl said nothing: run site.yml",
    ]


def test_instances_are_chosen_by_name() -> None:
    assert ibc_choose(["live", "paper"], []) == ["live", "paper"]
    assert ibc_choose(["live", "paper"], ["paper"]) == ["paper"]
    with pytest.raises(AnsibleFilterError, match="no instance 'papre' on this host: did you mean 'paper'"):
        ibc_choose(["live", "paper"], ["papre"])
