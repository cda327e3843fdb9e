"""Units and state.json: what makes the watcher ask systemd, and what it takes from the answer."""

from __future__ import annotations

import json
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from ibgateway_alerting.observation import SAY_AGAIN, Observation
from ibgateway_alerting.watch import units as watched
from ibgateway_alerting.watch.cgroups import Cgroup
from ibgateway_alerting.watch.units import DEFAULT_CGROUP, Units

STEP = 0.2
A_MOMENT = 0.6
"""Seconds within which a change of a file is seen."""
SYSTEMCTL = """#!/bin/sh
# With what the shell has in itself: most tests ask several times, and a start of Python's costs more.
here=${0%/*}
echo "$*" >> "$here/asked"
[ ! -e "$here/hangs" ] || exec sleep 60
[ ! -e "$here/fails" ] || exit 1
for unit; do
  echo "Id=$unit"
  while read -r line; do printf '%s\\n' "$line"; done < "$here/units/$unit"
  echo
done
"""
FINE = {
    "ActiveState": "active", "SubState": "running", "Result": "success", "ExecMainCode": "0",
    "ExecMainStatus": "0", "LoadState": "loaded",
}  # fmt: skip


class Host:
    """A stand-in for systemd and the kernel: a control group tree, and a systemctl."""

    def __init__(self, root: Path, settings, clock, tree: str) -> None:
        self.root = root
        self.clock = clock
        self.cgroups = root / "cgroup"
        self.tree = self.cgroups / tree
        self.run = settings.run_root
        self.known: dict[str, dict[str, str]] = {}
        self.program = root / "systemctl"
        self.program.write_text(SYSTEMCTL)
        (root / "units").mkdir()
        self.program.chmod(stat.S_IRWXU)
        for name in settings.instances:
            self.unit(name, **FINE, ControlGroup=DEFAULT_CGROUP.format(name))
            self.processes(name, 100, 101)
            self.state(name, state="ready")
        self.units = Units(settings, systemctl=[str(self.program)], cgroups=self.cgroups)
        self.seen: list[Observation] = []

    def unit(self, name: str, **properties: str) -> None:
        """What systemd says from now on."""
        unit = f"ibgateway@{name}.service"
        known = self.known.setdefault(unit, {})
        known.update(properties)
        lines = "".join(f"{key}={value}\n" for key, value in known.items())
        (self.root / "units" / unit).write_text(lines)

    def processes(self, name: str, *numbers: int, path: str = "") -> None:
        """Which processes the unit's group holds; none removes the group."""
        group = self.tree / (path or DEFAULT_CGROUP.format(name)).lstrip("/")
        if not numbers:
            shutil.rmtree(group)
            return
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.procs").write_text("".join(f"{number}\n" for number in numbers))

    def state(self, name: str, **state: str) -> None:
        """Replace state.json as the launcher does."""
        file = self.run / name / "state.json"
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(state))
        draft.replace(file)

    def go(self, seconds: float) -> None:
        """Let time pass; an answer of systemctl comes within the turn in which it was asked."""
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)
            self.turn()

    def turn(self) -> None:
        self.seen += self.units.tick(self.clock())
        process = self.units._question._process
        if process and not (self.root / "hangs").exists():
            process.wait(10)
            self.seen += self.units.tick(self.clock())

    def values(self, what: str, name: str = "live") -> list:
        return [one.value for one in self.seen if (one.instance, one.what) == (name, what)]

    def texts(self, what: str, name: str = "live") -> list[str]:
        return [one.text for one in self.seen if (one.instance, one.what) == (name, what)]

    def asked(self) -> list[str]:
        """What systemctl was asked, once a line; forgotten afterwards."""
        file = self.root / "asked"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def settled(self) -> Host:
        self.go(10)
        assert self.values("unit") == ["active"]
        self.seen.clear()
        self.asked()
        return self


@pytest.fixture(params=["", "systemd", "unified"], ids=["v2", "v1", "hybrid"])
def anyhow(tmp_path, settings, clock, request) -> Iterator[Host]:
    """A host in each arrangement of control groups."""
    made = Host(tmp_path, settings, clock, request.param)
    yield made
    made.units.close()


