"""A first converge that is killed again and again comes to the same end as one that is not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import contents, end, held, host, kill, paper, start
from harness.site import ROOT
from harness.wait import wait_until

# What shows that a task which takes long is in the middle, in the order in which they come, and whether the
# host loses what runs in it, too: as in a crash. Otherwise it goes on there alone, while the next run begins.
# Each names the process by the beginning of its command line, which what looks for it does not have.
STAGING = "/opt/ibgateway/releases/.staging-10.45.1/program"
INSTALLER = f"test -d {STAGING} && pgrep -f '^(/usr/bin/)?python3 - --version'"
VENV = "ls /opt/ibgateway-alerting/venvs/*/bin && pgrep -f '^/usr/bin/python3 -m venv'"
PIP = "pgrep -f '^/opt/ibgateway-alerting/venvs/.*pip install'"
PACKAGES = "ls -d /opt/ibgateway-alerting/venvs/*/lib/python3*/site-packages/apprise"
WITHIN = [
    ("pgrep -x dpkg", True),
    ("pgrep -x dpkg", False),
    (INSTALLER, True),
    (INSTALLER, False),
    (VENV, True),
    (VENV, False),
    (f"{PACKAGES} && {PIP}", True),
    (PIP, False),
]
# Killed in the middle, these may come to their end on the host alone, and then no run has changed anything.
ALONE = {
    "ibgateway : Install packages",
    "ibgateway : Install IB Gateway",
    "alerting : Create the environment",
    "alerting : Install the pinned packages",
}
# What another run of a fresh host would differ in, too.
VOLATILE = {
    "secrets and names of the host": (
        r"/etc/(ssh/ssh_host_.*|machine-id|host(name|s)|resolv\.conf|ibgateway-alerting/config\.toml)"
    ),
    "encrypted for the host": r"/var/lib/systemd/credential\.secret|.*\.cred",
    "this host's reset windows, and what is made of them": r"/etc/ibgateway/reset-windows\.json",
    "what Gateway, watcher and notifier write while they run": (
        r"/var/lib/(ibgateway|ibgateway-alerting|ibgateway-watch|ibgateway-notify|testbed)/.+|/run/ibgateway/.+"
    ),
    "copies that the tools for accounts keep": r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?",
    "caches, records and times": (
        r"/var/cache/(apt|debconf|ldconfig|fontconfig|man|private|swcatalog|app-info)(/.*)?"
        r"|/var/lib/(apt|dpkg|systemd|dbus|NetworkManager|polkit-1|ucf|private|logrotate)(/.*)?|/etc/ld\.so\.cache"
        r"|/etc/ssl/certs/(java/cacerts|adoptium/.*)|.*\.pyc|.*/lib/jvm/.*/classes\.jsa"
    ),
    "the private folders of services that run": r"/(var/)?tmp/systemd-private-.*",
    "of Ansible's own": r"/(root|home/ops)/\.ansible(/.*)?",
    "what killed programs leave in /tmp until the next boot": (
        r"/tmp/(ansible_|apt-dpkg-install-|pip-|tmp[a-z0-9_]{8}).*"
    ),
    "units that are there for a moment": (
        r"unit ibgateway-(digest|reset|restart|cycle)@?.*|unit file session-.*\.scope"
    ),
}


@pytest.fixture(scope="module")
def changes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The tasks that changed something, for each host.

    On `killed`, a run was killed after each of them, and in the middle of those of WITHIN; on `whole`, none.
    """
    notes = {name: tmp_path_factory.mktemp(name) / "changes" for name in ("whole", "killed")}
    with start("whole", notes["whole"]) as reference:
        kill_after_each_change(notes["killed"])
        code, output = end(reference)
    assert code == 0, output
    return {name: note.read_text().splitlines() for name, note in notes.items()}


