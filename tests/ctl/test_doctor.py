"""The doctor: each check with a machine made for it."""

from __future__ import annotations

import json
import shutil
import socket
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from ctl_stand_ins import configure
from ibgatewaylib import ctl_doctor, doctor_host, doctor_instance, doctor_upstream
from ibgatewaylib.ctl_history import token_end
from ibgatewaylib.ctl_host import Host
from ibgatewaylib.doctor import NOTE, OK, PROBLEM, WARNING, Finding, Machine, lines, worst

WEDNESDAY = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"


class FakeMachine:
    """Files and commands as a test says; a command is known by its first words."""

    def __init__(self) -> None:
        self.files = {"/proc/meminfo": "MemTotal: 4096000 kB\nMemAvailable: 2000000 kB\nSwapTotal: 0 kB\n"}
        self.answers: dict[str, str | None] = {
            "timedatectl show --property=NTPSynchronized": "yes\n",
            "timedatectl show --property=Timezone": "America/New_York\n",
            "systemctl show ibgateway-firewall.service": "LoadState=loaded\nActiveState=active\n",
            "systemctl show ibgateway-": "active\n",
            # As it is on a JRE that works: libjvm.so lies where only Java looks.
            "ldd": "\tlibX11.so.6 => /lib/libX11.so.6 (0x1)\n\tlibjvm.so => not found\n",
        }
        self.free = 5000
        self.inodes = 0.5
        self.forbidden: set[str] = set()
        self.links = {
            "/usr/bin/python3": "python3.13",
            "/opt/ibgateway-alerting/venv": "python3.13-0123456789ab",
        }

    def read(self, path):
        if str(path) in self.forbidden:
            raise PermissionError(13, "Permission denied")
        if str(path) in self.files:
            return self.files[str(path)]
        try:
            return Path(path).read_text()
        except OSError:
            return None

    def behind(self, path):
        return self.links.get(str(path), "")

    def run(self, *command, **_):
        text = " ".join(command)
        for words, answer in self.answers.items():
            if text.startswith(words):
                return answer
        return None

    def space(self, _):
        return self.free, self.inodes


@pytest.fixture
def machine(box):
    made = FakeMachine()
    made.files["/proc/net/tcp"] = made.files["/proc/net/tcp6"] = TCP
    (box.etc / "environment").write_text("TZ=America/New_York\n")
    (box.settings / "jts.ini").write_text("[Logon]\nTimeZone=America/New_York\nPeer=cdc1.ibllc.com:4001\n")
    lib = box.program / "jre" / "lib"
    (lib / "server").mkdir(parents=True)
    (lib / "server" / "libjvm.so").touch()
    for name in doctor_instance.WINDOW_LIBRARIES:
        (lib / name).touch()
    return made