@pytest.fixture
def host(tmp_path, settings, clock) -> Iterator[Host]:
    made = Host(tmp_path, settings, clock, "")
    yield made
    made.units.close()


def test_both_units_are_asked_about_at_once(host):
    host.turn()
    assert host.asked() == ["ibgateway@live.service ibgateway@paper.service"]
    assert [(one.instance, one.value) for one in host.seen if one.what == "unit"] == [
        ("live", "active"),
        ("paper", "active"),
    ]
    assert host.values("state") == [{"state": "ready"}]
    assert host.units.running("live")


def test_while_nothing_changes_systemd_is_asked_once_a_minute(host):
    host.settled().go(300)
    assert len(host.asked()) <= 6
    assert host.values("unit") == ["active"] * 5
    assert host.values("state") == [{"state": "ready"}] * 5


def test_a_killed_unit_is_seen_in_a_moment(anyhow):
    host = anyhow.settled()
    host.unit(
        "live", ActiveState="failed", SubState="failed", Result="signal", ExecMainCode="2", ExecMainStatus="9"
    )
    host.processes("live")
    host.go(A_MOMENT)
    assert (host.values("unit"), host.texts("unit")) == (["failed"], ["signal, signal 9"])
    assert not host.units.running("live")


def test_only_the_unit_that_changed_is_asked_about_and_again_a_moment_later(host):
    host.settled()
    host.processes("paper", 300)
    host.go(6)
    assert host.asked() == ["ibgateway@paper.service"] * len(watched.AFTER_CHANGE)


def test_a_state_that_systemd_learns_a_moment_later(host):
    """state.json is written before READY=1 is sent."""
    host.unit("live", ActiveState="activating")
    host.state("live", state="two_factor")
    host.go(10)
    assert host.values("unit") == ["activating"]
    host.state("live", state="ready")
    host.go(A_MOMENT)
    assert not host.units.running("live")
    host.unit("live", ActiveState="active")
    host.go(1)
    assert host.values("unit") == ["activating", "active"]
    assert host.units.running("live")


def test_a_unit_in_transition_is_asked_about_more_often(host):
    host.unit("live", ActiveState="activating")
    host.go(10)
    host.asked()
    host.unit("live", ActiveState="inactive")
    host.go(watched.ASK_IN_TRANSITION)
    assert host.values("unit") == ["activating", "inactive"]


@pytest.mark.parametrize(
    ("properties", "value", "text"),
    [
        ({"ActiveState": "inactive"}, "inactive", ""),
        ({"ActiveState": "reloading"}, "active", ""),
        (
            {"ActiveState": "failed", "Result": "exit-code", "ExecMainCode": "1", "ExecMainStatus": "77"},
            "failed",
            "exit-code, exit code 77",
        ),
        (
            {"ActiveState": "deactivating", "Result": "oom-kill", "ExecMainCode": "0"},
            "deactivating",
            "oom-kill",
        ),
        (
            {"ActiveState": "activating", "Result": "timeout", "ExecMainCode": "3", "ExecMainStatus": "6"},
            "activating",
            "timeout, signal 6",
        ),
        (
            {"ActiveState": "inactive", "LoadState": "not-found"},
            "inactive",
            "systemd says the unit is not-found",
        ),
    ],
)
def test_what_is_taken_from_the_answer(host, properties, value, text):
    host.unit("live", **properties)
    host.turn()
    assert (host.values("unit"), host.texts("unit")) == ([value], [text])


def test_a_state_of_systemd_that_nobody_knows_is_no_state(host, caplog):
    host.unit("live", ActiveState="enchanted")
    host.turn()
    assert host.values("unit") == []
    assert "'enchanted'" in caplog.text


def test_the_group_is_where_systemd_says(host):
    """A container may have it below a group of its own."""
    group = "/docker/abc/system.slice/ibgateway@live.service"
    host.processes("live")
    host.processes("live", 100, path=group)
    host.unit("live", ControlGroup=group)
    host.settled()
    host.unit("live", ActiveState="failed")
    host.processes("live", path=group)
    host.go(A_MOMENT)
    assert host.values("unit") == ["failed"]


