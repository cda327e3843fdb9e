"""Stop, disable and remove what this project's roles have installed on a host, and tell what stays.

Usage: decommission.py OPTIONS

OPTIONS is a JSON object: `check`, only look; `delete_data`, remove the instances' data and the accounts that
own it, too; `packages`, Debian packages to look for. Prints JSON: `removed`, what was (or would be) removed
or stopped, one phrase each; `kept`, what stays; `packages`, those of them that are installed. A second run
removes nothing. Everything is named here: a file that only looks like ours is not touched.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

UNITS = "etc/systemd/system"

# In the order in which they are stopped: what would start something first, what the instances need last.
TIMERS = ("ibgateway-restart@", "ibgateway-reset@", "ibgateway-login@", "ibgateway-cycle@")
SERVICES = (
    "ibgateway-digest",
    "ibgateway-test-alert",
    "ibgateway-restart@",
    "ibgateway-reset@",
    "ibgateway-login@",
    "ibgateway-cycle@",
    "ibgateway-consent@",
    "ibgateway-restart-soft@",
    "ibgateway-pause@",
    "ibgateway-budget-reset@",
    "ibgateway-upgrade@",
    "ibgateway-guard@",
    "ibgateway-vnc@",
    "ibgateway-keep-token@",
    "ibgateway@",
    "ibgateway-display@",
    "ibgateway-watch",
    "ibgateway-notify",
    "ibgateway-firewall",
)
SINGLE_TIMERS = ("ibgateway-digest",)

FILES = (
    "etc/systemd/system/nftables.service.d/ibgateway.conf",
    "etc/ssh/sshd_config.d/50-ibgateway-forward.conf",
    "etc/polkit-1/rules.d/50-ibgateway.rules",
    "etc/polkit-1/rules.d/51-ibgateway-watch.rules",
    "etc/apt/apt.conf.d/60ibgateway-upgrades",
    "etc/needrestart/conf.d/60-ibgateway.conf",
    "etc/systemd/journald.conf.d/60-ibgateway.conf",
    "usr/local/bin/ibgatewayctl",
    "usr/local/share/bash-completion/completions/ibgatewayctl",
    # Of a timer that makes up for what was missed, systemd notes when it last ran.
    "var/lib/systemd/timers/stamp-ibgateway-digest.timer",
)
FOLDERS = (
    "usr/local/share/doc/ibgateway",
    "usr/local/lib/ibgateway",
    "opt/ibgateway",
    # Its parent may hold an IBC that somebody else has put there.
    "opt/ibc/releases",
    "opt/ibgateway-alerting",
    "etc/ibgateway",
    "etc/ibgateway-alerting",
    "etc/ibgateway-watch",
    "run/ibgateway",
)
GLOBS = ("var/cache/ibgateway-*.sh",)
EMPTIED = (
    "etc/systemd/system/nftables.service.d",
    "etc/systemd/journald.conf.d",
    "etc/needrestart/conf.d",
    "etc/needrestart",
    "opt/ibc",
)
"""Folders that go when nothing of anybody else's is in them."""
DATA = ("var/lib/ibgateway", "var/lib/ibgateway-alerting", "var/lib/ibgateway-watch")
USERS = ("ibgateway-forward",)
GROUPS = ("ibgateway-operators",)
OWNERS = ("ibgateway-notify", "ibgateway-watch", "ibgateway")
"""Accounts that own data: their numbers would go to whoever comes next, and the data with them."""
OWNERS_GROUPS = ("ibgateway-alerting", *OWNERS)
"""The last ones go with their accounts, unless somebody was made a member by hand."""
OPERATORS = "ibgateway-operators"
OPERATORS_ALSO = ("ibgateway", "systemd-journal")
"""Groups that an operator was put into."""


class FailedError(Exception):
    """Something could not be removed; the text says what, and why. The next run goes on from there."""


