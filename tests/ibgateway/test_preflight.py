"""Every refusal of the preflight happens, says what to do, and happens only then."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from rendering import INSTANCE, loaded, refusals, templar

PAPER = {"name": "paper", "mode": "paper", "username": "v", "password": "p", "api_port": 4002}
OLD = {"id": "debian", "version": "11", "name": "Debian GNU/Linux 11 (bullseye)"}
UBUNTU = {"id": "ubuntu", "version": "24.04", "name": "Ubuntu 24.04.1 LTS"}
KEY = "ssh-ed25519 AAAAC3Nz"
OTHER = {"path": "/no/such/file.sh", "sha256": "cd" * 32, "size": 1}


def test_a_good_host_is_accepted() -> None:
    assert list(refusals("preflight.yml", ibgateway_allowed_users=["trader"])) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"host": {"systemd": 0}}, "systemd 252 or later must be PID 1 on this host, found something else"),
        ({"host": {"systemd": 249}}, "found 249"),
        ({"host": {"architecture": "aarch64"}}, "Use an x86_64 host"),
        ({"host": {"year": 1970}}, "clock says the year 1970: set it"),
        ({"host": {"foreign_listeners": {"4001": "nginx"}}}, "Port 4001 is used by nginx. Stop it, or give"),
        (
            {"host": {"free_mib": {"/opt/ibgateway": 9999, "/var/lib/ibgateway": 10}}},
            "10 MiB are free for /var",
        ),
        (
            {"host": {"distribution": OLD}},
            "runs Debian GNU/Linux 11 (bullseye); the roles are made for and tested",
        ),
        (
            {"host": {"distribution": UBUNTU}},
            "runs Ubuntu 24.04.1 LTS; the roles are made for and tested on Debian",
        ),
        ({"host": {"memory_mib": 900}}, "heaps of 768 MiB need 1368 MiB. Lower"),
        (
            {"ibgateway_instances": [INSTANCE, PAPER]},
            "2 instance(s) with heaps of 768 + 768 MiB need 2436 MiB",
        ),
        ({"ibgateway_allowed_users": ["ghost"]}, '"ghost" in ibgateway_allowed_users does not exist'),
        ({"ibc_operators": ["ghost"]}, '"ghost" in ibc_operators does not exist on this host'),
        (
            {"ibgateway_forward_keys": [KEY, f"command=x {KEY}"]},
            "Entry 2 of ibgateway_forward_keys is no public",
        ),
        ({"ibgateway_forward_keys": [f"{KEY} me", 17]}, "Entry 2 of ibgateway_forward_keys is no public key"),
        ({"ibgateway_forward_keys": ["ssh-ed25519 AAAA a\nssh-ed25519 BBBB b"]}, "is no public key"),
        ({"ibgateway_artifacts": {"10.45.1": OTHER}}, "/no/such/file.sh of IB Gateway 10.45.1 is not on the"),
        (
            {
                "_ibgateway_guarded": {
                    "results": [{"rc": 0, "stdout": ""}, {"rc": 5, "stdout": "old: 2 open orders"}]
                }
            },
            "No longer in ibgateway_instances, and in use: old: 2 open orders. Put it back",
        ),
    ],
)
def test_refuses_and_says_what_to_do(changes: dict[str, Any], expected: str) -> None:
    messages = [line for file in ("preflight.yml", "in_use.yml") for line in refusals(file, **changes)]
    assert len(messages) == 1
    assert expected in messages[0]


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, True),
        ({"ibgateway_force": True}, False),
        ({"_ibgateway_removes": False}, False),
        ({"host": {"instances": ["live"]}}, False),
    ],
)
def test_the_guard_is_asked_about_what_this_run_would_remove(changes: dict[str, Any], asked: bool) -> None:
    (include,) = [task for task in loaded("tasks/preflight.yml") if "ansible.builtin.include_tasks" in task]
    known = templar(**{"host": {"instances": ["live", "old"]}} | changes)
    assert known.template(include["loop"]) == (["in_use.yml"] if asked else [])
    (guard, _) = loaded("tasks/in_use.yml")
    assert known.template(guard["loop"]) == (["old"] if "host" not in changes else [])


@pytest.mark.parametrize(
    "lock",
    [
        {},
        {"10.45.1": None},
        {"10.45.1": {"path": "x", "size": 1}},
        {"10.45.1": {"path": "x", "sha256": "ab" * 32, "size": 0}},
        {"10.45.1": {"path": "x", "sha256": "ab" * 32}},
        {"10.45.1": {"sha256": "ab" * 32, "size": 1}},
    ],
)
def test_refuses_an_incomplete_lock_first(lock: dict[str, Any]) -> None:
    assert "no complete entry" in next(refusals("preflight.yml", ibgateway_artifacts=lock))


def test_all_that_is_wrong_with_a_host_is_told_at_once() -> None:
    host = {"distribution": OLD, "architecture": "aarch64", "memory_mib": 900, "releases": {}}
    host["free_mib"] = {"/opt/ibgateway": 1199, "/var/lib/ibgateway": 299}
    said = list(refusals("preflight.yml", host=host, ibgateway_artifacts={"10.45.1": OTHER}))
    words = ["Debian GNU/Linux 11", "aarch64", "900 MiB", "1199 MiB", "299 MiB", "/no/such/file.sh"]
    assert [word in line for word, line in zip(words, said, strict=True)] == [True] * 6


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"host": {"releases": {}}}, ["10.45.1"]),
        ({"host": {"releases": {"10.45.1": {"sha256": "cd" * 32, "java": "/x"}}}}, ["10.45.1"]),
        ({"host": {"releases": {"10.45.1": {"sha256": "ab" * 32, "java": ""}}}}, ["10.45.1"]),
        ({"host": {"releases": {"10.45.1": {"sha256": "ab" * 32}}}, "ibgateway_java_source": "debian"}, []),
        ({"ibgateway_artifacts": {"10.45.1": {"path": "x", "sha256": "AB" * 32, "size": 1}}}, []),
    ],
)
def test_only_what_is_not_there_as_locked_is_installed(changes: dict[str, Any], expected: list[str]) -> None:
    known = templar(**changes)
    assert known.template(known.available_variables["_ibgateway_versions_to_install"]) == expected


def test_debians_java_is_installed_only_when_an_instance_wants_it() -> None:
    known = templar()
    assert "default-jre" not in known.template(known.available_variables["_ibgateway_packages"])
    known = templar(ibgateway_instances=[INSTANCE, PAPER | {"java_source": "debian"}])
    assert "default-jre" in known.template(known.available_variables["_ibgateway_packages"])


@pytest.mark.parametrize(
    ("code", "broken", "enough"), [(0, [], True), (1, [], False), (1, ["x"], True), (2, ["x"], False)]
)
def test_what_dpkg_leaves_to_the_next_task_is_no_failure(code: int, broken: list[str], enough: bool) -> None:
    (task,) = [
        task for task in loaded("tasks/packages.yml") if task.get("until", "").startswith("_ibgateway_fin")
    ]
    known = templar(host={"packages_broken": broken}, _ibgateway_finished={"rc": code}, **task["vars"])
    assert known.evaluate_conditional(task["until"]) is enough
    assert known.evaluate_conditional(task["failed_when"]) is not enough
