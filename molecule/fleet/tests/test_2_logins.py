"""Several live accounts, one phone: one push at a time, whatever becomes of the others."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

AWAY = "fleet2"
REACHABLE = ("fleet1", "fleet3", "fleet4")


def test_each_waits_for_the_one_before_and_a_host_that_is_away_keeps_nobody_waiting(fleet: Any):
    lives = {name: fleet.instance(name, "live") for name in REACHABLE}
    seen = {}
    for name, live in lives.items():
        live.host.check_output("ibgatewayctl stop live")
        seen[name] = len(live.events())

    run = fleet.run(playbook="playbooks/login.yml", hosts={AWAY: {"ansible_port": 9}})

    assert run.code != 0
    assert "Not logged in: live. Why is said above." in run.output
    assert "Connection refused" in run.output
    spans = []
    for name, live in lives.items():
        assert live.status()["state"] == "ready", run.output
        times = {event["type"]: event["time"] for event in live.events()[seen[name] :]}
        spans.append((times["login_submitted"], times["ready"]))
    spans.sort()
    assert all(ready < following for (_, ready), (following, _) in pairwise(spans))