def kill_after_each_change(passed: Path) -> None:
    """Converge the host, by as many runs as it takes.

    Args:
        passed: where the tasks are noted after which one was killed.
    """
    within = list(WITHIN)
    while True:
        run = start("killed", passed, kill=True)
        if within and in_the_middle(run, within[0][0]):
            kill(run)
            if within.pop(0)[1]:
                crash()
            continue
        code, output = end(run)
        if code == 0:
            break
        assert code == -9, output
    assert within == []


def in_the_middle(run: subprocess.Popen[str], condition: str) -> bool:
    """Wait until a condition holds on the host, or the run has ended before that."""
    look = f"until {{ {condition}; }} >/dev/null 2>&1; do sleep 0.2; done"
    with subprocess.Popen(inside("timeout", "300", "sh", "-c", look), stdout=subprocess.DEVNULL) as watch:
        wait_until(lambda: run.poll() is not None or watch.poll() is not None, condition, 300)
        met = run.poll() is None
        watch.terminate()
    subprocess.run(inside("pkill", "--full", "^timeout 300 sh"), check=False)
    return met


def crash() -> None:
    """Have the host lose what the run has begun there, as it stands."""
    kill_all = "systemctl kill --signal=KILL user.slice ssh.service"
    # A start may still meet the signal.
    command = f"{kill_all}; until systemctl restart ssh.service; do systemctl reset-failed ssh.service; done"
    subprocess.run(inside("sh", "-c", command), check=True)


def inside(*command: str) -> list[str]:
    """Return what runs a command on the host, without ssh."""
    return [sys.executable, str(ROOT / "testbed/host"), "exec", "killed", "--", *command]


def test_a_run_was_killed_after_each_change(changes: dict[str, list[str]]):
    # What a handler does was due in a run that is gone.
    handlers = {name for name in changes["whole"] if re.search(r" : (Load|Reload|Restart|Remove env)", name)}
    assert set(changes["whole"]) - handlers - ALONE <= set(changes["killed"])
    assert len(changes["killed"]) > 20


def test_nothing_is_left_to_do(changes: dict[str, list[str]], tmp_path: Path):
    code, output = end(start("killed", tmp_path / "changes"))
    assert code == 0, output
    assert not (tmp_path / "changes").exists()
    assert held("killed") == {}


def test_the_instance_gets_ready(changes: dict[str, list[str]]):
    for name in changes:
        paper(name).wait_for("ready", 120)


def test_nothing_is_missing_and_nothing_is_left_over(changes: dict[str, list[str]]):
    set_aside = re.compile("|".join(f"(?:{pattern})" for pattern in VOLATILE.values()))
    there, reference = (contents(name) for name in ("killed", "whole"))
    differing = {
        name: (there.get(name), reference.get(name))
        for name in sorted({*there, *reference})
        if there.get(name) != reference.get(name) and not set_aside.fullmatch(name)
    }
    assert differing == {}


def test_sshd_has_read_the_keys_of_the_forward_only_user(changes: dict[str, list[str]]):
    there = host("killed")
    written = there.check_output("stat --format=%Y /etc/ssh/sshd_config.d/50-ibgateway-forward.conf")
    journal = there.check_output("journalctl --unit=ssh.service --since=@%s --output=cat", written)
    assert "Received SIGHUP; restarting." in journal


def test_packages_are_whole(changes: dict[str, list[str]]):
    assert host("killed").check_output("dpkg --audit") == ""


def test_packages_in_pieces_are_unpacked_anew(changes: dict[str, list[str]]):
    there = host("killed")
    # As dpkg leaves it when it is killed between a package's last file and its own last word.
    broken = "/^Package: xauth$/,/^$/ s/^Status: .*/Status: install reinstreq unpacked/"
    there.check_output("sed -i %s /var/lib/dpkg/status", broken)
    assert "xauth" in there.check_output("dpkg --audit")

    code, output = end(start("killed"))

    assert code == 0, output
    assert there.check_output("dpkg --audit") == ""