def test_without_a_group_to_look_at_systemd_is_asked_more_often(host):
    host.processes("live")
    host.go(10)
    host.unit("live", ActiveState="failed")
    host.go(watched.ASK_IN_TRANSITION)
    assert host.values("unit")[-1] == "failed"


def test_systemctl_that_hangs_is_ended_and_asked_again(host, caplog):
    host.settled()
    (host.root / "hangs").touch()
    host.processes("live", 5)
    host.go(A_MOMENT)
    process = host.units._question._process
    host.go(watched.ANSWERS_WITHIN + STEP)
    assert process.returncode == -9
    assert "systemd does not answer" in caplog.text
    (host.root / "hangs").unlink()
    if begun := host.units._question._process:
        begun.kill()  # it may have found out already that it shall hang
    host.unit("live", ActiveState="failed")
    host.go(1)
    host.go(watched.ASK_EVERY)
    assert "failed" in host.values("unit")


def test_systemctl_that_fails_is_said_once_and_what_was_known_stays(host, caplog):
    host.settled()
    (host.root / "fails").touch()
    host.processes("live", 5)
    host.go(130)
    assert caplog.text.count("systemctl show ended with 1") == 1
    assert set(host.values("unit")) == {"active"}


def test_no_systemctl_at_all(settings, clock, tmp_path, caplog):
    units = Units(settings, systemctl=[str(tmp_path / "nothing")], cgroups=tmp_path)
    for _ in range(20):
        units.tick(clock.advance(STEP))
    assert caplog.text.count("systemctl cannot be run") == 1


def test_a_change_of_state_json(host):
    host.settled()
    host.state("live", state="stopping")
    host.go(A_MOMENT)
    assert host.values("state") == [{"state": "stopping"}]
    assert host.values("state", "paper") == []
    assert not host.units.running("live")


def test_state_json_that_goes(host):
    host.settled()
    (host.run / "live" / "state.json").unlink()
    host.go(A_MOMENT)
    assert host.values("state") == [{}]
    assert not host.units.running("live")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100000])
def test_a_state_json_that_is_none_leaves_the_last_one(host, content):
    host.settled()
    file = host.run / "live" / "state.json"
    file.write_bytes(content)
    host.go(1)
    assert host.values("state") == []
    file.write_text('{"state": "parked"}')
    host.go(A_MOMENT)
    assert host.values("state") == [{"state": "parked"}]


@pytest.mark.parametrize(
    ("tree", "file", "content"),
    [
        ("", "memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill {}\noom_group_kill 0\n"),
        ("memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
    ],
    ids=["v2", "v1"],
)
def test_kills_for_want_of_memory_are_counted(host, tree, file, content):
    group = host.cgroups / tree / DEFAULT_CGROUP.format("live").lstrip("/")
    group.mkdir(parents=True, exist_ok=True)
    (group / file).write_text(content.format(0))
    host.settled()
    (group / file).write_text(content.format(1))
    host.go(1)
    assert host.values("oom") == [1]
    assert host.values("oom", "paper") == []
    shutil.rmtree(group)
    host.go(SAY_AGAIN + 1)
    assert host.values("oom") == [1, 1], "with its group the count is gone, not what it counted"


def test_a_host_that_counts_no_kills_says_nothing_of_them(host):
    host.go(70)
    assert host.values("oom") == []


def test_a_clock_that_is_set_back_does_not_stop_the_questions(host):
    host.settled()
    host.clock.advance(-86400)
    host.go(A_MOMENT)
    assert len(host.asked()) == 1
    host.go(SAY_AGAIN)
    assert host.values("unit") == ["active"] * 2


def test_a_turn_costs_no_process(host, monkeypatch):
    host.settled()
    monkeypatch.setattr(
        watched, "subprocess", SimpleNamespace(Popen=lambda *_, **__: pytest.fail("a process"))
    )
    host.go(5)


def test_a_tick_does_not_wait_for_systemctl(host):
    (host.root / "hangs").touch()
    began = time.monotonic()
    host.go(5)
    assert time.monotonic() - began < 5


def test_a_group_that_is_not_there():
    group = Cgroup("/nothing", Path("/nonexistent"))
    assert (group.processes(), group.kills()) == (None, None)
