"""While one run has a host, another is refused and harms nothing; one that was killed keeps nobody out."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import INVENTORY, end, held, host, kill, start
from harness.site import run_site
from harness.wait import wait_until

OTHERS = {
    "restart": {},
    "rollback": {"instance": "paper"},
    "decommission": {"decommission_confirm": "whole"},
    "upgrade": {},
}


def begun(name: str) -> subprocess.Popen[str]:
    """Begin a run, and halt it once it has the host."""
    run = start(name)

    def taken() -> bool:
        return f" {run.pid}/" in held(name).get("id", "") or run.poll() is not None

    try:
        wait_until(taken, "the host to be taken")
    except BaseException:
        kill(run)  # or the tests that follow would find it at work
        raise
    assert run.poll() is None, end(run)
    os.kill(run.pid, signal.SIGSTOP)
    return run


def test_the_second_is_refused_and_the_first_goes_on(tmp_path: Path):
    first = begun("whole")
    try:
        who = f"{getpass.getuser()}@{socket.gethostname()}"
        second = end(start("whole", tmp_path / "changes"))
        assert second[0] != 0
        assert f"Nothing was done on whole: {who} is at work there with site.yml, since 20" in second[1]
        assert not (tmp_path / "changes").exists()
    finally:
        os.kill(first.pid, signal.SIGCONT)
    code, output = end(first)
    assert code == 0, output
    assert held("whole") == {}


@pytest.mark.parametrize("playbook", OTHERS)
def test_other_playbooks_are_refused_too(playbook: str):
    first = begun("whole")
    try:
        run = run_site(INVENTORY, "--limit=whole", playbook=f"playbooks/{playbook}.yml", **OTHERS[playbook])
        assert run.code != 0
        assert "is at work there with site.yml" in run.output
        assert run.changed == 0
    finally:
        os.kill(first.pid, signal.SIGCONT)
        kill(first)


def test_a_preview_is_not_kept_out_and_keeps_nobody_out():
    first = begun("whole")
    try:
        assert run_site(INVENTORY, "--check", "--limit=localhost,whole").code == 0
    finally:
        os.kill(first.pid, signal.SIGCONT)
    code, output = end(first)
    assert code == 0, output


def test_after_a_killed_run_the_next_goes_on_at_once():
    kill(begun("whole"))
    left = held("whole")
    assert left["playbook"] == "site.yml"
    code, output = end(start("whole"))
    assert code == 0, output
    assert held("whole") == {}


def test_another_controllers_run_keeps_this_one_out_until_it_is_told():
    kill(begun("whole"))
    other = {**held("whole"), "id": "elsewhere 1/1", "controller": "elsewhere", "who": "anna@elsewhere"}
    host("whole").check_output("printf %%s %s > /run/ibgateway-playbook.lock", json.dumps(other))
    refused = run_site(INVENTORY, "--limit=localhost,whole")
    assert refused.code != 0
    assert "anna@elsewhere is at work there" in refused.output
    taken = run_site(INVENTORY, "--limit=localhost,whole", ibgateway_take_host=True)
    assert taken.code == 0, taken.output
