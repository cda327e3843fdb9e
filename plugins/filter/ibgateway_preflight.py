"""What the preflight of role ibgateway refuses: all of it at once, one sentence with a remedy for each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SHA256 = re.compile(r"[0-9a-fA-F]{64}")
PUBLIC_KEY = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\n]*)?")
DEBIAN = ("12", "13")
SYSTEMD = 252
YEARS = (2025, 2099)
# MiB beyond what the instances need, below which an upgrade of Debian may be too much.
SPARE_MEMORY = 256

Instances = Iterable[Mapping[str, Any]]
# Version to the lock of its installer: url, path or both, sha256, size in bytes.
Artifacts = Mapping[str, Mapping[str, Any]]


def ibgateway_input_problems(
    instances: Instances, artifacts: Artifacts, forward_keys: Iterable[Any]
) -> list[str]:
    """Return what is wrong with the inventory, which the host need not be asked for.

    Args:
        instances: the resolved instances.
        artifacts: the artifact lock.
        forward_keys: the keys of the forward-only user.
    """
    versions = dict.fromkeys(instance["version"] for instance in instances)
    problems = [
        f'ibgateway_artifacts has no complete entry for IB Gateway "{version}": lock it with scripts/ops '
        "lock, or give it url or path, sha256 (64 hexadecimal digits) and size (bytes)."
        for version in versions
        if not _is_complete(artifacts.get(version))
    ]
    problems += [
        f"Entry {number} of ibgateway_forward_keys is no public key: give the one line of a file such as "
        "~/.ssh/id_ed25519.pub, without options."
        for number, key in enumerate(forward_keys, 1)
        if not PUBLIC_KEY.fullmatch(str(key))
    ]
    return problems


def ibgateway_to_install(
    instances: Instances, artifacts: Artifacts, releases: Mapping[str, Any]
) -> list[str]:
    """Return the versions that are not on the host as locked, or lack the Java that an instance wants.

    Args:
        instances: the resolved instances.
        artifacts: the artifact lock.
        releases: version to the marker of what is installed, as probe.py tells it.
    """
    with_java: dict[str, bool] = {}
    for instance in instances:
        version = instance["version"]
        with_java[version] = with_java.get(version, False) or instance["java_source"] == "installer"
    return [
        version
        for version, java in with_java.items()
        if releases.get(version, {}).get("sha256") != artifacts[version]["sha256"].lower()
        or (java and not releases[version].get("java"))
    ]


def ibgateway_host_problems(
    host: Mapping[str, Any],
    instances: Instances,
    users: Mapping[str, Iterable[str]],
    needs: Mapping[str, int],
) -> list[str]:
    """Return why the instances cannot run on the host.

    Args:
        host: what probe.py saw.
        instances: the resolved instances.
        users: variable to the accounts it names, which must exist.
        needs: `memory`, and path to free space there, both in MiB.
    """
    return [
        *_system_problems(host),
        *_memory_problems(host, list(instances), needs["memory"]),
        *_disk_problems(host, needs),
        *_port_problems(host),
        *_user_problems(host, users),
    ]


def ibgateway_host_warnings(host: Mapping[str, Any], memory: int, keeps_time: bool) -> list[str]:
    """Return what is not well with a host that will do.

    Args:
        host: what probe.py saw.
        memory: what instances and system need, MiB.
        keeps_time: whether this run sees to the clock itself.
    """
    warnings = []
    if not host["time_kept"] and not keeps_time:
        warnings.append(
            "Warning: nothing keeps this host's clock right. Install chrony or systemd-timesyncd, or daily "
            "restarts will drift into IBKR's reset windows."
        )
    if host["memory_mib"] < memory + SPARE_MEMORY and not host["swap_mib"]:
        warnings.append(
            f"Warning: of {host['memory_mib']} MiB of memory the instances and the system need {memory}, and "
            "there is no swap: when an upgrade or something else needs some, the kernel ends a program, "
            "and if that is Gateway, it costs a tap. Add 1 GiB of swap (docs/operations.md)."
        )
    return warnings


def ibgateway_missing_installers(versions: Iterable[str], artifacts: Artifacts) -> list[str]:
    """Return what installers are not on the controller, though their lock says so.

    Args:
        versions: those to be installed.
        artifacts: the artifact lock.
    """
    locks = ((version, artifacts[version].get("path")) for version in versions)
    return [
        f"The installer {path} of IB Gateway {version} is not on the controller: fetch it with scripts/ops "
        "lock, put it there, or correct path in ibgateway_artifacts."
        for version, path in locks
        if path is not None and not Path(path).is_file()
    ]


def _is_complete(lock: Any) -> bool:
    if not isinstance(lock, Mapping):
        return False
    size = str(lock.get("size", ""))
    return (
        SHA256.fullmatch(str(lock.get("sha256", ""))) is not None
        and size.isdecimal()
        and int(size) > 0
        and ("url" in lock or "path" in lock)
    )


def _system_problems(host: Mapping[str, Any]) -> list[str]:
    problems = []
    system = host["distribution"]
    if system["id"] != "debian" or system["version"] not in DEBIAN:
        problems.append(
            f"This host runs {system['name']}; the roles are made for and tested on Debian 12 and 13. Use "
            "one of these."
        )
    if host["systemd"] < SYSTEMD:
        found = host["systemd"] or "something else"
        problems.append(
            f"systemd {SYSTEMD} or later must be PID 1 on this host, found {found}: use a virtual machine, "
            "or a container that boots systemd."
        )
    if host["architecture"] != "x86_64":
        problems.append(
            f"This host is {host['architecture']}; the locked installers are IBKR's linux-x64 builds. Use an "
            "x86_64 host."
        )
    if not YEARS[0] <= host["year"] <= YEARS[1]:
        problems.append(
            f"The host's clock says the year {host['year']}: set it (timedatectl set-ntp true), or "
            "certificates and schedules will fail."
        )
    return problems


def _memory_problems(host: Mapping[str, Any], instances: list[Mapping[str, Any]], needed: int) -> list[str]:
    if host["memory_mib"] >= needed:
        return []
    heaps = " + ".join(str(instance["heap"]) for instance in instances)
    return [
        f"This host has {host['memory_mib']} MiB of memory; {len(instances)} instance(s) with heaps of "
        f"{heaps} MiB need {needed} MiB. Lower ibgateway_heap, move an instance, or take a larger host."
    ]


def _disk_problems(host: Mapping[str, Any], needs: Mapping[str, int]) -> list[str]:
    return [
        f"{free} MiB are free for {path}, {needs[path]} MiB are needed: free some space or enlarge the disk."
        for path, free in host["free_mib"].items()
        if free < needs[path]
    ]


def _port_problems(host: Mapping[str, Any]) -> list[str]:
    used = [f"Port {port} is used by {program}." for port, program in host["foreign_listeners"].items()]
    if not used:
        return []
    remedy = "Stop it, or give the instance another api_port, command_port or vnc_port."
    return [" ".join([*used, remedy])]


def _user_problems(host: Mapping[str, Any], users: Mapping[str, Iterable[str]]) -> list[str]:
    return [
        f'The user "{user}" in {variable} does not exist on this host: create the account first, or take it '
        "from the list."
        for variable, names in users.items()
        for user in names
        if user not in host["uids"]
    ]


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {
            "ibgateway_input_problems": ibgateway_input_problems,
            "ibgateway_to_install": ibgateway_to_install,
            "ibgateway_host_problems": ibgateway_host_problems,
            "ibgateway_host_warnings": ibgateway_host_warnings,
            "ibgateway_missing_installers": ibgateway_missing_installers,
        }
