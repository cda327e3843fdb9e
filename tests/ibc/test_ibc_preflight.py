"""Schedule, settings and artifact lock are refused on the controller, before the host is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from render import ROOT, Role

LOCK = {"url": "https://host/ibc.zip", "sha256": "ab" * 32, "size": 1}
LIVE = {"name": "live", "mode": "live", "username": "canary-a", "password": "canary", "api_port": 4001}
CHECK = "Check schedules, IBC's settings, credentials and the artifact lock"
PREFLIGHT = yaml.safe_load((ROOT / "roles/ibc/tasks/preflight.yml").read_text())


def role(*instances: dict[str, Any], **variables: Any) -> Role:
    given = {
        "ibc_version": "3.25.0",
        "ibc_artifacts": {"3.25.0": LOCK},
        "ibgateway_instances": list(instances) or [LIVE],
        "ibgateway_version": "10.45.1",
        "ibgateway_java_source": "installer",
        "ibgateway_heap": 768,
        "ibgateway_restart": "planned",
        "ibgateway_artifact_delivery": "push",
    }
    return Role("ibc", **given | variables)


def problems(checked: Role, task: str) -> list[str]:
    """What a task of the preflight would refuse."""
    (found,) = [entry for entry in PREFLIGHT if entry["name"] == task]
    expression = found["vars"]["_ibc_problems"].strip().removeprefix("{{").removesuffix("}}")
    return checked.value(expression)


def test_the_schedule_is_checked_before_the_host_is_looked_at() -> None:
    names = [task["name"] for task in PREFLIGHT]
    assert names.index(CHECK) < names.index("Look at the host")
    assert names.index("Look at the host") < names.index("Warn about the schedules")


def test_good_times_are_let_through() -> None:
    assert problems(role(), CHECK) == []


def test_a_login_budget_that_lacks_something_is_one_plain_sentence() -> None:
    given = role(ibc_login_budget={"logins": 2})
    assert problems(given, CHECK) == [
        "Instance 'live': the login budget lacks hours and minutes_apart: write all of logins, hours, "
        "minutes_apart in ibc_login_budget."
    ]
    # An instance's own is merged over the role's, so a part of it is enough.
    assert problems(role({**LIVE, "login_budget": {"logins": 2}}), CHECK) == []


def test_paper_that_asks_for_each_login_is_warned_about() -> None:
    paper = {**LIVE, "mode": "paper", "login": "consent"}
    (warning,) = role(paper).value("_ibc_public | ibc_schedule_warnings(ibc_reset_windows, {})")
    assert warning.startswith("live: login is consent on a paper account")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"ibc_daily_restart": "23:50"}, "daily_restart 23:50 America/New_York meets the reset window"),
        ({"ibc_daily_restart": "25:61"}, "daily_restart must be a time as HH:mm, not '25:61'"),
        ({"ibc_daily_restart": 1035}, 'write "17:15" in quotes'),
        ({"ibc_weekly_login": "Sun 02:30 America/New_York"}, "weekly_login Sun 02:30"),
        ({"ibc_weekly_login": "Sat 12:00"}, "weekly_login Sat 12:00"),
        ({"ibc_timezone": "ET"}, "write America/New_York"),
        ({"ibc_timezone": "Mars/Olympus"}, "timezone must be the full name of a time zone"),
        ({"ibc_settings": {"AutoLogoffTime": "11:45 PM"}}, "AutoLogoffTime"),
        ({"ibc_settings": {"ColdRestartTime": "07:05"}}, "ColdRestartTime"),
        ({"ibc_reset_windows": {"checked_on": "2026-01-01"}}, "ibc_reset_windows lacks daily, weekend"),
    ],
)
def test_bad_times_are_refused_in_one_sentence(variables: dict[str, Any], sentence: str) -> None:
    (only,) = problems(role(**variables), CHECK)
    assert sentence in only
    assert only.endswith(".")
    assert "canary" not in only


@pytest.mark.parametrize(
    ("lock", "sentence"),
    [
        (
            {},
            "IBC 3.25.0 is not in ibc_artifacts: lock it with scripts/ops lock, or there (url or path, "
            "sha256, size), or choose one of none, which it is now.",
        ),
        ({"3.24.1": LOCK}, "or choose one of 3.24.1."),
        ({"3.25.0": None}, "ibc_artifacts['3.25.0'] must have url or path"),
        ({"3.25.0": LOCK | {"url": "https://host/ibc.tar"}}, "the name of a .zip or .whl file"),
        ({"3.25.0": LOCK | {"sha256": "ab"}}, "64 hexadecimal digits"),
        ({"3.25.0": LOCK | {"size": 0}}, "its size in bytes"),
        (
            {"3.25.0": {"path": "/no/such/ibc.zip", "sha256": "ab" * 32, "size": 1}},
            "/no/such/ibc.zip, the file of IBC 3.25.0, is not on this controller",
        ),
    ],
)
def test_an_ibc_that_is_not_locked_is_refused(lock: dict[str, Any], sentence: str) -> None:
    (only,) = problems(role(ibc_artifacts=lock), CHECK)
    assert sentence in only


def test_a_file_on_the_controller_is_let_through(tmp_path: Path) -> None:
    file = tmp_path / "ibc2.whl"
    file.touch()
    lock = {"path": str(file), "sha256": "AB" * 32, "size": "17"}
    assert problems(role(ibc_artifacts={"3.25.0": lock}), CHECK) == []


def test_all_mistakes_are_told_at_once() -> None:
    wrong = role(
        ibc_daily_restart="23:50",
        ibc_settings={"ReadOnlyApI": "yes"},
        ibc_artifacts={},
    )
    said = problems(wrong, CHECK)
    words = ["daily_restart", "ReadOnlyApI", "not in ibc_artifacts"]
    assert [word in line for word, line in zip(words, said, strict=True)] == [True] * 3


def test_a_region_found_on_the_host_can_refuse_what_america_allows() -> None:
    answer = {"rc": 0, "stdout": json.dumps({"peers": {"live": "Peer=hdc1.ibllc.com:4000"}})}
    checked = role(ibc_daily_restart="17:15", _ibc_hold=answer)
    assert problems(checked, CHECK) == []
    (only,) = problems(checked, "Check the schedules against the regions found on the host")
    assert "meets the reset window" in only


def test_what_the_regions_refuse_is_told_before_anything_is_made_of_the_schedules() -> None:
    names = [task["name"] for task in PREFLIGHT]
    assert names.index("Check the schedules against the regions found on the host") < names.index(
        "Keep what was seen, and what differs from it"
    )


def test_old_windows_are_a_warning() -> None:
    windows = {
        "checked_on": "2020-01-01",
        "daily": {
            name: [{"zone": "America/New_York", "from": "00:15", "to": "01:45"}]
            for name in ("america", "europe", "asia")
        },
        "weekend": {
            "closed": {"zone": "America/New_York", "from": "Fri 23:00", "to": "Sat 03:00"},
            "quiet": {"zone": "America/New_York", "from": "Fri 22:45", "to": "Sun 02:00"},
        },
    }
    (keep,) = [task for task in PREFLIGHT if task["name"].startswith("Keep what was seen")]
    kept = keep["ansible.builtin.set_fact"]["_ibc_schedule_warnings"]
    expression = kept.strip().removeprefix("{{").removesuffix("}}")
    (told,) = role(ibc_reset_windows=windows, ibc_region="america").value(expression)
    assert told.startswith("live: The reset windows were compared with")


def test_weekly_logins_of_several_hosts_are_compared_once() -> None:
    (warn,) = [task for task in PREFLIGHT if task["name"] == "Warn about the schedules"]
    expression = warn["vars"]["_ibc_clashes"].strip().removeprefix("{{").removesuffix("}}")
    login = {"at": 5, "said": "Sun 09:30 Etc/UTC"}
    hosts = {name: {"_ibc_logins": {f"live ({name})": login}} for name in ("vps1", "vps2")}
    hosts["unreachable"] = {}
    known = {"hostvars": hosts, "ansible_play_batch": ["vps1", "unreachable", "vps2"]}
    (told,) = role(inventory_hostname="vps1", **known).value(expression)
    assert told.startswith("The weekly logins of live (vps1) (Sun 09:30 Etc/UTC) and live (vps2)")
    assert role(inventory_hostname="vps2", **known).value(expression) == []
