"""Debian 12 becomes 13 under two logged-in instances: they notice nothing, and one run settles the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import BY_TOKEN, NOTHING, changed_tasks, happen, pids, restart_by_token
from harness import seams
from harness.costs import counts, since
from harness.instance import Instance
from harness.phone import Phone
from harness.site import Run
from harness.wait import wait_until
from testinfra.host import Host

UNATTENDED = "DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -y"
KEEP_OURS = "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
# As the release notes of Debian have it, with needrestart, which restarts what uses an old library.
STEPS = (
    f"{UNATTENDED} install needrestart",
    "sed -i s/bookworm/trixie/g $(find /etc/apt -name '*.sources' -o -name '*.list')",
    f"{UNATTENDED} update",
    f"{UNATTENDED} {KEEP_OURS} upgrade --without-new-pkgs",
    f"{UNATTENDED} {KEEP_OURS} full-upgrade",
    f"{UNATTENDED} autoremove --purge",
)
ENVIRONMENT = {
    "Install what builds environments",
    "Create the environment",
    "Install the pinned packages",
    "Switch to the new environment",
}
COMPILED = {
    "alerting : Copy what differs of the program",
    "alerting : Put the program in place",
    "ibc : Copy what differs of the launcher and its library",
    "ibc : Put the launcher and its library in place",
}
RESTARTED = {"alerting : Restart the watcher", "alerting : Restart the notifier"}


@pytest.fixture(scope="module")
def before(live: Instance, paper: Instance) -> dict[str, Any]:
    """What runs on Debian 12, and what it has cost so far."""
    return {
        "pids": pids(live, paper),
        "counts": {instance.name: counts(instance) for instance in (live, paper)},
        "python": live.host.check_output("readlink -f /usr/bin/python3"),
    }


@pytest.fixture(scope="module")
def upgraded(host: Host, before: dict[str, Any]) -> None:
    """The host, upgraded."""
    assert before["python"] == "/usr/bin/python3.11"
    for step in STEPS:
        done = host.run(step)
        assert done.rc == 0, f"{step}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="module")
def settled(site: Callable[..., Run], upgraded: None) -> Run:
    """The playbook, run again."""
    return site()


def nothing_was_spent(before: dict[str, Any], *instances: Instance) -> None:
    assert pids(*instances) == before["pids"]
    for instance in instances:
        assert since(instance, before["counts"][instance.name]) == NOTHING


def test_both_stay_logged_in(host: Host, live: Instance, paper: Instance, before: dict, upgraded: None):
    assert host.check_output(". /etc/os-release && echo $VERSION_CODENAME") == "trixie"
    assert host.check_output("readlink -f /usr/bin/python3") == "/usr/bin/python3.13"
    assert not host.file("/usr/bin/python3.11").exists
    nothing_was_spent(before, live, paper)
    assert "ibgateway" in host.check_output("nft list tables")


def test_alerting_goes_on_with_the_packages_of_the_old_python(
    host: Host, live: Instance, phone: Phone, upgraded: None
):
    # As a reboot does, or needrestart.
    host.check_output("systemctl restart ibgateway-watch.service ibgateway-notify.service")
    last = phone.last()
    happen(live, "password_expiring", "expires in 5 days")
    phone.wait_for("Password expires soon", last)
    assert host.check_output("systemctl show --property=NRestarts --value ibgateway-watch") == "0"


def test_doctor_and_verify_say_what_to_do(host: Host, site: Callable[..., Run], upgraded: None):
    doctor = json.loads(host.run("ibgatewayctl doctor --offline --json").stdout)
    (found,) = [entry for entry in doctor["findings"] if entry["check"] == "alerting"]
    assert found["level"] == "warning"
    assert "the host has python3.13 now, alerting's packages are python3.11's" in found["text"]
    assert "run the playbook again" in found["remedy"]
    run = site(playbook="playbooks/verify.yml")
    assert run.code != 0
    assert "1 of 8 checks failed: watcher and notifier have the packages of the host's Python" in run.output


def test_the_playbook_renews_alerting_and_nothing_else(
    host: Host, live: Instance, paper: Instance, before: dict, settled: Run
):
    assert settled.code == 0, settled.output
    wanted = {f"alerting : {task}" for task in ENVIRONMENT} | COMPILED | RESTARTED
    assert changed_tasks(settled) <= wanted, settled.output
    assert changed_tasks(settled) >= RESTARTED
    (environment,) = host.check_output("ls /opt/ibgateway-alerting/venvs").split()
    assert environment.startswith("python3.13-")
    nothing_was_spent(before, live, paper)


def test_a_second_run_changes_nothing_and_all_is_well(host: Host, site: Callable[..., Run], settled: Run):
    again = site()
    assert (again.code, again.changed) == (0, 0), again.output
    assert site(playbook="playbooks/verify.yml").code == 0
    doctor = json.loads(host.run("ibgatewayctl doctor --offline --json").stdout)
    assert [entry["level"] for entry in doctor["findings"] if entry["check"] == "alerting"] == ["ok"]


def test_a_run_that_ended_before_the_services_changed_over_is_finished_by_the_next(
    host: Host, site: Callable[..., Run], live: Instance, paper: Instance, before: dict, settled: Run
):
    host.check_output("mkdir /opt/ibgateway-alerting/venvs/python3.11-0123456789ab")
    healed = site("--tags=alerting")
    assert healed.code == 0, healed.output
    assert changed_tasks(healed) == RESTARTED | {"alerting : Finish changing over to the environment"}
    assert len(host.check_output("ls /opt/ibgateway-alerting/venvs").split()) == 1
    nothing_was_spent(before, live, paper)


def test_the_phone_hears_of_events_and_gets_the_picture(
    host: Host, paper: Instance, phone: Phone, settled: Run
):
    last = phone.last()
    happen(paper, "password_expiring", "expires in 5 days")
    phone.wait_for("Password expires soon", last)
    host.check_output("systemctl start ibgateway-digest.service")
    wait_until(lambda: [message for message in phone.after(last) if message.get("photo")], "a picture", 30)


def test_the_next_restarts_run_with_the_new_libraries_and_need_no_tap(
    live: Instance, paper: Instance, before: dict, settled: Run
):
    restart_by_token(live)
    assert since(live, before["counts"]["live"]) == BY_TOKEN
    seams.plan(paper)
    seen = len(paper.events())
    # A new display, too.
    paper.host.check_output("ibgatewayctl stop paper && systemctl restart ibgateway-display@paper.service")
    paper.host.check_output("timeout 90 ibgatewayctl start paper")
    paper.wait_for_event("ready", seen, 90)
    assert since(paper, before["counts"]["paper"]) == NOTHING | {"logins": 1}
    assert pids(live, paper) != before["pids"]
