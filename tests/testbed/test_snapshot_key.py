"""A snapshot's key changes with anything that made the host, and with nothing else."""

import os

import pytest

from testbed.lib import image, snapshot
from testbed.lib.progress import UserError


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "role" / "tasks").mkdir(parents=True)
    (tmp_path / "role" / "tasks" / "main.yml").write_text("a")
    (tmp_path / "role" / "tool").write_text("b")
    return tmp_path / "role"


def test_the_same_files_give_the_same_key(tree):
    key = snapshot.key_of([tree])
    os.utime(tree / "tool", (0, 0))
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "x.pyc").write_text("x")
    assert snapshot.key_of([tree]) == key
    assert (
        snapshot.key_of([tree / "tool", tree / "tasks"])
        == snapshot.key_of([tree / "tasks", tree / "tool"])
        == key
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "tool").write_text("c"),
        lambda tree: (tree / "tool").chmod(0o755),
        lambda tree: (tree / "tool").rename(tree / "other"),
        lambda tree: (tree / "new").touch(),
    ],
    ids=["content", "executable", "name", "new file"],
)
def test_a_change_gives_another_key(tree, change):
    key = snapshot.key_of([tree])
    change(tree)
    assert snapshot.key_of([tree]) != key


def test_another_image_gives_another_key(tree, monkeypatch):
    key = snapshot.key_of([tree])
    monkeypatch.setattr(image, "image_name", lambda release, recipe="host": f"{recipe}:{release}-new")
    assert snapshot.key_of([tree]) != key


def test_a_missing_file_is_said(tree):
    with pytest.raises(UserError, match="no such file or folder"):
        snapshot.key_of([tree / "gone"])


def test_a_key_is_checked_before_the_engine_is_asked():
    with pytest.raises(UserError, match="no snapshot key"):
        snapshot.image_name("Not A Key")


def test_a_snapshot_replaces_the_hosts_older_ones_and_what_had_its_key(fake_docker):
    log = fake_docker(
        'case "$1 $2" in "images --quiet") echo 77aa ;; '
        '"images --filter=label=ibgw.snapshot-of=vps") echo ibgw-snapshot:old ibgw-snapshot:new ;; esac'
    )
    snapshot.take("ibgw-vps", "trixie", "vps", "new")
    removed = [line for line in log.read_text().splitlines() if line.startswith("rmi")]
    assert removed == ["rmi ibgw-snapshot:old", "rmi 77aa"]