def one(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def status(active: str = "active", state: str = "ready", **more: object) -> dict:
    return {"state": state, "status": state, "unit": {"active_state": active}, **more}


@pytest.mark.parametrize(("heap", "level"), [(512, OK), (3500, WARNING), (5000, PROBLEM)])
def test_memory(box, machine, heap, level):
    configure(box, heap=heap)
    found = one(doctor_host.memory(machine, [box.instance()]))
    assert found.level == level
    assert f"{heap} MiB of it heap" in found.text
    assert bool(found.remedy) == (level != OK)


@pytest.mark.parametrize(("total", "swap", "level"), [(1500, 0, WARNING), (1500, 512, OK), (1700, 0, OK)])
def test_swap_where_memory_is_tight(box, machine, total, swap, level):
    configure(box, heap=768)
    machine.files["/proc/meminfo"] = f"MemTotal: {total << 10} kB\nSwapTotal: {swap << 10} kB\n"
    found = one(doctor_host.memory(machine, [box.instance()]))
    assert found.level == level
    assert ("no swap" in found.text) == (level == WARNING)


def test_memory_that_others_use(box, machine):
    machine.files["/proc/meminfo"] = "MemTotal: 4096000 kB\nMemAvailable: 50000 kB\n"
    assert one(doctor_host.memory(machine, [box.instance()])).level == WARNING


@pytest.mark.parametrize(("free", "inodes", "level"), [
    (5000, 0.5, OK), (500, 0.5, WARNING), (5, 0.5, PROBLEM), (5000, 0.001, PROBLEM),
])  # fmt: skip
def test_disk(machine, free, inodes, level):
    machine.free, machine.inodes = free, inodes
    levels = {found.level for found in doctor_host.disk(machine)}
    assert max(levels, key=[OK, WARNING, PROBLEM].index) == level


@pytest.mark.parametrize(("answer", "level"), [("yes\n", OK), ("no\n", WARNING), (None, NOTE)])
def test_clock(machine, answer, level):
    machine.answers["timedatectl show --property=NTPSynchronized"] = answer
    assert one(doctor_host.clock(machine)).level == level


def test_a_container_has_the_clock_of_the_machine_around_it(machine):
    machine.answers["timedatectl show --property=NTPSynchronized"] = "no\n"
    machine.files["/run/systemd/container"] = "docker\n"
    assert one(doctor_host.clock(machine)).level == OK


def test_the_watcher_and_its_packages(machine):
    assert one(doctor_host.alerting(machine)).level == OK
    machine.links["/opt/ibgateway-alerting/venv"] = "python3.11-0123456789ab"
    found = one(doctor_host.alerting(machine))
    assert found.level == WARNING
    assert "the host has python3.13 now, alerting's packages are python3.11's" in found.text
    assert "run the playbook again" in found.remedy
    machine.answers = {"systemctl show ibgateway-notify.service": "failed\n"} | machine.answers
    assert [found.level for found in doctor_host.alerting(machine)] == [PROBLEM, WARNING]
    machine.links.clear()
    assert one(doctor_host.alerting(machine)).level == NOTE


def test_what_is_behind_a_link(tmp_path):
    (tmp_path / "opt/venvs/python3.11-abc").mkdir(parents=True)
    (tmp_path / "opt/venv").symlink_to("venvs/python3.11-abc")
    assert Machine(tmp_path).behind("/opt/venv") == "python3.11-abc"
    assert Machine(tmp_path).behind("/opt/none") == ""


def test_zones(box, machine):
    instance = box.instance()
    assert one(doctor_host.host_zone(machine, [instance])).level == OK
    machine.answers["timedatectl show --property=Timezone"] = "UTC\n"
    assert one(doctor_host.host_zone(machine, [instance])).level == NOTE
    assert one(doctor_instance.zones(machine, instance)).level == OK
    (box.settings / "jts.ini").write_text("[Logon]\nTimeZone=Europe/London\n")
    assert one(doctor_instance.zones(machine, instance)).level == WARNING
    (box.etc / "environment").write_text("TZ=UTC\n")
    unit, jts = doctor_instance.zones(machine, instance)
    assert (unit.level, jts.level) == (PROBLEM, WARNING)
    assert "the unit's time zone is UTC" in unit.text
    machine.forbidden.add(str(box.settings / "jts.ini"))
    assert "sudo ibgatewayctl doctor" in doctor_instance.zones(machine, instance)[1].text


def test_token(box):
    import os

    instance = box.instance()
    assert one(doctor_instance.token(instance, [], WEDNESDAY)).level == OK
    (box.settings / "a").mkdir()
    token = box.settings / "a" / "autorestart"
    token.touch()
    fresh, stale = WEDNESDAY.timestamp() - 60, token_end(WEDNESDAY).timestamp() - 60
    os.utime(token, (fresh, fresh))
    assert "waits for the next start" in one(doctor_instance.token(instance, [], WEDNESDAY)).text
    os.utime(token, (stale, stale))
    found = one(doctor_instance.token(instance, [], WEDNESDAY))
    assert (found.level, "before Sunday" in found.text) == (WARNING, True)
    (box.settings / "b").mkdir()
    (box.settings / "b" / "autorestart").touch()
    assert "2 saved sessions" in one(doctor_instance.token(instance, [], WEDNESDAY)).text


def test_weekly_login_due(box):
    last_week = token_end(WEDNESDAY).timestamp() - 5 * 86400
    events = [(last_week, "starting", {}), (last_week, "login_submitted", {}), (last_week + 9, "ready", {})]
    found = one(doctor_instance.token(box.instance(), events, WEDNESDAY))
    assert found.remedy == "`ibgatewayctl login live`"


def test_libraries(box, machine):
    assert one(doctor_instance.libraries(machine, box.instance())).level == OK
    machine.answers["ldd"] = (
        "\tlibXtst.so.6 => not found\n\tlibXi.so.6 => not found\n\tlibc.so.6 => /lib (0x1)\n"
    )
    found = one(doctor_instance.libraries(machine, box.instance()))
    assert found.level == PROBLEM
    assert found.remedy == "`apt install libxi6 libxtst6`"
    machine.answers["ldd"] = None
    assert one(doctor_instance.libraries(machine, box.instance())).level == NOTE
    (box.program / "jre" / "lib" / "libawt_xawt.so").unlink()
    assert "headless" in one(doctor_instance.libraries(machine, box.instance())).text
    (box.program / "jre" / "bin" / "java").unlink()
    assert one(doctor_instance.libraries(machine, box.instance())).level == PROBLEM


def test_java_without_its_core(box, machine):
    (box.program / "jre" / "lib" / "server" / "libjvm.so").unlink()
    found = one(doctor_instance.libraries(machine, box.instance()))
    assert (found.level, found.text) == (PROBLEM, "Java lacks libjvm.so")
    assert found.remedy == "run the playbook again"


@pytest.mark.workshop
def test_a_real_java_has_its_core(box):
    home = Path(shutil.which("java") or "/java").resolve().parents[1]
    shutil.rmtree(box.program / "jre")
    (box.program / "jre").symlink_to(home)
    # Libraries of X may be missing here, and a headless Java has no windows: all else is Java's own.
    assert "libjvm" not in one(doctor_instance.libraries(Machine(), box.instance())).text


def listener(address: str, port: int, uid: int) -> str:
    return (
        f"   0: {address}:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {uid:5d} 0 1\n"
    )


def test_listeners(box, machine):
    instance = box.instance()
    everywhere, here = "0" * 32, "0100007F"
    machine.files["/proc/net/tcp6"] = TCP + listener(everywhere, box.api_port, 900)
    machine.files["/proc/net/tcp"] = TCP + listener(here, box.command_port, 900)
    assert one(doctor_instance.listeners(machine, instance, status(), 900)).level == OK
    found = one(doctor_instance.listeners(machine, instance, status(), 901)[:1])
    assert "another program listens" in found.text
    stopped = doctor_instance.listeners(machine, instance, status("inactive", "stopped"), 900)
    assert [entry.level for entry in stopped] == [PROBLEM, PROBLEM]
    machine.files["/proc/net/tcp"] = TCP + listener("00000000", box.command_port, 900)
    assert "from other machines" in one(doctor_instance.listeners(machine, instance, status(), 900)).text
    machine.files["/proc/net/tcp"] = machine.files["/proc/net/tcp6"] = TCP
    gone = doctor_instance.listeners(machine, instance, status(), 900)
    assert ["nothing listens" in entry.text for entry in gone] == [True, True]


@pytest.mark.parametrize("address", [
    "0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F",
])  # fmt: skip
def test_loopback_in_each_form(machine, address):
    machine.files["/proc/net/tcp"] = TCP + listener(address, 4001, 1)
    assert doctor_instance.listening(machine) == [(True, 4001, 1)]


def test_real_listeners_are_seen():
    from ibgatewaylib.doctor import Machine

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert [loopback for loopback, found, _ in doctor_instance.listening(Machine()) if found == port] == [
            True
        ]


def test_settings_that_differ(box):
    values = {"ReadOnlyApi": {"wanted": "yes", "found": "no", "ok": False},
              "AutoRestartTime": {"wanted": "05:15 PM", "found": "05:15 PM", "ok": True}}  # fmt: skip
    found = one(doctor_instance.readback(box.instance(), status(readback=values)))
    assert (found.level, found.text) == (WARNING, "ReadOnlyApi is no, wanted is yes")
    assert one(doctor_instance.readback(box.instance(), status())).level == NOTE


def test_schedule_and_timers(box, machine):
    assert one(doctor_instance.schedule(box.instance(), date(2026, 11, 25))).level == OK
    assert (
        one(doctor_instance.timers(machine, box.instance())).text == "the timers wait: restart, reset, login"
    )
    machine.answers["systemctl show ibgateway-"] = "inactive\n"
    assert [found.level for found in doctor_instance.timers(machine, box.instance())] == [PROBLEM] * 3
    configure(box, daily_restart="23:50")
    assert "meets the reset window" in one(doctor_instance.schedule(box.instance(), date(2026, 11, 25))).text


def test_window_data(box):
    assert one(doctor_host.window_data(box.etc.parent, date(2026, 11, 25))).level == OK
    old = one(doctor_host.window_data(box.etc.parent, date(2027, 11, 25)))
    assert (old.level, "compare them again" in old.remedy) == (WARNING, True)
    (box.etc.parent / "reset-windows.json").write_text("{")
    assert one(doctor_host.window_data(box.etc.parent, date(2026, 11, 25))).level == PROBLEM


@pytest.mark.parametrize(("answer", "level"), [
    ("LoadState=loaded\nActiveState=active\n", OK), ("LoadState=loaded\nActiveState=failed\n", PROBLEM),
    ("LoadState=not-found\nActiveState=inactive\n", NOTE),
])  # fmt: skip
def test_firewall(machine, answer, level):
    machine.answers["systemctl show ibgateway-firewall.service"] = answer
    assert one(doctor_host.firewall(machine)).level == level


def test_upstream(box, machine):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (box.settings / "jts.ini").write_text(f"Peer=127.0.0.1:{port}\n")
        assert one(doctor_upstream.upstream(box.instance(), 2)).level == OK
    assert one(doctor_upstream.upstream(box.instance(), 2)).level == PROBLEM
    (box.settings / "jts.ini").write_text("Peer=no-such-host.invalid\n")
    found = one(doctor_upstream.upstream(box.instance(), 2))
    assert (found.level, "cannot be resolved" in found.text) == (PROBLEM, True)


def test_upstream_of_an_instance_that_never_logged_in(box):
    (box.settings / "jts.ini").unlink(missing_ok=True)
    configure(box, region="europe")
    assert doctor_upstream.target(box.instance()) == ("zdc1.ibllc.com", 4001)


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch):
    import threading

    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(5) and [])
    with pytest.raises(TimeoutError):
        doctor_upstream.lookup("slow.example", 1, 0.05)
    release.set()