class Removal:
    """Removes, or looks what would be removed.

    Args:
        root: the file system.
        check: only look.
    """

    def __init__(self, root: Path, *, check: bool) -> None:
        self.removed: list[str] = []
        self._root = root
        self._check = check

    def units(self) -> None:
        """Stop and disable our units, and remove their files. A stop of an instance logs out."""
        loaded = self._loaded()
        files = [self._root / UNITS / f"{name}.service" for name in SERVICES]
        files += [self._root / UNITS / f"{name}.timer" for name in SINGLE_TIMERS]
        files += [file for name in TIMERS for file in sorted((self._root / UNITS).glob(f"{name}*.timer"))]
        links = [
            link for link in sorted((self._root / UNITS).glob("*.wants/ibgateway*")) if _is_ours(link.name)
        ]
        for link in links:
            self._remove(link)
        for unit in sorted(filter(_is_ours, loaded), key=_order):
            if loaded[unit] not in ("inactive", "failed"):
                self.removed.append(f"running {unit}")
                self._run("systemctl", "stop", unit)
        changed = False
        for file in files:
            changed |= self._remove(file)
        if changed or links:
            self._run("systemctl", "daemon-reload")
            if failed := [unit for unit, state in loaded.items() if state == "failed" and _is_ours(unit)]:
                self._run("systemctl", "reset-failed", *failed, needed=False)

    def files(self) -> None:
        """Remove programs, configuration and credentials."""
        nftables = self._root / FILES[0]
        sshd = self._root / FILES[1]
        reload_systemd, reload_ssh = nftables.exists(), sshd.exists()
        for name in FILES:
            self._remove(self._root / name)
        for name in FOLDERS:
            self._remove(self._root / name)
        for glob in GLOBS:
            for file in sorted(self._root.glob(glob)):
                self._remove(file)
        for name in EMPTIED:
            folder = self._root / name
            if folder.is_dir() and not any(folder.iterdir()):
                self._remove(folder)
        if reload_systemd:
            self._run("systemctl", "daemon-reload")
        if reload_ssh:
            self._run("systemctl", "reload", "ssh.service")

    def table(self) -> None:
        """Remove our nftables table, where the unit that does it was gone or has failed."""
        if shutil.which("nft") is None:
            return
        found = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
        if "table inet ibgateway" in found.stdout.splitlines():
            self.removed.append("nftables table inet ibgateway")
            self._run("nft", "delete", "table", "inet", "ibgateway")

    def accounts(self, *, owners: bool) -> None:
        """Remove accounts, and take operators out of the groups they were given.

        Args:
            owners: those that own data, too.
        """
        for user in _members(OPERATORS):
            for group in OPERATORS_ALSO:
                if user in _members(group):
                    self.removed.append(f"{user} in group {group}")
                    self._run("gpasswd", "--delete", user, group)
        for name in (*USERS, *(OWNERS if owners else ())):
            if _exists(pwd.getpwnam, name):
                self.removed.append(f"user {name}")
                self._run("userdel", "--force", name)
        for name in (*GROUPS, *(OWNERS_GROUPS if owners else ())):
            if _exists(grp.getgrnam, name):
                self.removed.append(f"group {name}")
                self._run("groupdel", name)

    def data(self) -> None:
        """Remove settings, events, budgets and incidents."""
        for name in DATA:
            self._remove(self._root / name)

    def _loaded(self) -> dict[str, str]:
        """Unit to its ActiveState."""
        command = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "ibgateway*"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise FailedError(f"systemd does not answer ({error})") from None
        rows = (line.split() for line in answer.splitlines())
        return {words[0]: words[2] for words in rows if len(words) > 2}

    def _remove(self, path: Path) -> bool:
        if not os.path.lexists(path):
            return False
        self.removed.append(f"/{path.relative_to(self._root)}")
        if not self._check:
            try:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            except OSError as error:
                raise FailedError(f"{path} cannot be removed ({error.strerror})") from None
        return True

    def _run(self, *command: str, needed: bool = True) -> None:
        if self._check:
            return
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode and needed:
            raise FailedError(f"{' '.join(command)} failed ({done.stderr.strip()})")


def decommission(
    *, check: bool, delete_data: bool, packages: list[str], root: Path = Path("/")
) -> dict[str, Any]:
    """Remove everything.

    Args:
        check: only look.
        delete_data: the data, and the accounts that own it, too.
        packages: names of Debian packages to look for.
        root: the file system to work on.

    Returns:
        as the module says.

    Raises:
        FailedError: something could not be removed. What was named before is gone.
    """
    removal = Removal(root, check=check)
    removal.units()
    removal.table()
    removal.files()
    if delete_data:
        removal.data()
    removal.accounts(owners=delete_data)
    kept = [] if delete_data else [f"/{name}" for name in DATA if (root / name).exists()]
    if not delete_data:
        kept += [f"user {name}, who owns data" for name in OWNERS if _exists(pwd.getpwnam, name)]
        kept += [
            f"group {name}, which owns data" for name in OWNERS_GROUPS[:1] if _exists(grp.getgrnam, name)
        ]
    kept += [f"/{name}, which holds more than ours" for name in EMPTIED
             if (root / name).is_dir() and not check]  # fmt: skip
    kept += sorted(f"/{path.relative_to(root)}, which is not ours"
                   for path in (root / UNITS).glob("ibgateway*") if not _is_ours(path.name))  # fmt: skip
    return {"removed": removal.removed, "kept": kept, "packages": _installed(packages)}


def _is_ours(unit: str) -> bool:
    name, _, kind = unit.rpartition(".")
    base = f"{name.partition('@')[0]}@" if "@" in name else name
    if kind == "service":
        return base in SERVICES
    return kind == "timer" and base in (*TIMERS, *SINGLE_TIMERS)


def _order(unit: str) -> int:
    name = unit.rpartition(".")[0]
    base = f"{name.partition('@')[0]}@" if "@" in name else name
    return -1 if unit.endswith(".timer") else SERVICES.index(base)


def _members(group: str) -> list[str]:
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError:
        return []


def _exists(lookup: Any, name: str) -> bool:
    try:
        lookup(name)
    except KeyError:
        return False
    return True


def _installed(packages: list[str]) -> list[str]:
    if not packages or shutil.which("dpkg-query") is None:
        return []
    command = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [line.split()[0] for line in answer.splitlines() if line.endswith(" installed")]


def main(argv: list[str]) -> int:
    """Run it; the argument is OPTIONS."""
    try:
        result = decommission(**json.loads(argv[0]))
    except FailedError as failed:
        print(f"Not everything was removed: {failed}. Run this again when that is settled.", file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
