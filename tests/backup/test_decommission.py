"""Decommissioning removes what the roles install, all of it and nothing else."""

from __future__ import annotations

import grp
import pwd
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import decommission
import pytest
import yaml
from host_folder import ROOT, HostFolder

ROLES = [ROOT / "roles" / name for name in ("ibgateway", "ibc", "alerting")]
ACCOUNTS = ("ibgateway", "ibgateway-watch", "ibgateway-notify", "ibgateway-forward")


@pytest.fixture(autouse=True)
def accounts(monkeypatch: pytest.MonkeyPatch, tools: Path) -> None:
    """Accounts that exist until they are removed, in place of this machine's."""

    def gone(command: str, name: str) -> bool:
        calls = (tools / "calls").read_text().splitlines() if (tools / "calls").exists() else []
        return any(re.fullmatch(rf"{command}( --force)? {name}", call) for call in calls)

    def user(name: str) -> Any:
        if name not in ACCOUNTS or gone("userdel", name):
            raise KeyError(name)
        return SimpleNamespace(pw_name=name)

    def group(name: str) -> Any:
        mine = (*ACCOUNTS, "ibgateway-operators", "ibgateway-alerting")
        if name == "systemd-journal":
            return SimpleNamespace(gr_mem=["maria", "someone-else"])
        if name not in mine or gone("groupdel", name) or (name in ACCOUNTS and gone("userdel", name)):
            raise KeyError(name)
        return SimpleNamespace(gr_mem=["maria"] if name in ("ibgateway-operators", "ibgateway") else [])

    monkeypatch.setattr(decommission, "pwd", SimpleNamespace(getpwnam=user))
    monkeypatch.setattr(decommission, "grp", SimpleNamespace(getgrnam=group))


@pytest.fixture
def installed(host: HostFolder) -> HostFolder:
    """A host on which everything is, and things of other people's with similar names."""
    for name in decommission.SERVICES:
        host.write(f"etc/systemd/system/{name}.service", "ours")
    for name in ("ibgateway-restart@live", "ibgateway-cycle@paper", "ibgateway-digest"):
        host.write(f"etc/systemd/system/{name}.timer", "ours")
    wants = host.root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir()
    (wants / "ibgateway@live.service").symlink_to("../ibgateway@.service")
    for name in decommission.FILES:
        host.write(name, "ours")
    for name in ("usr/local/lib/ibgateway/act", "run/ibgateway/live/state.json"):
        host.write(name, "ours")
    host.write("opt/ibgateway-alerting/venv/pyvenv.cfg", "ours")
    host.write("var/cache/ibgateway-10.45.1.sh", "ours")
    (host.tools / "units").write_text(
        "ibgateway@live.service loaded active running Gateway\n"
        "ibgateway-restart@live.timer loaded active waiting Timer\n"
        "ibgateway-display@live.service loaded active running Display\n"
        "ibgateway-firewall.service loaded active exited Firewall\n"
        "ibgateway-bot.service loaded active running Strategy\n"
    )
    host.write("etc/systemd/system/ibgateway-bot.service", "theirs")
    host.write("etc/systemd/system/ibgateway@.service.d/mine.conf", "theirs")
    host.write("opt/ibc/mine", "theirs")
    return host


THEIRS = [
    "etc/systemd/system/ibgateway-bot.service",
    "etc/systemd/system/ibgateway@.service.d/mine.conf",
    "opt/ibc/mine",
]


def run(host: HostFolder, **options: Any) -> dict[str, Any]:
    given = {"check": False, "delete_data": False, "packages": [], **options}
    return decommission.decommission(root=host.root, **given)


def files(host: HostFolder) -> list[str]:
    return sorted(host.snapshot("."))


def test_everything_goes_and_what_is_not_ours_stays(installed: HostFolder):
    result = run(installed, delete_data=True)

    assert files(installed) == sorted(THEIRS)
    assert "/etc/systemd/system/ibgateway-bot.service, which is not ours" in result["kept"]
    assert "/opt/ibc, which holds more than ours" in result["kept"]


