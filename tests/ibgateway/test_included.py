"""Which tasks a host needs: what is as it shall be costs a run nothing but the look at it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from ansible.template import trust_as_template
from rendering import HOST, loaded, render, templar

STEPS = ("preflight", "install", "configure", "care", "service")
TABLE = "/etc/ibgateway/firewall.nft"
KEYS = "/etc/ibgateway/forward_keys"
CONFINEMENT = "/etc/ssh/sshd_config.d/50-ibgateway-forward.conf"
KEY = "ssh-ed25519 AAAA anna"


def included(host: dict[str, Any], **variables: Any) -> list[str]:
    """The files that a run includes."""
    known = templar(host=host, **variables)
    found = []
    for task in (task for step in STEPS for task in loaded(f"tasks/{step}.yml")):
        if "loop_var" in task.get("loop_control", {}):
            found += known.template(task["loop"])
    return found


def seen(**variables: Any) -> dict[str, list[str]]:
    """What the probe says of the files whose content depends on it, when they are as they shall be."""
    texts = {
        TABLE: ("0644", "firewall.nft.j2"),
        KEYS: ("0644", "forward_keys.j2"),
        CONFINEMENT: ("0600", "sshd_forward.conf.j2"),
    }
    return {
        path: ["root", "root", mode, hashlib.sha256(render(name, **variables).encode()).hexdigest()]
        for path, (mode, name) in texts.items()
    }


def test_a_host_as_it_shall_be_needs_nothing() -> None:
    assert included({"seen": seen()}) == []
    keys = {"ibgateway_forward_keys": [KEY]}
    assert included({"seen": seen(**keys)}, **keys) == []


@pytest.mark.parametrize(
    ("host", "files"),
    [
        ({"missing_packages": ["xvfb"]}, ["packages.yml"]),
        ({"packages_interrupted": True}, ["packages.yml"]),
        ({"packages_broken": ["xvfb"]}, ["packages.yml"]),
        ({"accounts_to_make": ["ibgateway"]}, ["accounts.yml"]),
        ({"differing": ["/opt/ibgateway"]}, ["accounts.yml", "files.yml", "drop_ins.yml"]),
        ({"releases": {}}, ["releases.yml"]),
        ({"memory_mib": 1500, "swap_mib": 0}, ["warn.yml"]),
        ({"instances": ["live", "old"]}, ["in_use.yml", "removed.yml"]),
        ({"time_kept": False}, ["clock.yml"]),
        ({"leftover": ["/etc/systemd/journald.conf.d/60-ibgateway.conf"]}, ["drop_ins.yml"]),
        ({"units_down": ["ibgateway-display@live.service"]}, ["units.yml"]),
    ],
)
def test_what_differs_is_seen_to(host: dict[str, Any], files: list[str]) -> None:
    assert included({"seen": seen()} | host) == files


def test_the_firewall_is_taken_off_where_it_is_and_nowhere_else() -> None:
    off = {"ibgateway_firewall": False}
    assert included({"seen": {}}, **off) == ["firewall_absent.yml"]
    assert included({"seen": {}, "firewall": False}, **off) == []


@pytest.mark.parametrize("path", [KEYS, CONFINEMENT])
@pytest.mark.parametrize("facts", [None, ["root", "root", "0666", ""], ["root", "root", "0644", "other"]])
def test_what_confines_the_forward_only_user_is_written_when_it_differs(path: str, facts: Any) -> None:
    keys = {"ibgateway_forward_keys": [KEY]}
    there = seen(**keys) | {path: facts}
    if facts is None:
        del there[path]
    assert included({"seen": there}, **keys) == ["forward.yml"]


def test_without_a_forward_only_user_nothing_of_his_is_rendered(tmp_path: Path) -> None:
    trace = tmp_path / "rendered"
    noting = trust_as_template(f"{{{{ lookup('ansible.builtin.pipe', 'touch {trace}') }}}}")
    assert included({"seen": seen()}, _ibgateway_forward_differs=noting) == []
    assert not trace.exists()


def test_the_forward_only_user_is_removed_with_its_last_key() -> None:
    assert included({"seen": seen(), "uids": HOST["uids"] | {"ibgateway-forward": 990}}) == ["forward.yml"]


@pytest.mark.parametrize("there", [{}, {TABLE: ["root", "root", "0600", ""]}])
def test_the_table_is_written_when_it_differs(there: dict[str, list[str]]) -> None:
    assert included({"seen": there}) == ["table.yml"]
    assert included({"seen": there, "firewall": False}, ibgateway_firewall=False) == []
