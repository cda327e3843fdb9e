"""scripts/demo --destroy: what the demo made goes, each thing in a line; nothing else does."""

import json
from subprocess import CompletedProcess
from types import SimpleNamespace

import pytest

from scripts.lib import undo
from testbed.lib import root

OURS = 'case "$1 $3" in "images ibgw-host") echo ibgw-host:x ;; esac'
FOREIGN = 'case "$1 $2" in "ps -aq") echo 0123456789ab ;; esac'


@pytest.fixture
def gone(cache, monkeypatch, tmp_path):
    """A checkout with leftovers, and the list of what was taken away as others would see it."""
    for name in (".venv", ".ansible", ".cache", "roles"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(undo, "ROOT", tmp_path)
    rows = [{"name": "demo", "checkout": str(tmp_path)}, {"name": "other", "checkout": "/elsewhere"}]
    monkeypatch.setattr(undo.host, "listing", lambda: rows)
    taken: list[str] = []
    monkeypatch.setattr(undo.host, "destroy", lambda name: taken.append(f"host {name}"))
    monkeypatch.setattr(undo.engine, "down", lambda: taken.append("engine"))

    def run(command, **_):
        taken.append(" ".join(command))
        return CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(undo, "subprocess", SimpleNamespace(run=run))
    monkeypatch.setattr(root, "as_root", list)
    return taken


def installed(*packages: str) -> None:
    root.RECORD.write_text(json.dumps(packages))


def test_everything_of_this_checkout_goes(gone, fake_docker, tmp_path, capsys):
    log = fake_docker(OURS)
    assert undo.main() == 0
    assert gone == ["host demo", "engine"]
    assert "rmi ibgw-host:x" in log.read_text().splitlines()
    assert not any((tmp_path / name).exists() for name in (".venv", ".ansible", ".cache"))
    assert (tmp_path / "roles").exists()
    said = capsys.readouterr().out
    for thing in ("image ibgw-host:x", ".venv", ".ansible", ".cache"):
        assert f"Removed {thing}\n" in said


def test_a_snapshot_without_a_name_goes_too(gone, fake_docker, capsys):
    fake_docker(
        'case "$*" in "images --quiet --filter=label=ibgw=snapshot --filter=dangling=true") echo 77aa ;; esac'
    )
    undo.main()
    assert "Removed image 77aa\n" in capsys.readouterr().out


def test_an_image_in_use_stays_and_is_named(gone, fake_docker, capsys):
    fake_docker(OURS + '; case "$1" in rmi) exit 1 ;; esac')
    undo.main()
    assert "Kept image ibgw-host:x: something else uses it" in capsys.readouterr().out


def test_packages_that_we_installed_go_with_the_engines_data(gone, fake_docker):
    fake_docker(OURS)
    installed("docker.io", "runc")
    undo.main()
    assert gone[2:] == [
        "env DEBIAN_FRONTEND=noninteractive apt-get purge -y docker.io runc",
        "rm -rf /var/lib/docker /var/lib/containerd",
    ]


def test_packages_stay_when_docker_is_used_for_more(gone, fake_docker, capsys):
    fake_docker(f"{OURS}; {FOREIGN}")
    installed("docker.io", "runc")
    undo.main()
    assert gone == ["host demo", "engine"]
    assert "since you use Docker now: docker.io runc" in capsys.readouterr().out


def test_an_engine_that_nobody_installed_here_is_left_alone(gone, fake_docker):
    fake_docker(OURS)
    undo.main()
    assert not any("apt-get" in thing or "/var/lib" in thing for thing in gone)


def test_it_can_be_said_twice(gone, fake_docker):
    fake_docker(OURS)
    undo.main()
    assert undo.main() == 0
