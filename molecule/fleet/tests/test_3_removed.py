"""An instance that the inventory no longer has: logged out and removed, its data kept and named."""

from __future__ import annotations

from typing import Any

import pytest

HOST = "fleet1"


@pytest.fixture(scope="module")
def renamed(fleet: Any) -> dict[str, Any]:
    """The instances of a host whose paper instance has got another name."""
    live, paper = (fleet.instance(HOST, name).given for name in ("live", "paper"))
    return {HOST: {"ibgateway_instances": [live, {**paper, "name": "practice"}]}}


def test_what_would_be_removed_is_said_and_not_done(fleet: Any, renamed: dict[str, Any]):
    paper = fleet.instance(HOST, "paper")
    pid = paper.wait_for("ready")["java_pid"]
    run = fleet.run("--limit", HOST, "--check", "--tags=ibgateway", hosts=renamed)
    assert run.code == 0, run.output
    assert "Would be removed, for it is no longer in ibgateway_instances: instance paper" in run.output
    assert paper.status()["java_pid"] == pid


def test_one_that_is_in_use_stays_and_nothing_is_changed(fleet: Any, renamed: dict[str, Any]):
    paper = fleet.instance(HOST, "paper")
    pid = paper.wait_for("ready")["java_pid"]
    paper.simulate("set", "orders=1")
    run = fleet.run("--limit", HOST, hosts=renamed)
    paper.simulate("set", "orders=0")
    assert run.code != 0
    assert run.changed == 0, run.output
    assert "No longer in ibgateway_instances, and in use: paper" in run.output
    assert "1 open order" in run.output
    assert paper.status()["java_pid"] == pid


def test_it_is_logged_out_and_gone_and_its_data_stays(fleet: Any, renamed: dict[str, Any]):
    host, paper = fleet.host(HOST), fleet.instance(HOST, "paper")
    run = fleet.run("--limit", HOST, hosts=renamed)
    assert run.code == 0, run.output
    assert "instance paper, which was logged out" in run.output
    assert "stays in /var/lib/ibgateway/paper" in run.output
    assert paper.events()[-1]["type"] == "stopped"
    assert host.run("test -e /etc/ibgateway/paper -o -e /run/ibgateway/paper").rc == 1
    assert host.check_output("systemctl list-units --all --plain --no-legend '*@paper.*'") == ""
    assert host.check_output("find /etc/systemd/system -name '*@paper.*'") == ""
    assert host.file("/var/lib/ibgateway/paper/settings/jts.ini").exists


def test_the_new_one_runs_and_a_second_run_has_nothing_to_do(fleet: Any, renamed: dict[str, Any]):
    host = fleet.host(HOST)
    host.check_output("timeout 60 sh -c 'until ibgatewayctl status practice; do sleep 1; done'")
    again = fleet.run("--limit", HOST, hosts=renamed)
    assert (again.code, again.changed) == (0, 0), again.output
