"""A reboot that was planned keeps the token; a power failure costs the live account a tap, and it asks."""

import subprocess
import sys

from harness import seams
from harness.instance import Instance
from harness.site import ROOT
from harness.wait import wait_until
from testinfra.host import Host

sys.path.insert(0, str(ROOT))
from testbed.lib import docker
from testbed.lib import host as testbed


def box(host: Host) -> str:
    return testbed.container(host.backend.hostname)


def is_up(host: Host) -> bool:
    done = docker.run("exec", box(host), "systemctl", "is-active", "ssh.service", "dbus.service", check=False)
    return done.stdout.split() == ["active", "active"] and answers(host)


def answers(host: Host) -> bool:
    try:
        return host.run("true").rc == 0
    except (RuntimeError, subprocess.SubprocessError):
        return False


def test_a_planned_reboot_needs_no_login(host: Host, live: Instance, paper: Instance):
    seen, logins, papers = len(live.events()), len(live.logins()), len(paper.logins())

    # The signal that stands for a reboot; IBC pauses at the next full minute.
    docker.run("restart", "--time=200", box(host), timeout=300)
    wait_until(lambda: is_up(host), "the host to come up", 60)

    live.wait_for("ready")
    assert live.types_after(seen)[-3:] == ["starting", "token_restart", "ready"]
    assert len(live.logins()) == logins
    paper.wait_for("ready")
    assert len(paper.logins()) == papers + 1


def test_a_power_failure_parks_live_and_logs_paper_in(host: Host, live: Instance, paper: Instance):
    seen, logins, papers = len(live.events()), len(live.logins()), len(paper.logins())

    docker.run("kill", box(host))
    docker.run("start", box(host))
    wait_until(lambda: is_up(host), "the host to come up", 60)

    live.wait_for("parked")
    assert live.types_after(seen) == ["consent_needed", "parked"]
    assert len(live.logins()) == logins
    paper.wait_for("ready")
    assert len(paper.logins()) == papers + 1

    seams.plan(live)
    live.host.check_output("timeout 60 ibgatewayctl login live")
    assert live.status()["state"] == "ready"
