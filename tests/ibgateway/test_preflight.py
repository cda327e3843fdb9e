"""Every refusal of the preflight happens, says what to do, and happens only then."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from rendering import INSTANCE, refusals, templar

PAPER = {"name": "paper", "mode": "paper", "username": "v", "password": "p", "api_port": 4002}
FACTS = {"distribution": "Debian", "distribution_version": "13.2", "distribution_major_version": "13"}
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
            {"ansible_facts": FACTS | {"distribution_major_version": "11", "memtotal_mb": 4000}},
            "Debian 12 and 13",
        ),
        ({"ansible_facts": FACTS | {"distribution": "Ubuntu", "memtotal_mb": 4000}}, "runs Ubuntu 13.2"),
        ({"ansible_facts": FACTS | {"memtotal_mb": 900}}, "heaps of 768 MiB need 1368 MiB. Lower"),
        (
            {"ibgateway_instances": [INSTANCE, PAPER]},
            "2 instance(s) with heaps of 768 + 768 MiB need 2436 MiB",
        ),
        ({"ibgateway_allowed_users": ["ghost"]}, '"ghost" in ibgateway_allowed_users does not exist'),
        ({"ibc_operators": ["ghost"]}, '"ghost" in ibc_operators does not exist on this host'),
        ({"ibgateway_forward_keys": ["command=x ssh-ed25519 AAAA"]}, "is no public key"),
        ({"ibgateway_forward_keys": ["ssh-ed25519 AAAA a\nssh-ed25519 BBBB b"]}, "is no public key"),
        ({"ibgateway_artifacts": {"10.45.1": OTHER}}, "/no/such/file.sh of IB Gateway 10.45.1 is not on the"),
    ],
)
def test_refuses_and_says_what_to_do(changes: dict[str, Any], expected: str) -> None:
    messages = list(refusals("preflight.yml", **changes))
    assert len(messages) == 1
    assert expected in messages[0]


@pytest.mark.parametrize(
    "lock",
    [
        {},
        {"10.45.1": {"path": "x", "size": 1}},
        {"10.45.1": {"path": "x", "sha256": "ab" * 32}},
        {"10.45.1": {"sha256": "ab" * 32, "size": 1}},
        {"10.45.1": {"path": "x", "url": "y", "sha256": "ab" * 32, "size": 1}},
    ],
)
def test_refuses_an_incomplete_lock_first(lock: dict[str, Any]) -> None:
    assert "no complete entry" in next(refusals("preflight.yml", ibgateway_artifacts=lock))


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
