"""From start to ready: real IBC typed the credentials, the tap was waited for, and everyone was told."""

import json

import pytest
from harness.instance import Instance, json_lines, unit_properties
from harness.wait import wait_until
from testinfra.host import Host

TAPPED = ["starting", "login_submitted", "two_factor_waiting", "two_factor_answered", "ready"]
EVENTS = {
    # The converge play started it, and it asked; login.yml gave consent.
    "live": ["consent_needed", "parked", *TAPPED],
    "paper": ["starting", "login_submitted", "ready"],
}


def test_the_unit_is_up_and_will_be_after_a_reboot(instance: Instance):
    unit = instance.unit_properties()
    assert unit["ActiveState"] == "active"
    assert unit["SubState"] == "running"
    assert unit["UnitFileState"] == "enabled"
    assert unit["Type"] == "notify"


def test_the_status_text_says_ready(instance: Instance):
    assert "ready" in instance.unit_properties()["StatusText"].lower()


def test_the_password_arrived_intact_and_no_login_was_for_nothing(instance: Instance):
    arrived = [(entry["username"], entry["mode"], entry["password_sha256"]) for entry in instance.logins()]
    wanted = (instance.given["username"], instance.given["mode"], instance.password_sha256)
    assert arrived == [wanted] * EVENTS[instance.name].count("login_submitted")


def test_events_tell_the_story_in_order(instance: Instance):
    events = instance.events()
    assert [event["type"] for event in events] == EVENTS[instance.name]
    assert {event["instance"] for event in events} == {instance.name}
    times = [event["time"] for event in events]
    assert times == sorted(times)
    assert all(time.endswith("Z") and len(time) == len("2026-01-31T12:00:00.000Z") for time in times)


def test_the_second_run_of_the_playbook_restarted_nothing(instance: Instance):
    assert instance.unit_properties()["NRestarts"] == "0"
    assert instance.status()["logins"] == 1
    assert instance.status()["pending"] == []


def test_status_as_json_agrees_with_systemd(instance: Instance):
    status = instance.status()
    unit = instance.unit_properties()
    assert status["instance"] == instance.name
    assert status["mode"] == instance.given["mode"]
    assert status["state"] == "ready"
    assert status["api_port"] == instance.ports["api"]
    assert status["status"] == unit["StatusText"]
    assert status["unit"]["active_state"] == "active"
    assert instance.host.file(f"/proc/{status['java_pid']}/comm").content_string.strip() == "java"


def test_status_of_an_unknown_instance_is_refused(host: Host):
    result = host.run("ibgatewayctl status nobody")
    assert result.rc == 4
    assert "nobody" in result.stderr


def test_java_and_display_run_as_the_service_user(instance: Instance):
    pid = instance.status()["java_pid"]
    display = unit_properties(instance.host, f"ibgateway-display@{instance.name}.service")
    owners = instance.host.check_output("stat --format=%%U /proc/%s /proc/%s", str(pid), display["MainPID"])
    assert owners.split() == ["ibgateway", "ibgateway"]


def told(host: Host) -> dict[str, list[str]]:
    """What reached each stand-in, as text, in its order."""
    return {
        name: [
            json.dumps(entry, ensure_ascii=False)
            for entry in json_lines(host, f"/var/lib/testbed/{name}.jsonl")
        ]
        for name in ("phone", "webhook")
    }


@pytest.mark.parametrize("channel", ["phone", "webhook"])
@pytest.mark.parametrize("said", ["May I send you the push?", "Approve IB Key now", "ready after"])
def test_the_operator_was_told_of_the_login(host: Host, channel: str, said: str):
    def look() -> bool:
        return any("live on" in text and said.lower() in text.lower() for text in told(host)[channel])

    wait_until(look, f"a message on {channel} that says {said}", 20)


def test_nobody_was_told_of_what_went_well_by_itself(host: Host):
    assert [text for texts in told(host).values() for text in texts if "paper on" in text] == []


@pytest.mark.parametrize("part", ["watch", "notify"])
def test_alerting_runs(host: Host, part: str):
    unit = unit_properties(host, f"ibgateway-{part}.service")
    assert unit["ActiveState"] == "active"
    assert unit["UnitFileState"] == "enabled"
    assert unit["User"] == f"ibgateway-{part}"
    assert unit["NRestarts"] == "0"


def test_the_digest_has_its_hour(host: Host):
    unit = unit_properties(host, "ibgateway-digest.timer")
    assert (unit["ActiveState"], unit["UnitFileState"]) == ("active", "enabled")
    assert "Sun *-*-* 18:00:00 Europe/Zurich" in unit["TimersCalendar"]


def test_the_watcher_ran_before_the_first_login(host: Host):
    watching = unit_properties(host, "ibgateway-watch.service")["ActiveEnterTimestampMonotonic"]
    started = unit_properties(host, "ibgateway@paper.service")["InactiveExitTimestampMonotonic"]
    assert 0 < int(watching) < int(started)


def test_no_unit_failed(host: Host):
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""
