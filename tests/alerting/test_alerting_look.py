"""What role alerting is told about a host."""

from __future__ import annotations

import compileall
import getpass
import grp
import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
from alerting_tools import ROLE

spec = importlib.util.spec_from_file_location("alerting_look", ROLE / "files" / "look.py")
look = importlib.util.module_from_spec(spec)
spec.loader.exec_module(look)


def questions(**changes: Any) -> dict[str, Any]:
    return {
        "package": "/opt/x/package", "venv": "/opt/x/venv", "files": [], "units": [], "users": [],
        "group": "no-such-group", "old": [],
    } | changes  # fmt: skip


SYSTEMCTL = """#!/bin/sh
[ "$*" = "show --property=Id,ActiveState,StatusText a.service b.timer c.service" ] || exit 2
printf 'Id=%s\\nActiveState=%s\\nStatusText=%s\\n\\n' a.service active 'phone; mail' c.service failed x
printf 'Id=b.timer\\nActiveState=activating\\n'
"""
asks_systemd = look.active


@pytest.fixture(autouse=True)
def no_systemd(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(look, "active", lambda units: dict.fromkeys(units[:1], "telling phone"))


def test_a_bare_host_has_nothing(tmp_path: Path):
    seen = look.look(tmp_path, questions(files=["/etc/x.toml"], old=["/etc/old"], users=["no-such-user"]))
    assert seen == {
        "files": {}, "compiled": True, "python": "python3", "venv": "", "environments": [],
        "users": {}, "group": False, "enabled": [],
        "active": {}, "old": [],
    }  # fmt: skip


def test_files_are_told_with_content_mode_and_owner(tmp_path: Path):
    package = tmp_path / "opt/x/package"
    (package / "watch/__pycache__").mkdir(parents=True)
    (package / "watch/main.py").write_text("1")
    (package / "rules.toml").write_text("2")
    (package / "watch/__pycache__/main.pyc").write_text("3")
    config = tmp_path / "etc/x.toml"
    config.parent.mkdir()
    config.write_text("4")
    config.chmod(0o640)
    config.parent.chmod(0o755)

    files = look.look(tmp_path, questions(files=["/etc/x.toml", "/etc", "/etc/missing"]))["files"]

    assert set(files) == {"/opt/x/package/watch/main.py", "/opt/x/package/rules.toml", "/etc/x.toml", "/etc"}
    owner = f"{getpass.getuser()}:{grp.getgrgid(os.getegid()).gr_name}"
    assert files["/etc/x.toml"] == [hashlib.sha256(b"4").hexdigest(), "0640", owner]
    assert files["/etc"] == ["directory", "0755", owner]


def test_python_and_environment_are_told_by_what_they_are(tmp_path: Path):
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/python3.13").touch()
    (tmp_path / "usr/bin/python3").symlink_to("python3.13")
    (tmp_path / "opt/x/venvs/python3.13-abc").mkdir(parents=True)
    (tmp_path / "opt/x/venv").symlink_to("venvs/python3.13-abc")
    seen = look.look(tmp_path, questions())
    assert (seen["python"], seen["venv"]) == ("python3.13", "python3.13-abc")
    assert seen["environments"] == ["python3.13-abc"]
    (tmp_path / "opt/x/venvs/python3.13-abc").rmdir()
    assert look.look(tmp_path, questions())["venv"] == "", "half removed: it is to be built again"


def test_units_are_enabled_by_a_link_and_active_by_systemd(tmp_path: Path):
    wants = tmp_path / "etc/systemd/system/timers.target.wants"
    wants.mkdir(parents=True)
    (wants / "b.timer").symlink_to("/nowhere")
    seen = look.look(tmp_path, questions(units=["a.service", "b.timer"]))
    assert (seen["enabled"], seen["active"]) == (["b.timer"], {"a.service": "telling phone"})


def test_what_is_active_is_told_with_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert asks_systemd(["a.service", "b.timer", "c.service"]) == {
        "a.service": "phone; mail",
        "b.timer": "",
    }


def test_users_are_told_with_all_their_groups(tmp_path: Path):
    user = getpass.getuser()
    group = grp.getgrgid(os.getegid()).gr_name
    seen = look.look(tmp_path, questions(users=[user, "no-such-user"], group=group))
    assert set(seen["users"]) == {user}
    assert group in seen["users"][user]
    assert seen["group"] is True


def test_what_is_left_of_an_earlier_release_is_told(tmp_path: Path):
    (tmp_path / "var/lib/old").mkdir(parents=True)
    seen = look.look(tmp_path, questions(old=["/var/lib/old", "/etc/old"]))
    assert seen["old"] == ["/var/lib/old"]


def test_a_package_that_another_python_has_compiled_counts_as_not_compiled(tmp_path: Path):
    package = tmp_path / "opt/x/package"
    package.mkdir(parents=True)
    (package / "main.py").write_text("1")
    assert look.look(tmp_path, questions())["compiled"] is False
    compileall.compile_dir(package, quiet=1)
    assert look.look(tmp_path, questions())["compiled"] is True
    cached = Path(importlib.util.cache_from_source(str(package / "main.py")))
    cached.rename(cached.with_name("main.cpython-39.pyc"))
    assert look.look(tmp_path, questions())["compiled"] is False
