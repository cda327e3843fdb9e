"""Stops, crashes and refused credentials, with the logins counted where they arrive: at the server."""

from harness.instance import Instance
from harness.wait import wait_until

# systemd waits a moment before it starts the unit again; only then is the old exit code still there.
EXIT_CODE_BEFORE_RELAUNCH = """
for _ in $(seq 1000); do
    seen=$(systemctl show --property=SubState,ExecMainStatus ibgateway@paper.service)
    case $seen in *SubState=auto-restart*) echo "$seen" | sed -n 's/^ExecMainStatus=//p'; exit ;; esac
done
"""


def types_after(instance: Instance, seen: int) -> list[str]:
    return [event["type"] for event in instance.events()[seen:]]


def test_stop_logs_out_through_ibc_and_login_asks_for_the_tap(live: Instance):
    seen, logins = len(live.events()), len(live.logins())

    live.host.check_output("ibgatewayctl stop live")

    unit = live.unit_properties()
    assert (unit["ActiveState"], unit["Result"], unit["ExecMainStatus"]) == ("inactive", "success", "0")
    journal = live.journal("--lines=200")
    assert "CommandServer received command: STOP" in journal
    assert "Login has completed: exiting via [File, Close] menu" in journal
    assert types_after(live, seen) == ["stopping", "stopped"]
    assert not live.host.file("/run/ibgateway/live/config.ini").exists
    assert live.status()["state"] == "stopped"

    live.simulate("set", "push=wait")
    # `ibgatewayctl login` follows until the instance is ready; the tap comes meanwhile.
    live.host.check_output("systemd-run --quiet --collect ibgatewayctl login live")
    live.wait_for("two_factor")
    live.simulate("approve")
    live.wait_for("ready")
    live.simulate("reset")
    assert len(live.logins()) == logins + 1


def test_a_killed_java_is_a_crash_and_systemd_relaunches(paper: Instance):
    seen, logins = len(paper.events()), len(paper.logins())
    before = paper.status()

    code = paper.host.check_output(f"kill -KILL {before['java_pid']} && {EXIT_CODE_BEFORE_RELAUNCH}")

    assert code == "75"
    paper.wait_for_event("crashed", after=seen)
    paper.wait_for_event("ready", after=seen)
    assert types_after(paper, seen) == ["crashed", "starting", "login_submitted", "ready"]
    assert paper.unit_properties()["NRestarts"] == "1"
    assert paper.wait_for("ready")["java_pid"] != before["java_pid"]
    assert len(paper.logins()) == logins + 1


def test_a_refused_password_parks_and_is_tried_once(paper: Instance):
    seen, logins = len(paper.events()), len(paper.logins())
    paper.host.check_output("ibgatewayctl stop paper")
    paper.simulate("set", "login=wrong_password")

    assert paper.host.run("timeout 60 ibgatewayctl start paper").rc == 1

    paper.wait_for("parked")
    unit = wait_until(
        lambda: (found := paper.unit_properties())["ActiveState"] == "failed" and found,
        "the unit to give up",
        20,
    )
    assert unit["ExecMainStatus"] == "77"
    assert "credentials_rejected" in types_after(paper, seen)
    assert types_after(paper, seen)[-1] == "parked"
    assert len(paper.logins()) == logins + 1
    assert paper.host.run("ibgatewayctl status paper").rc == 1

    paper.simulate("reset")
    paper.host.check_output("ibgatewayctl start paper")
    paper.wait_for("ready")
    assert len(paper.logins()) == logins + 2
