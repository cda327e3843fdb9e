"""What is not exactly the locked artifact, or not an installer, is refused; nothing half-installed stays."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.instance import Instance
from harness.site import ROOT, Run
from harness.wait import wait_until
from testinfra.host import Host

VERSION = "10.45.9"
LOCK = ROOT / ".cache/testbed/artifacts.lock.yml"


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    return yaml.safe_load(LOCK.read_text())


@pytest.fixture(scope="module")
def good(lock: dict[str, Any]) -> bytes:
    return (ROOT / lock["ibgateway_artifacts"]["10.45.1"]["path"]).read_bytes()


def locked(folder: Path, content: bytes, sha256: str = "") -> dict[str, Any]:
    """Write a file as the artifact of VERSION and return its lock entry."""
    file = folder / f"ibgateway-{VERSION}-standalone-linux-x64.sh"
    file.write_bytes(content)
    return {
        "path": str(file),
        "sha256": sha256 or hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }


def install(site: Callable[..., Run], lock: dict[str, Any], paper: Instance, entry: dict[str, Any]) -> Run:
    """Have the paper instance want VERSION from a lock entry."""
    return site(
        "--tags=ibgateway_install",
        ibgateway_artifacts={**lock["ibgateway_artifacts"], VERSION: entry},
        ibgateway_instances=[{**paper.given, "version": VERSION}],
    )


def installed(host: Host) -> list[str]:
    """Everything on the host that the failed release could have left."""
    command = f"find /opt/ibgateway /var/tmp /tmp -maxdepth 3 -name '*{VERSION}*'"
    return host.check_output(command).splitlines()


@pytest.mark.parametrize(
    "fault",
    [
        "wrong sha256",
        "truncated",
        "truncated before it was locked",
        "not an installer",
        "for another machine",
    ],
)
def test_a_bad_artifact_is_refused(
    site: Callable[..., Run], lock: dict, good: bytes, paper: Instance, tmp_path: Path, fault: str
):
    half = good[: len(good) // 2]
    machine = re.search(rb"MACHINE='(\w+)'", good)
    content, sha256 = {
        "wrong sha256": (good, "0" * 64),
        "truncated": (half, hashlib.sha256(good).hexdigest()),
        "truncated before it was locked": (half, ""),
        "not an installer": (b"<html>Not found</html>\n", ""),
        "for another machine": (good.replace(machine[0], b"MACHINE='riscv64'", 1), ""),
    }[fault]
    entry = locked(tmp_path, content, sha256)

    run = install(site, lock, paper, entry)

    assert run.code != 0
    assert VERSION in run.output
    assert installed(paper.host) == []


@pytest.fixture(scope="module")
def third_layout(good: bytes) -> bytes:
    """The good installer, but with its JRE in the third of the places real ones used."""
    return good.replace(b"LAYOUT='inst'", b"LAYOUT='pref'", 1)


def test_the_next_run_heals(
    site: Callable[..., Run], lock: dict, third_layout: bytes, paper: Instance, tmp_path: Path
):
    run = install(site, lock, paper, locked(tmp_path, third_layout))
    assert run.code == 0, run.output
    assert installed(paper.host) == [f"/opt/ibgateway/releases/{VERSION}"]


def test_its_java_is_found_in_the_third_place_too(
    site: Callable[..., Run], lock: dict, third_layout: bytes, paper: Instance, live: Instance, tmp_path: Path
):
    given = {**paper.given, "version": VERSION, "restart": "now"}

    run = site(
        "--tags=ibgateway,ibc",
        ibgateway_artifacts={**lock["ibgateway_artifacts"], VERSION: locked(tmp_path, third_layout)},
        # Both, since what the inventory does not name is taken off the host.
        ibgateway_instances=[live.given, given],
    )

    assert run.code == 0, run.output
    wait_until(lambda: paper.status()["gateway_version"] == VERSION, f"paper to run {VERSION}")
    status = paper.wait_for("ready")
    program = paper.host.check_output("readlink /proc/%s/exe", str(status["java_pid"]))
    assert program.startswith(f"/opt/ibgateway/releases/{VERSION}/")
