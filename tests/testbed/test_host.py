"""Hosts: nothing half-made stays behind, and every refusal names the remedy."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from free_ports import free_port

from testbed.lib import host, image, snapshot
from testbed.lib.progress import UserError

ROOT = Path(__file__).resolve().parents[2]
NO_CONTAINER = 'case "$1" in container) exit 1 ;; esac'


@pytest.fixture
def ready(cache, monkeypatch, tmp_path):
    """Images and libraries are there already."""
    monkeypatch.setattr(host.image, "ensure", lambda release: f"ibgw-host:{release}-test")
    monkeypatch.setattr(host.clients, "ensure", lambda _: tmp_path)
    return cache


def test_a_host_that_does_not_start_is_removed(ready, fake_docker):
    log = fake_docker(f'{NO_CONTAINER}\ncase "$1" in start) echo no room >&2; exit 1 ;; esac; cat >/dev/null')
    with pytest.raises(UserError, match="docker start failed: no room"):
        host.create("tidy", "trixie", free_port())
    assert log.read_text().splitlines()[-1] == "rm -f -v ibgw-tidy"
    assert not host.aptpool.host_folder("trixie", "tidy", ready).exists()
    assert not host.KNOWN_HOSTS.exists()


def test_failed_units_are_named(ready, fake_docker):
    fake_docker(
        f'{NO_CONTAINER}\ncase "$*" in *is-system-running) echo degraded; exit 1 ;; '
        "*--failed*) echo x.service ;; cp*) cat >/dev/null ;; esac"
    )
    with pytest.raises(UserError, match=r"failed units: x\.service"):
        host.create("tidy", "trixie", free_port())


def test_host_keys_are_learnt_through_the_engine_and_forgotten(ready, fake_docker):
    port = free_port()
    fake_docker(
        f'{NO_CONTAINER}\ncase "$*" in *is-system-running) echo running ;; '
        '*host_*) echo "ssh-ed25519 AAAA root@tidy"; echo "ssh-rsa BBBB root@tidy" ;; '
        "cp*) cat >/dev/null ;; esac"
    )
    host.KNOWN_HOSTS.write_text(f"[127.0.0.1]:{port} ssh-ed25519 OLD\n[127.0.0.1]:1 ssh-ed25519 OTHER\n")
    host.create("tidy", "trixie", port)
    assert host.KNOWN_HOSTS.read_text().splitlines() == [
        "[127.0.0.1]:1 ssh-ed25519 OTHER",
        f"[127.0.0.1]:{port} ssh-ed25519 AAAA",
        f"[127.0.0.1]:{port} ssh-rsa BBBB",
    ]
    assert host.KEY.stat().st_mode & 0o077 == 0


def test_a_taken_port_is_refused_before_anything_is_made(ready, fake_docker):
    log = fake_docker(NO_CONTAINER)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="is taken: choose another with --port"):
            host.create("tidy", "trixie", taken.getsockname()[1])
    assert "create" not in log.read_text()


@pytest.mark.parametrize("name", ["Upper", "", "-x", "a b", "x" * 50])
def test_a_bad_name_is_refused(name):
    with pytest.raises(UserError, match="is no host name"):
        host.container(name)


def test_an_unknown_release_is_refused(ready):
    with pytest.raises(UserError, match="choose one of bookworm, trixie"):
        host.create("tidy", "sarge", 1)


def test_a_missing_host_names_the_command_that_makes_one(cache, fake_docker):
    fake_docker(NO_CONTAINER)
    with pytest.raises(UserError, match="testbed/host create"):
        host.execute("nobody", ["true"])


def test_a_missing_snapshot_is_told_apart(cache, fake_docker):
    fake_docker('case "$1" in image) exit 1 ;; esac')
    with pytest.raises(snapshot.NoSnapshotError, match="no snapshot abc"):
        host.create("tidy", "trixie", free_port(), key="abc")


def test_ctrl_c_while_a_host_is_made_leaves_none(cache, fake_docker, tmp_path):
    started = tmp_path / "started"
    start = f"touch {started}; exec sleep 30"
    log = fake_docker(f'{NO_CONTAINER}\ncase "$1" in cp) cat >/dev/null ;; start) {start} ;; esac')
    program = (
        "import sys; from pathlib import Path; from testbed.lib import cli, host, aptpool, lock\n"
        f"cache = Path({str(cache)!r})\n"
        "for module in (aptpool, host, lock): module.TESTBED = cache\n"
        "host.KEY = cache / 'id'; host.KNOWN_HOSTS = cache / 'known'; host.PIP_CACHE = cache / 'pip'\n"
        "host.image.ensure = lambda release: 'image'; host.clients.ensure = lambda release: cache\n"
        f"cli.main(lambda: host.create('tidy', 'trixie', {free_port()}))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 20
    while not started.exists():
        assert time.monotonic() < until
        assert child.poll() is None, child.communicate()
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert said == "Interrupted.\n"
    assert log.read_text().splitlines()[-1] == "rm -f -v ibgw-tidy"


def test_a_silent_registry_is_given_up(cache, fake_docker, monkeypatch, capsys):
    monkeypatch.setattr(image, "REGISTRY_SECONDS", 0.3)
    fake_docker('case "$1" in image) exit 1 ;; pull) exec sleep 30 ;; esac')
    begin = time.monotonic()
    assert image._pull("trixie", "ibgw-base:trixie") is False
    assert time.monotonic() - begin < 10
    assert "no registry answers" in capsys.readouterr().out


def test_a_registry_that_answers_has_all_the_time_it_needs(cache, fake_docker, monkeypatch):
    monkeypatch.setattr(image, "REGISTRY_SECONDS", 0.3)
    log = fake_docker('case "$1" in image) exit 1 ;; pull) echo 13: Pulling; sleep 1 ;; esac')
    assert image._pull("trixie", "ibgw-base:trixie") is True
    assert log.read_text().splitlines()[-2:] == ["tag debian:13 ibgw-base:trixie", "rmi debian:13"]
