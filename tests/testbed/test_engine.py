"""The engine: found where there is one, started where there is none, and only ours is stopped."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from testbed.lib import docker, engine, root
from testbed.lib.progress import UserError


@pytest.fixture
def steps(monkeypatch):
    """Record the commands instead of running them."""
    commands: list[list[str]] = []

    def must(title, command, log, **_):
        commands.append(list(command))

    monkeypatch.setattr(engine, "must", must)
    return commands


@pytest.fixture
def as_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def answers(monkeypatch, *sequence):
    """Let docker.find() give these, and the last one for ever."""
    left = list(sequence)
    monkeypatch.setattr(docker, "find", lambda: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(engine, "_version", lambda: "99.9")


def test_an_engine_that_answers_is_used_and_never_stopped(cache, steps, monkeypatch, capsys):
    answers(monkeypatch, ["docker"])
    engine.up()
    engine.down()
    assert steps == []
    assert "left as it is" in capsys.readouterr().out


@pytest.mark.usefixtures("as_root")
def test_systemd_starts_and_stops_it_where_there_is_one(cache, steps, monkeypatch):
    answers(monkeypatch, None, None, ["docker"])
    monkeypatch.setattr(root, "program", lambda _: "/usr/sbin/dockerd")
    monkeypatch.setattr(engine, "SYSTEMD", cache)
    engine.up()
    assert json.loads(engine.RECORD.read_text()) == {"how": "systemd"}
    engine.down()
    assert steps == [
        ["systemctl", "start", "docker"],
        ["systemctl", "stop", "docker.service", "docker.socket"],
    ]
    assert not engine.RECORD.exists()


def test_without_apt_the_user_is_told_what_to_install(cache, monkeypatch):
    answers(monkeypatch, None)
    monkeypatch.setattr(root, "program", lambda _: None)
    monkeypatch.setattr(engine, "_separate_client", lambda: [])
    monkeypatch.setattr(root.shutil, "which", lambda _: None)
    with pytest.raises(UserError, match=r"install by hand, this system has no apt-get: docker\.io"):
        engine.up()


def test_an_engine_that_dies_shows_its_last_words(cache, monkeypatch, tmp_path):
    answers(monkeypatch, None)
    monkeypatch.setattr(engine, "START_SECONDS", 0.1)
    log = tmp_path / "dockerd.log"
    log.write_text("failed to start daemon: no space left\n")
    with pytest.raises(UserError, match="no space left"):
        engine._wait(log)


def test_no_root_and_no_sudo(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(root.shutil, "which", lambda _: None)
    with pytest.raises(UserError, match="run it as root, or install sudo"):
        root.as_root(["true"])


def test_sudo_is_used_only_by_those_who_need_it(monkeypatch):
    monkeypatch.setattr(root.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert root.as_root(["true"]) == ["sudo", "true"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert root.as_root(["true"]) == ["true"]


@pytest.mark.parametrize(
    ("reachable", "found"),
    [({"docker", "sudo"}, ["docker"]), ({"sudo"}, ["sudo", "-n", "docker"]), (set(), None)],
    ids=["as this user", "by sudo", "not at all"],
)
def test_docker_needs_no_root_where_the_user_may_use_it(monkeypatch, reachable, found):
    monkeypatch.setattr(docker.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(docker, "answers", lambda prefix: prefix[0] in reachable)
    assert docker.find() == found


def test_what_was_installed_is_remembered_with_what_it_pulled_in(cache, monkeypatch):
    known = [{"bash"}, {"bash", "docker.io", "runc"}]
    monkeypatch.setattr(root, "_known_packages", lambda: known.pop(0))
    monkeypatch.setattr(root, "run_step", lambda *_: 0)
    monkeypatch.setattr(root.shutil, "which", lambda _: "/usr/bin/apt-get")
    root.install("docker.io")
    assert root.installed_by_us() == ["docker.io", "runc"]


def test_what_is_there_by_now_is_not_installed_again(cache, monkeypatch):
    installed = []
    monkeypatch.setattr(root, "_known_packages", lambda: {"bash", "debootstrap", *installed})
    monkeypatch.setattr(root, "run_step", lambda *args: installed.append(args[1][-1]) or 0)
    monkeypatch.setattr(root.shutil, "which", lambda _: "/usr/bin/apt-get")
    root.install("debootstrap")
    assert installed == []
    root.install("debootstrap", "gpgv")
    assert installed == ["gpgv"]
    assert root.installed_by_us() == ["gpgv"]


def test_one_process_at_a_time_installs_packages(cache, monkeypatch):
    busy, ends = threading.Event(), threading.Event()
    installed = []

    def run_step(_, command, __):
        assert "--option=DPkg::Lock::Timeout=300" in command  # for what the machine does by itself
        busy.set()
        assert ends.wait(10)
        installed.append(command[-1])
        return 0

    monkeypatch.setattr(root, "_known_packages", lambda: {"bash", *installed})
    monkeypatch.setattr(root, "run_step", run_step)
    monkeypatch.setattr(root.shutil, "which", lambda _: "/usr/bin/apt-get")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(root.install, "debootstrap")
        assert busy.wait(10)
        second = pool.submit(root.install, "debootstrap")
        wait([second], timeout=0.2)
        assert not second.done()
        ends.set()
        first.result(10)
        second.result(10)
    assert installed == ["debootstrap"]


def test_a_second_engine_is_never_started_beside_ours(cache, monkeypatch, tmp_path):
    answers(monkeypatch, None)
    monkeypatch.setattr(root, "program", lambda _: "/usr/sbin/dockerd")
    monkeypatch.setattr(engine, "SYSTEMD", tmp_path / "none")
    monkeypatch.setattr(engine, "_our_pid", lambda: 4711)
    with pytest.raises(UserError, match=r"process 4711 does not answer: testbed/engine down, then up"):
        engine.up()


def test_a_process_id_left_behind_is_no_engine(monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "PIDFILE", tmp_path / "pid")
    assert engine._our_pid() is None
    for left in ("", "no number", str(os.getpid())):
        (tmp_path / "pid").write_text(left)
        assert engine._our_pid() is None
