"""The rendered firewall and ssh confinement."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from rendering import INSTANCE, ROLE, render

PAPER = {"name": "paper", "mode": "paper", "username": "v", "password": "p", "api_port": 4002}


def allowed(text: str, ports: str) -> set[int]:
    """The uids that may connect to a set of ports on loopback."""
    found = re.search(rf"@{ports} meta skuid != {{ ([0-9, ]+) }} counter reject", text)
    return {int(uid) for uid in found[1].split(", ")}


def elements(text: str, ports: str) -> set[int]:
    """The members of a set of ports."""
    found = re.search(rf"set {ports} {{.*?elements = {{ ([0-9, ]+) }}", text, re.DOTALL)
    return {int(port) for port in found[1].split(", ")}


def test_firewall_names_the_ports_of_all_instances() -> None:
    text = render("firewall.nft.j2", ibgateway_instances=[INSTANCE, PAPER])
    assert elements(text, "api_ports") == {4001, 4002}
    assert elements(text, "command_ports") == {7462, 7463}
    assert elements(text, "vnc_ports") == {5900, 5901}
    for ports in ("api_ports", "command_ports", "vnc_ports"):
        assert f'iifname != "lo" tcp dport @{ports} counter drop' in text


def test_firewall_lets_only_the_named_accounts_in() -> None:
    text = render("firewall.nft.j2", ibgateway_allowed_users=["trader"])
    assert allowed(text, "api_ports") == {0, 994, 995, 1001}
    assert allowed(text, "command_ports") == {0, 995}
    assert allowed(text, "vnc_ports") == {0, 995}
    assert allowed(render("firewall.nft.j2"), "api_ports") == {0, 994, 995}


def test_firewall_lets_operators_see_the_displays_and_nothing_more() -> None:
    text = render("firewall.nft.j2", ibc_operators=["trader"])
    assert allowed(text, "vnc_ports") == {0, 995, 1001}
    assert allowed(text, "api_ports") == {0, 994, 995}
    assert allowed(text, "command_ports") == {0, 995}


def test_firewall_knows_accounts_made_in_this_run() -> None:
    made = {"results": [{"name": "ibgateway", "uid": 7}, {"name": "ibgateway-watch", "uid": 8}]}
    text = render("firewall.nft.j2", host={"uids": {}}, _ibgateway_accounts_made=made)
    assert allowed(text, "api_ports") == {0, 7, 8}
    assert allowed(text, "command_ports") == {0, 7}


def test_a_forward_user_that_is_to_go_is_let_in_no_longer() -> None:
    host = {"uids": {"ibgateway": 995, "ibgateway-forward": 993}}
    assert allowed(render("firewall.nft.j2", host=host), "api_ports") == {0, 995}
    kept = render("firewall.nft.j2", host=host, ibgateway_forward_keys=["ssh-ed25519 AAAA"])
    assert allowed(kept, "api_ports") == {0, 993, 995}
    assert allowed(kept, "command_ports") == {0, 995}


def test_forward_user_may_open_exactly_the_api_ports() -> None:
    lines = [
        line.strip()
        for line in render("sshd_forward.conf.j2", ibgateway_instances=[INSTANCE, PAPER]).splitlines()
    ]
    assert "PermitOpen 127.0.0.1:4001 127.0.0.1:4002" in lines
    assert {"AllowTcpForwarding local", "MaxSessions 0", "PermitListen none", "PermitTTY no"} <= set(lines)


def test_keys_are_written_one_a_line() -> None:
    text = render("forward_keys.j2", ibgateway_forward_keys=["ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"])
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        "ssh-ed25519 AAAA a",
        "ssh-ed25519 BBBB b",
    ]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck comes with the controller's tools")
def test_display_script_is_sound() -> None:
    subprocess.run(["shellcheck", ROLE / "files" / "display"], check=True)
