"""What becomes of the program itself and of its unit: the messages of each, on each channel, and no other."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from conftest import AT_REST, all_over, begin_login, provoke
from harness import seams, words
from harness.instance import Instance
from harness.news import News

Hear = Callable[..., News]


def start(paper: Instance) -> None:
    """Start it, and do not wait for it."""
    paper.host.check_output("systemctl start --no-block ibgateway@paper.service")


def config(instance: Instance) -> str:
    return instance.host.check_output("cat /etc/ibgateway/%s/instance.toml", instance.name)


@pytest.mark.kinds("crashed", "login")
def test_java_dies(live: Instance, hear: Hear):
    all_over(live)
    heard = hear("live")
    live.host.check_output("kill -9 %s", str(live.status()["java_pid"]))
    heard.exactly("crashed", "login")


@pytest.mark.kinds("parked")
def test_it_is_closed_during_a_login(live: Instance, hear: Hear):
    all_over(live)
    then = provoke(live, "parked")
    heard = hear("live")
    begin_login(live)
    live.wait_for("two_factor")
    live.simulate(*then[0])
    heard.exactly("Login ended", "parked", webhook=["Approve IB Key now", "parked"])


@pytest.mark.kinds("out_of_memory", "crashed")
def test_paper_dies_and_comes_back_by_itself(paper: Instance, hear: Hear, kind: str):
    seams.plan(paper)
    paper.wait_for("ready")
    heard = hear("paper")
    for step in words.scenario(kind):
        paper.simulate(*step.split())
    heard.exactly(kind, "Over: ")


@pytest.mark.kinds("stuck")
def test_a_window_without_the_controls(paper: Instance, hear: Hear):
    provoke(paper, "stuck", 2)
    heard = hear("paper")
    start(paper)
    heard.exactly("stuck")
    paper.wait_for("parked")


@pytest.mark.kinds("unknown_dialog")
def test_a_window_nobody_knows(paper: Instance, hear: Hear):
    with seams.limits(paper.host, unknown_notice=1):
        provoke(paper, "unknown_dialog")
        heard = hear("paper")
        start(paper)
        heard.exactly("unknown_dialog")
    paper.simulate("dismiss")
    paper.wait_for("ready")


@pytest.mark.kinds("configuration_invalid")
def test_a_setting_that_ibc_refuses(paper: Instance, hear: Hear):
    all_over(paper)
    paper.host.check_output("ibgatewayctl stop paper")
    heard = hear("paper")
    with seams.edited(
        paper.host, "/etc/ibgateway/paper/ibc.ini", lambda text: f"{text}BypassOrderPrecautions=perhaps\n"
    ):
        start(paper)
        heard.exactly("configuration_invalid")
        paper.wait_for("failed")


@pytest.mark.kinds("stuck_display", "restarts_used_up")
def test_a_display_that_does_not_answer(paper: Instance, hear: Hear):
    """Seven starts have come to nothing already, so that one is the last."""
    if paper.status()["state"] not in AT_REST:
        paper.host.check_output("ibgatewayctl stop paper")
    before = {"state": "starting", "failures": 7, "end": {"code": 75, "reason": "stuck_display"}}
    seams.put(paper.host, "/run/ibgateway/paper/state.json", json.dumps(before))
    heard = hear("paper")
    with seams.limits(paper.host, display=1):
        # Stopped, it still accepts connections.
        paper.host.check_output("systemctl kill --signal=STOP ibgateway-display@paper.service")
        try:
            start(paper)
            heard.exactly("stuck_display", "restarts_used_up")
        finally:
            paper.host.check_output("systemctl kill --signal=CONT ibgateway-display@paper.service")
    all_over(paper)


@pytest.mark.kinds("stopped")
def test_it_is_stopped(paper: Instance, hear: Hear):
    seams.plan(paper)
    seams.log_in(paper)
    with seams.impatient(paper.host, stopped=1):
        heard = hear("paper")
        paper.host.check_output("ibgatewayctl stop paper")
        heard.exactly("stopped")
    start(paper)
    heard.exactly("stopped", "Over: ")


@pytest.mark.kinds("unit_failed")
def test_a_launcher_that_is_killed(paper: Instance, hear: Hear):
    seams.plan(paper)
    paper.wait_for("ready")
    heard = hear("paper")
    paper.host.check_output("systemctl kill --signal=KILL ibgateway@paper.service")
    heard.exactly("unit_failed", "Over: ")


@pytest.mark.kinds("restart_missed")
def test_the_daily_restart_did_not_happen(live: Instance, hear: Hear):
    """Of a full login this week nothing is known any more, so it is not made up for."""
    all_over(live)
    planned = re.search(r'daily_restart = "(.+)"', config(live))[1]
    zone = ZoneInfo(re.search(r'timezone = "(.+)"', config(live))[1])
    live.host.check_output("truncate --size=0 /var/lib/ibgateway/live/events.jsonl")
    heard = hear("live")
    seams.configure(live, daily_restart=f"{datetime.now(zone) - timedelta(minutes=1):%H:%M}")
    try:
        live.host.check_output("systemctl start ibgateway-restart@live.service")
    finally:
        seams.configure(live, daily_restart=planned)
    heard.exactly("restart_missed")


@pytest.mark.kinds("restart_slow")
def test_a_planned_restart_that_does_not_come_back(live: Instance, hear: Hear):
    all_over(live)
    with seams.impatient(live.host, restart_slow=2):
        heard = hear("live")
        for step in words.scenario("restart_slow"):
            live.simulate(*step.split())
        heard.exactly("restart_slow")
    live.host.check_output("ibgatewayctl stop live")
