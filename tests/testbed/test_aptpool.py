"""Hosts share downloaded packages by hard links, each in a folder of its own."""

import os

import pytest

from testbed.lib import aptpool


@pytest.fixture
def base(cache):
    return cache


def download(folder, name: str, content: str = "package") -> None:
    (folder / name).write_text(content)


def test_what_one_host_downloads_the_next_one_has(base):
    first = aptpool.fill("trixie", "one", base)
    download(first, "hello_2.10-5_amd64.deb")
    assert aptpool.collect("trixie", "one", base) == 1
    assert aptpool.collect("trixie", "one", base) == 0
    second = aptpool.fill("trixie", "two", base)
    assert (second / "hello_2.10-5_amd64.deb").stat().st_ino == (
        first / "hello_2.10-5_amd64.deb"
    ).stat().st_ino
    assert (second / "partial").is_dir()


def test_releases_do_not_mix(base):
    download(aptpool.fill("trixie", "one", base), "hello_2.10-5_amd64.deb")
    aptpool.collect("trixie", "one", base)
    assert list(aptpool.fill("bookworm", "two", base).glob("*.deb")) == []


def test_a_half_download_and_the_lock_stay_where_they_are(base):
    folder = aptpool.fill("trixie", "one", base)
    (folder / "partial" / "hello_2.10-5_amd64.deb").write_text("hel")
    (folder / "lock").touch()
    assert aptpool.collect("trixie", "one", base) == 0


def test_the_pool_outlives_the_host(base):
    folder = aptpool.fill("trixie", "one", base)
    download(folder, "hello_2.10-5_amd64.deb")
    aptpool.collect("trixie", "one", base)
    aptpool.forget("trixie", "one", base)
    assert not folder.exists()
    assert (aptpool.fill("trixie", "two", base) / "hello_2.10-5_amd64.deb").read_text() == "package"


def test_old_builds_leave_the_pool_but_not_other_packages(base):
    folder = aptpool.fill("trixie", "one", base)
    published = {
        "hello_1_amd64.deb": 1,
        "hello_2_amd64.deb": 2,
        "hello-dev_1_amd64.deb": 1,
        "hello_3_amd64.deb": 3,
    }
    for name, time in published.items():
        download(folder, name)
        os.utime(folder / name, (time, time))
        aptpool.collect("trixie", "one", base)
    pool = base / "apt" / "trixie" / "pool"
    left = {"hello_2_amd64.deb", "hello_3_amd64.deb", "hello-dev_1_amd64.deb"}
    assert {path.name for path in pool.iterdir()} == left
    # The host still has the oldest one.
    aptpool.collect("trixie", "one", base)
    assert {path.name for path in pool.iterdir()} == left
