"""Hosts share downloaded packages by hard links, each in a folder of its own."""

import time

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
    for name in ("hello_1_amd64.deb", "hello_2_amd64.deb", "hello-dev_1_amd64.deb", "hello_3_amd64.deb"):
        download(folder, name)
        # The change time tells old from new; its resolution is that of the kernel's clock tick.
        before = (folder / name).stat().st_ctime_ns
        aptpool.collect("trixie", "one", base)
        while time.time_ns() < before + 20_000_000:
            time.sleep(0.005)
    pool = base / "apt" / "trixie" / "pool"
    assert {path.name for path in pool.iterdir()} == {
        "hello_2_amd64.deb",
        "hello_3_amd64.deb",
        "hello-dev_1_amd64.deb",
    }
