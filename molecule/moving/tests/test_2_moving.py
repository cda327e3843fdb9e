"""Backed up while it runs, the host emptied, made anew, restored: the same instance again. In this order."""

import hashlib
import json
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from harness.instance import Instance
from harness.site import Run
from testinfra.host import Host

DATABASE = "/var/lib/ibgateway-alerting/alerting.sqlite"
SECRETS = (b"Canary-4b1d", b"canary-77aa")
# What is Debian's or the testbed's, and may go on naming Gateway.
NOT_OURS = (
    "/proc",
    "/sys",
    "/var/lib/testbed",
    "/opt/testbed",
    "/var/log",
    "/var/lib/dpkg",
    "/var/cache/apt",
    # systemd's own, of services that ran when the snapshot was taken which this host comes from: it removes
    # those of earlier boots, and a container's boot is the machine's.
    "/var/tmp/systemd-private-*",
)


@pytest.fixture
def backup(site: Callable[..., Run], folder: Path) -> Path:
    """The archive, made by the first test that asks for it."""
    if not (folder / "backups").exists():
        run = site(playbook="playbooks/backup.yml", backup_directory=str(folder / "backups"))
        assert run.code == 0, run.output
    (file,) = (folder / "backups").iterdir()
    return file


@pytest.fixture
def manifest(backup: Path) -> dict[str, Any]:
    """What the archive says of itself."""
    with tarfile.open(backup) as tar:
        return json.load(tar.extractfile("manifest.json"))


@pytest.fixture
def decommission(site: Callable[..., Run]) -> Callable[..., Run]:
    """The playbook that empties the host."""
    return partial(site, playbook="playbooks/decommission.yml")


@pytest.fixture
def restore(site: Callable[..., Run], backup: Path) -> Callable[..., Run]:
    """The playbook that puts the archive back."""
    return partial(site, playbook="playbooks/restore.yml", backup=str(backup))


def test_the_backup_is_private_and_holds_no_secret(backup: Path, manifest: dict[str, Any]):
    assert backup.stat().st_mode & 0o777 == 0o600
    assert backup.parent.stat().st_mode & 0o777 == 0o700
    with tarfile.open(backup) as tar:
        for info in tar:
            data = tar.extractfile(info).read()
            assert not any(secret in data for secret in SECRETS), info.name
            assert not info.name.endswith(".cred"), info.name
            assert "autorestart" not in Path(info.name).name, info.name
    assert set(manifest["instances"]) == {"live", "paper"}
    of_live = {"settings/jts.ini", "events.jsonl", "login-budget.json"}
    assert {f"instances/live/{name}" for name in of_live} <= set(manifest["members"])
    assert {"alerting/alerting.sqlite", "configuration/live/ibc.ini"} <= set(manifest["members"])
    assert all(len(digest) == 64 for one in manifest["releases"].values() for digest in one.values())


def test_the_backup_disturbed_nothing(host: Host, live: Instance):
    assert live.status()["state"] == "ready"
    assert host.check_output("find /var/tmp -name 'ibgateway-*'") == ""
    assert host.check_output("systemctl is-active ibgateway-watch ibgateway-notify").split() == ["active"] * 2


def test_decommission_must_be_meant(decommission: Callable[..., Run], live: Instance):
    before = live.status()["java_pid"]
    refused = decommission()
    assert refused.code != 0
    assert "Nothing was done" in refused.output
    wrong = decommission(decommission_confirm="another")
    assert wrong.code != 0
    preview = decommission("--check", decommission_delete_data=True)
    assert preview.code == 0, preview.output
    assert "/opt/ibgateway" in preview.output
    assert live.status()["java_pid"] == before


def test_nothing_of_ours_is_left(decommission: Callable[..., Run], host: Host):
    run = decommission(decommission_confirm="moving", decommission_delete_data=True)
    assert run.code == 0, run.output
    assert "xvfb" in run.output
    assert "stopped as asked" in host.check_output("journalctl --unit=ibgateway@live --lines=40 --output=cat")
    prune = " -o ".join(f"-path '{path}'" for path in NOT_OURS)
    left = host.check_output(
        f"find / \\( {prune} \\) -prune -o \\( -name '*ibgateway*' -o -path '/opt/ibc*' \\) -print"
    )
    assert left == ""
    assert "ibgateway" not in host.check_output("nft list tables")
    assert "ibgateway" not in host.check_output("cat /etc/passwd /etc/group")
    assert host.check_output("systemctl list-units --all --plain --no-legend 'ibgateway*'") == ""
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""
    assert "systemd-journal" not in host.check_output("id -Gn ops")


def test_a_second_run_changes_nothing(decommission: Callable[..., Run]):
    run = decommission(decommission_confirm="moving", decommission_delete_data=True)
    assert (run.code, run.changed) == (0, 0), run.output


def test_it_is_restored_before_its_first_start(
    site: Callable[..., Run], restore: Callable[..., Run], host: Host, manifest: dict[str, Any]
):
    early = restore()
    assert early.code != 0
    assert "site.yml --tags ibgateway" in early.output
    prepared = site("--tags=ibgateway")
    assert prepared.code == 0, prepared.output

    run = restore()

    assert run.code == 0, run.output
    for name, about in manifest["members"].items():
        if name.startswith("instances/"):
            path = name.replace("instances/", "/var/lib/ibgateway/", 1)
            assert hashlib.sha256(host.file(path).content).hexdigest() == about["sha256"], path
            assert (host.file(path).user, host.file(path).group) == ("ibgateway", "ibgateway")


def test_it_is_the_same_instance_again(
    site: Callable[..., Run], host: Host, backup: Path, instances: dict[str, Instance]
):
    run = site()
    assert run.code == 0, run.output
    # Its token was not in the backup: a login, by consent.
    host.check_output("timeout 90 ibgatewayctl login live")
    for instance in instances.values():
        instance.wait_for("ready")
    with tarfile.open(backup) as tar:
        for name, instance in instances.items():
            old = tar.extractfile(f"instances/{name}/events.jsonl").read().splitlines()
            assert instance.events()[: len(old)] == [json.loads(line) for line in old]
            assert instance.events()[-1]["type"] == "ready"
    assert host.check_output("stat -c %%U:%%G:%%a %s", DATABASE) == "ibgateway-watch:ibgateway-alerting:660"
    told = json.loads(host.check_output("ibgatewayctl incidents --all --json"))["incidents"]
    assert any(incident["instance"] == "live" for incident in told)
    assert site().changed == 0


def test_what_runs_or_is_newer_is_not_overwritten(restore: Callable[..., Run], host: Host, paper: Instance):
    running = restore(instance="paper")
    assert running.code != 0
    assert "paper runs" in running.output
    host.check_output("ibgatewayctl stop paper")
    newer = restore(instance="paper")
    assert newer.code != 0
    assert "paper has events up to" in newer.output
    events = len(paper.events())

    forced = restore(instance="paper", restore_force=True)

    assert forced.code == 0, forced.output
    assert len(paper.events()) < events
    # The first is what site.yml --tags ibgateway had made.
    kept = host.check_output("ls -d /var/lib/ibgateway/paper.before-restore-*").split()[-1]
    assert len(host.check_output("cat %s/events.jsonl", kept).splitlines()) == events
    host.check_output("timeout 90 ibgatewayctl start paper")
    assert paper.wait_for("ready")["state"] == "ready"
