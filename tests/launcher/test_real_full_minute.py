"""RESTART and PAUSE of real IBC: they take place at the next full minute."""

from __future__ import annotations

import json

import pytest
from ibgatewaylib import statefile
from ibgatewaylib.ibc_command import send

pytestmark = pytest.mark.workshop

STOPPED, RELAUNCH = 0, 75


@pytest.mark.together("restart")
def test_api_that_does_not_answer_is_met_with_ibcs_restart(real):
    box = real()
    box.scenario("push=wait")
    run = box.launch_to("two_factor", two_factor_grace=60.0, api=2.0, api_probe=1.0)
    box.simulator("wedge on")
    box.simulator("approve")
    assert box.end_of(run, 120) == (RELAUNCH, "stuck_api"), run.log[-4000:]
    assert "RESTART sent: OK RESTART" in run.log
    assert box.told() == {"two_factor_waiting", "two_factor_answered", "stuck"}
    assert box.event("stuck")["where"] == "api"
    assert "logouts" not in box.counters()
    # A start after one that did not get ready waits for a minute, which other tests see to.
    state = json.loads((box.run / "state.json").read_text())
    assert state["failures"] == 1
    statefile.write(box.run / "state.json", {**state, "failures": 0})
    _comes_back_without_a_login(box)


@pytest.mark.together("pause")
def test_pause_keeps_the_session(real):
    box = real()
    box.scenario()
    run = box.launch_ready()
    assert send(box.command_port, "PAUSE").startswith("OK")
    assert box.end_of(run, 120) == (STOPPED, "paused"), run.log[-4000:]
    assert box.event("stopped")["token"] is True
    _comes_back_without_a_login(box)


def _comes_back_without_a_login(box):
    run = box.launch(consented=False)
    run.wait_for(lambda: "READY=1" in run.notified, 60)
    assert run.stop() == STOPPED
    assert box.counters() == {
        "logins": 1, "logouts": 1, "pushes.approved": 1, "pushes.sent": 1, "token_restarts": 1,
    }  # fmt: skip
