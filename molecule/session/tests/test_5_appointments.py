"""The timers' services, started by hand: each looks first, and takes the cheapest remedy that helps."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from harness import seams
from harness.instance import Instance
from harness.wait import wait_until


def said(instance: Instance, what: str) -> str:
    unit = f"ibgateway-{what}@{instance.name}.service"
    return instance.host.check_output("journalctl --output=cat --lines=6 --unit=%s", unit)


def due_a_minute_ago(instance: Instance) -> None:
    """Let the daily restart have been due a minute ago, when nothing happened."""
    zone = ZoneInfo(re.search(r'timezone = "(.+)"', config(instance))[1])
    minute_ago = datetime.now(zone) - timedelta(minutes=1)
    seams.configure(instance, daily_restart=f"{minute_ago:%H:%M}")


def config(instance: Instance) -> str:
    return instance.host.check_output("cat /etc/ibgateway/%s/instance.toml", instance.name)


def test_a_missed_restart_is_made_up_for(live: Instance):
    planned = re.search(r'daily_restart = "(.+)"', config(live))[1]
    begun = '/"type":"(starting|restart_planned)"/d'
    live.host.check_output("sed -i -E %s /var/lib/ibgateway/live/events.jsonl", begun)
    seen = len(live.events())
    due_a_minute_ago(live)

    live.host.check_output("systemctl start ibgateway-restart@live.service")
    seams.configure(live, daily_restart=planned)

    assert live.types_after(seen) == ["restart_missed", "restart_planned"]


def test_papers_daily_cycle_stops_and_starts(paper: Instance):
    seen, logins = len(paper.events()), len(paper.logins())
    paper.host.check_output("systemctl start ibgateway-cycle@paper.service")
    paper.wait_for_event("ready", after=seen)
    assert paper.types_after(seen) == ["stopping", "stopped", "starting", "login_submitted", "ready"]
    assert len(paper.logins()) == logins + 1


def test_no_appointment_starts_what_its_operator_stopped(paper: Instance):
    paper.host.check_output("ibgatewayctl stop paper")
    seen = len(paper.events())
    for what in ("restart", "reset", "cycle"):
        paper.host.check_output("systemctl start ibgateway-%s@paper.service", what)
    assert paper.types_after(seen) == []
    assert paper.unit_properties()["ActiveState"] == "inactive"


def test_meanwhile_the_restart_took_place_without_a_login(live: Instance):
    # IBC restarts at the next full minute.
    wait_until(
        lambda: live.events()[-1]["type"] == "ready" and "token_restart" in live.types_after(-3),
        "the restart by the token",
        110,
    )
    assert live.types_after(-6) == [
        "restart_missed",
        "restart_planned",
        "restart_planned",
        "starting",
        "token_restart",
        "ready",
    ]

    live.host.check_output("systemctl start ibgateway-restart@live.service")
    assert "took place" in said(live, "restart")