def test_instances_stop_before_what_they_need_and_timers_first(installed: HostFolder):
    run(installed)
    stopped = [call for call in installed.calls() if call.startswith("systemctl stop")]
    assert stopped == [
        "systemctl stop ibgateway-restart@live.timer",
        "systemctl stop ibgateway@live.service",
        "systemctl stop ibgateway-display@live.service",
        "systemctl stop ibgateway-firewall.service",
    ]


def test_data_stays_with_the_accounts_that_own_it(installed: HostFolder):
    before = installed.snapshot()
    result = run(installed)
    after = installed.snapshot()
    stamp = "systemd/timers/stamp-ibgateway-digest.timer"
    assert after == {path: data for path, data in before.items() if path != stamp}
    assert "/var/lib/ibgateway" in result["kept"]
    assert "user ibgateway, who owns data" in result["kept"]
    changed = [call for call in installed.calls() if call.startswith(("userdel", "groupdel", "gpasswd"))]
    assert changed == [
        "gpasswd --delete maria ibgateway",
        "gpasswd --delete maria systemd-journal",
        "userdel --force ibgateway-forward",
        "groupdel ibgateway-operators",
    ]


def test_with_the_data_all_accounts_go(installed: HostFolder):
    result = run(installed, delete_data=True)
    removed = [call.split()[-1] for call in installed.calls() if call.startswith("userdel")]
    assert sorted(removed) == sorted(ACCOUNTS)
    assert not [line for line in result["kept"] if "owns data" in line]


@pytest.mark.parametrize("delete_data", [False, True])
def test_a_second_run_changes_nothing(
    installed: HostFolder, delete_data: bool, monkeypatch: pytest.MonkeyPatch
):
    run(installed, delete_data=delete_data)
    (installed.tools / "units").write_text("ibgateway-bot.service loaded active running Strategy\n")
    # The stand-in's groups do not forget their members.
    monkeypatch.setattr(decommission, "_members", lambda _: [])
    seen = len(installed.calls())
    again = run(installed, delete_data=delete_data)
    assert again["removed"] == []
    assert [call for call in installed.calls()[seen:] if "list" not in call] == []


def test_looking_changes_nothing(installed: HostFolder):
    before = installed.snapshot(".")
    result = run(installed, check=True, delete_data=True)
    assert installed.snapshot(".") == before
    assert "/opt/ibgateway" in result["removed"]
    assert "running ibgateway@live.service" in result["removed"]
    assert len(result["removed"]) == len(set(result["removed"]))
    assert [call for call in installed.calls() if "list" not in call] == []


def test_what_cannot_be_removed_is_told(installed: HostFolder, monkeypatch: pytest.MonkeyPatch):
    def busy(path: Path) -> None:
        raise OSError(16, "Device or resource busy", str(path))

    monkeypatch.setattr(decommission.shutil, "rmtree", busy)
    with pytest.raises(decommission.FailedError, match="Device or resource busy"):
        run(installed)


# --- nothing that the roles install is forgotten ------------------------------------------------------------

PATH = re.compile(r"(?<![\w.}/])/?((?:etc|opt|usr/local|var|srv|home|root)/[A-Za-z0-9@._/-]*)")
WHERE = ("vars", "tasks", "handlers", "templates", "defaults")
# Folders of the system and of other packages, and what is only looked at.
NOT_INSTALLED = {
    "etc/systemd/system",
    "etc/systemd/system/",
    "etc/systemd/system/ibgateway",  # what comes before * where the host is looked at
    "etc/polkit-1/rules.d",
    "var/lib/systemd",
    "var/lib/",
    "opt",
}


def texts() -> dict[str, str]:
    """Every text of the roles that may name a place on the host, without comments."""
    found = [
        file for role in ROLES for folder in WHERE for file in (role / folder).rglob("*") if file.is_file()
    ]
    found += [ROOT / "plugins/filter/ibc_host.py", ROOT / "plugins/filter/ibc_timers.py"]
    found += [file for role in ROLES for file in (role / "files").glob("*.service")]
    return {str(file.relative_to(ROOT)): re.sub(r"(?m)^\s*#.*$", "", file.read_text()) for file in found}