def test_worst_and_lines():
    found = [
        Finding(OK, "a", "fine"),
        Finding(NOTE, "b", "by the way"),
        Finding(WARNING, "c", "hm", "do this", "live"),
    ]
    assert [worst([]), worst(found[:2]), worst(found), worst([*found, Finding(PROBLEM, "d", "no")])] == [
        0,
        0,
        10,
        20,
    ]
    assert lines(found, colour=False, verbose=False) == [
        "note     by the way",
        "warning  live: hm",
        "         → do this",
        "3 checks: 0 problems, 1 warnings, 1 well",
    ]


def test_the_whole(box, machine, systemd, now, monkeypatch):
    systemd.ready()
    monkeypatch.setattr(ctl_doctor.pwd, "getpwnam", lambda _: type("Account", (), {"pw_uid": 900}))
    found = ctl_doctor.examine(Host(box.etc.parent), ["live"], offline=True, machine=machine)
    assert {entry.check for entry in found} == {
        "clock", "time_zone", "memory", "disk", "firewall", "alerting", "reset_windows", "state", "settings",
        "token", "libraries", "listeners", "schedule", "timers", "upstream",
    }  # fmt: skip
    assert all(entry.remedy for entry in found if entry.level in (WARNING, PROBLEM))


def test_command(run, systemd, monkeypatch):
    systemd.ready()
    monkeypatch.setattr(ctl_doctor, "Machine", FakeMachine)
    code, out, _ = run("doctor", "--offline", "--json")
    answer = json.loads(out)
    assert code == answer["code"] == 20  # this machine has no user ibgateway
    assert "no user ibgateway" in str(answer)
    code, out, _ = run("doctor", "live", "--offline")
    assert "→ run the playbook" in out


def test_broken_instance_does_not_hide_the_rest(box, run, monkeypatch):
    monkeypatch.setattr(ctl_doctor, "Machine", FakeMachine)
    (box.etc / "instance.toml").write_text("name =")
    code, out, _ = run("doctor", "--offline")
    assert code == 20
    assert "not valid TOML" in out
