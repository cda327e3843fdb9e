"""While IBKR's servers reset, nothing logs in or restarts; afterwards everything goes on by itself."""

from harness import seams
from harness.instance import Instance


def appointment(instance: Instance, what: str) -> str:
    """Start a timer's service by hand and return what it said in the journal."""
    unit = f"ibgateway-{what}@{instance.name}.service"
    instance.host.check_output("systemctl start %s", unit)
    return instance.host.check_output("journalctl --output=cat --lines=6 --unit=%s", unit)


def test_a_lost_link_in_a_window_is_left_alone(live: Instance):
    seen, logins, pid = len(live.events()), len(live.logins()), live.status()["java_pid"]
    live.simulate("link", "lost")
    seams.reset_now(live.host, True)

    assert "IBKR's servers reset until" in appointment(live, "reset")
    appointment(live, "restart")
    for command in ("restart live --soft", "restart live --full --yes"):
        refused = live.host.run(f"ibgatewayctl {command}")
        assert refused.rc == 5, command
        assert "IBKR's servers reset" in refused.stderr

    assert live.types_after(seen) == []
    assert (live.status()["java_pid"], len(live.logins())) == (pid, logins)


def test_a_login_in_a_window_waits(paper: Instance, live: Instance):
    seams.reset_now(paper.host, True)
    paper.host.check_output("ibgatewayctl stop paper")
    live.host.check_output("ibgatewayctl stop live")
    seen, logins = len(paper.events()), len(paper.logins())

    assert paper.host.run("timeout 30 ibgatewayctl start paper").rc == 5
    assert paper.status()["state"] == "deferred"
    assert paper.status()["deferred_until"]
    assert live.host.run("timeout 30 ibgatewayctl login live").rc == 5

    paper.host.check_output("ibgatewayctl stop paper")
    assert paper.host.run("timeout 30 ibgatewayctl start paper").rc == 5
    assert paper.types_after(seen) == ["login_deferred", "stopped", "login_deferred"]
    assert len(paper.logins()) == logins


def test_after_the_window_it_goes_on_by_itself(paper: Instance, live: Instance):
    logins = len(paper.logins())

    seams.reset_now(paper.host, False)
    # The launcher looks at the table every 30 s.
    paper.wait_for("ready", 50)
    assert len(paper.logins()) == logins + 1

    live.host.check_output("timeout 60 ibgatewayctl login live")
    assert "the session is there" in appointment(live, "reset")