def is_covered(path: str) -> bool:
    """Whether decommissioning removes this path, or keeps it as data."""
    path = path.rstrip("/.")
    places = (*decommission.FOLDERS, *decommission.DATA)
    if any(path == place or path.startswith(f"{place}/") for place in places):
        return True
    if path in (*decommission.FILES, *decommission.EMPTIED):
        return True
    if path.startswith("var/cache/ibgateway-"):
        return True
    return path.startswith("etc/systemd/system/ibgateway") and (
        path.endswith("ibgateway-") or decommission._is_ours(Path(path).name.replace("@.", "@x."))
    )


def test_every_path_that_the_roles_name_is_removed_or_known():
    forgotten = {
        (file, found)
        for file, text in texts().items()
        for found in PATH.findall(text)
        if not is_covered(found) and found not in NOT_INSTALLED
    }
    assert forgotten == set()


def test_every_unit_of_the_roles_is_removed():
    names = {file.name for role in ROLES for file in (role / "files").glob("*.service")}
    names |= {
        file.name.removesuffix(".j2") for role in ROLES for file in (role / "templates").glob("*.service.j2")
    }
    names |= {
        file.name.removesuffix(".j2") for role in ROLES for file in (role / "templates").glob("*.timer.j2")
    }
    oneshots = yaml.safe_load((ROOT / "roles/ibc/vars/main.yml").read_text())["_ibc_oneshots"]
    names -= {"ibgateway-oneshot@.service", "ibgateway.timer"}  # the templates of these and of those below
    names |= {f"ibgateway-{one['name']}@.service" for one in oneshots}
    kinds = re.search(r"ibgateway-\(([a-z|]+)\)@", (ROOT / "plugins/filter/ibc_timers.py").read_text())[1]
    names |= {f"ibgateway-{kind}@.timer" for kind in kinds.split("|")}
    known = {f"{name}.service" for name in decommission.SERVICES}
    known |= {f"{name}.timer" for name in (*decommission.TIMERS, *decommission.SINGLE_TIMERS)}
    assert names == known


def test_every_account_of_the_roles_is_removed():
    text = "\n".join((role / "vars/main.yml").read_text() for role in ROLES)
    users = set(re.findall(r"^_ibgateway_(?:\w+_)?user: (\S+)$", text, re.MULTILINE))
    users |= set(yaml.safe_load((ROLES[2] / "vars/main.yml").read_text())["_alerting_users"])
    assert users == {*decommission.USERS, *decommission.OWNERS}
    groups = set(re.findall(r"^_(?:alerting|ibc_operators)_group: (\S+)$", text, re.MULTILINE))
    assert groups == {*decommission.GROUPS, *decommission.OWNERS_GROUPS} - users
    modules = "\n".join(file.read_text() for role in ROLES for file in (role / "tasks").glob("*.yml"))
    assert len(re.findall(r"ansible\.builtin\.group:", modules)) == len(groups), (
        "a group this test does not know"
    )


def test_the_stand_ins_are_not_this_machines():
    assert decommission.pwd is not pwd
    assert decommission.grp is not grp


def test_the_table_is_that_of_the_role():
    template = (ROOT / "roles/ibgateway/templates/firewall.nft.j2").read_text()
    assert set(re.findall(r"table inet (\w+)", template)) == {"ibgateway"}


def test_a_table_without_its_unit_goes_too(host: HostFolder):
    (host.tools / "nft").write_text(
        '#!/bin/sh\necho "nft $*" >> ${0%/*}/calls\n[ $1 = list ] && echo table inet ibgateway\nexit 0\n'
    )
    assert "nftables table inet ibgateway" in run(host)["removed"]
    assert "nft delete table inet ibgateway" in host.calls()


def test_it_is_plain_python_that_runs_from_standard_input():
    for name in ("backup", "restore", "decommission"):
        text = (ROOT / f"roles/ibc/files/{name}.py").read_text()
        done = subprocess.run(["python3", "-IS", "-", "{"], input=text, capture_output=True, text=True)
        assert "ImportError" not in done.stderr
        assert "ibgatewaylib" not in text
