"""The read-only look at the host."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("probe", ROOT / "roles/ibgateway/files/probe.py")
module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(module)


def test_names_the_program_on_a_foreign_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        port, unasked = server.getsockname()[1], other.getsockname()[1]
        found = module.listeners([port], ours=None)
        assert found == {str(port): Path("/proc/self/comm").read_text().strip()}
        assert str(unasked) not in found
        assert module.listeners([port], ours=os.getuid()) == {}


def test_an_ipv6_listener_counts(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    row = "0: 00000000000000000000000000000000:0FA1 0:0 {state} 0:0 00:0 0 998 0 77 1"
    (tmp_path / "net/tcp6").write_text(f"header\n{row.format(state='0A')}\n")
    assert module.listeners([4001], ours=None, proc=tmp_path) == {"4001": "another program"}
    assert module.listeners([4001], ours=998, proc=tmp_path) == {}
    (tmp_path / "net/tcp6").write_text(f"header\n{row.format(state='01')}\n")
    assert module.listeners([4001], ours=None, proc=tmp_path) == {}


def test_free_space_of_a_directory_still_to_be_made(tmp_path: Path) -> None:
    assert module.free_mib(str(tmp_path / "a" / "b")) == module.free_mib(str(tmp_path))


def test_only_whole_releases_count(tmp_path: Path) -> None:
    for version, marker in {"10.45.1": {"sha256": "ab"}, "10.37.1": None}.items():
        (tmp_path / version).mkdir()
        if marker:
            (tmp_path / version / ".installed").write_text(json.dumps(marker))
    (tmp_path / "10.1").mkdir()
    (tmp_path / "10.1" / ".installed").write_text("{")
    assert module.releases(tmp_path) == {"10.45.1": {"sha256": "ab"}}


def test_accounts_that_do_not_exist_are_left_out() -> None:
    assert module.uids(["root", "no-such-account"]) == {"root": 0}


def test_only_what_is_not_as_wanted_differs(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    path.chmod(0o644)
    directory = tmp_path / "directory"
    directory.mkdir(mode=0o750)
    link = tmp_path / "link"
    link.symlink_to(path)
    mine = {"owner": path.owner(), "group": path.group()}
    content = {"sha256": hashlib.sha256(b"content").hexdigest()}
    as_it_is = [
        mine | content | {"path": str(path), "mode": "0644"},
        mine | {"path": str(directory), "mode": "0750"},
    ]
    assert module.differing(as_it_is) == []
    for change in ({"mode": "0600"}, {"owner": "nobody"}, {"sha256": "00"}, {"path": str(tmp_path / "gone")}):
        assert module.differing([as_it_is[0] | change]) == [change.get("path", str(path))]
    assert module.differing([as_it_is[0] | {"path": str(link)}]) == [str(link)]
    assert module.differing([mine | {"path": str(path), "mode": "0644"}]) == [str(path)]


def test_the_memory_is_what_the_kernel_says(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:        2035764 kB\nMemFree:          202220 kB\n")
    assert module.memory_mib(path=tmp_path / "meminfo") == 1988
    assert module.memory_mib("SwapTotal", tmp_path / "meminfo") == 0
    (tmp_path / "meminfo").write_text("MemTotal: 2035764 kB\nSwapTotal: 1048572 kB\n")
    assert module.memory_mib("SwapTotal", tmp_path / "meminfo") == 1023


@pytest.mark.parametrize(
    ("synchronised", "running", "container", "kept"),
    [
        (True, "", False, True),
        (False, "systemd-timesyncd.service", False, True),
        (False, "chrony.service", False, True),
        (False, "", True, True),
        (False, "", False, False),
    ],
)
def test_a_clock_is_kept_by_whoever_does_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    synchronised: bool,
    running: str,
    container: bool,
    kept: bool,
) -> None:
    states = {name: ("active" if name == running else "inactive", "") for name in module.TIME_KEEPERS}
    monkeypatch.setattr(module, "unit_states", lambda names: {name: states[name] for name in names})
    monkeypatch.setattr(module, "clock_synchronised", lambda: synchronised)
    monkeypatch.setattr(module, "CONTAINER", tmp_path / "container")
    if container:
        (tmp_path / "container").write_text("lxc")
    assert module.time_kept() is kept


def test_the_distribution_is_what_it_says_of_itself(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text(
        '# a comment\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\nHOME_URL=""\n'
    )
    found = {"id": "debian", "version": "13", "name": "Debian GNU/Linux 13 (trixie)"}
    assert module.distribution(tmp_path / "os-release") == found
    (tmp_path / "os-release").write_text("ID=alpine\n")
    assert module.distribution(tmp_path / "os-release") == {"id": "alpine", "version": "", "name": ""}
    assert module.distribution(tmp_path / "missing") == {"id": "", "version": "", "name": ""}


def test_an_account_of_another_shape_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {
        "whole": ("/var/lib/whole", "/usr/sbin/nologin"),
        "shell": ("/var/lib/shell", "/bin/sh"),
        "home": ("/home/home", "/usr/sbin/nologin"),
    }

    def known(name: str) -> SimpleNamespace:
        home, shell = there[name]
        return SimpleNamespace(pw_dir=home, pw_shell=shell)

    monkeypatch.setattr(module.pwd, "getpwnam", known)
    assert module.accounts_to_make([*there, "new"]) == ["shell", "home", "new"]


def test_only_what_runs_and_starts_at_boot_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        "#!/bin/sh\n"
        "printf 'Id=a.service\\nActiveState=active\\nUnitFileState=enabled\\n\\n'\n"
        "printf 'Id=b.service\\nActiveState=failed\\nUnitFileState=enabled\\n\\n'\n"
        "printf 'Id=c.service\\nActiveState=active\\nUnitFileState=disabled\\n\\n'\n"
        "printf 'Id=d.service\\nActiveState=inactive\\nUnitFileState=\\n'\n"
    )
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    units = ["a.service", "b.service", "c.service", "d.service"]
    assert module.units_down(units) == units[1:]
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert module.units_down(units) == units


def test_dpkg_that_was_stopped_in_the_middle_is_seen(tmp_path: Path):
    assert not module.packages_interrupted(tmp_path / "none")
    (tmp_path / "tmp.i").touch()
    assert not module.packages_interrupted(tmp_path), "apt goes on with that"
    (tmp_path / "0001").touch()
    assert module.packages_interrupted(tmp_path)


def test_packages_in_pieces_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    query = tmp_path / "dpkg-query"
    query.write_text("#!/bin/sh\nprintf 'ok tar\\nreinstreq libx:amd64\\nok zlib1g\\nreinstreq data\\n'\n")
    query.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert module.packages_broken() == ["data", "libx:amd64"]
