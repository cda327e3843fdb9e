"""Disposable hosts: a container each, booted by systemd, reached by ssh on a port of 127.0.0.1."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from testbed.lib import aptpool, clients, docker, image, resets, snapshot
from testbed.lib.lock import only_one
from testbed.lib.paths import ROOT, SOURCES, TESTBED
from testbed.lib.progress import UserError, say, timed

KEY = TESTBED / "id_ed25519"
KNOWN_HOSTS = TESTBED / "known_hosts"
PIP_CACHE = TESTBED / "pip"
# What runs on every host in place of the services that alerting talks to.
STAND_INS = ("phone.py", "phone.html", "scripted.py", "smtp_receiver.py", "webhook_receiver.py")
BOOT_SECONDS = 60.0
NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
# Measured on a host without every capability: --privileged fails there, this does not (docs/testbed.md).
RIGHTS = (
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    # Root on a VPS may look into any process; ss -p and /proc/PID/exe need it.
    "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--cgroupns=private",
)
# The engine's default for --tmpfs is noexec; a VPS can run an unpacked installer from /tmp.
SCRATCH = ("--tmpfs=/run", "--tmpfs=/tmp:exec,mode=1777", "--shm-size=256m")


def container(name: str) -> str:
    """Name a host's container.

    Args:
        name: the host.

    Returns:
        The container's name.

    Raises:
        UserError: the name is not usable.
    """
    if not NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no host name: use lower case letters, digits and dashes, a letter first."
        )
    return f"ibgw-{name}"


def create(name: str, release: str, port: int, key: str | None = None) -> None:
    """Create a host and wait until it is up; one of the same name is replaced.

    Args:
        name: the host.
        release: code name.
        port: where its sshd is published on 127.0.0.1.
        key: start from the snapshot with this key instead of a bare system.

    Raises:
        UserError: no such release or snapshot, port taken, or it does not come up.
    """
    box = container(name)
    image.check_release(release)
    with only_one(f"host-{name}"):
        source = snapshot.image_name(key) if key else image.ensure(release)
        libraries = clients.ensure(release)
        if docker.inspect(box):
            destroy_now(name)
        _refuse_taken_port(port)
        with timed(f"Create host {name} ({release}{', from a snapshot' if key else ''}, ssh port {port})"):
            try:
                _start(name, release, port, source, libraries)
                _wait_until_up(box, converged=key is not None)
                _learn_host_keys(box, port)
                resets.write(name)
            except BaseException:
                # Half a host is worse than none: the next run would trip over it.
                docker.run("rm", "-f", "-v", box, check=False)
                aptpool.forget(release, name)
                raise


def destroy(name: str) -> None:
    """Remove a host, if there is one; its downloaded packages stay in the shared archive.

    Args:
        name: the host.
    """
    box = container(name)
    with only_one(f"host-{name}"):
        if docker.inspect(box) is None:
            say(f"There is no host {name}.")
            return
        with timed(f"Destroy host {name}"):
            destroy_now(name)


def destroy_now(name: str) -> None:
    """Remove an existing host; the caller holds its lock.

    Args:
        name: the host.
    """
    box = container(name)
    labels = _labels(box)
    _give_back(box, "chown -R {owner} /var/cache/apt/archives /root/.cache/pip")
    collect(name)
    docker.run("rm", "-f", "-v", box)
    if labels.get("ibgw.root") == str(ROOT):
        aptpool.forget(labels["ibgw.release"], name)
    _forget_host_keys(int(labels.get("ibgw.port", "0")))
    resets.file_of(name).unlink(missing_ok=True)


def collect(name: str) -> int:
    """Move the packages that a host downloaded into the shared archive.

    Args:
        name: the host.

    Returns:
        How many were new.

    Raises:
        UserError: no such host.
    """
    box = container(name)
    labels = _labels(box)
    if labels.get("ibgw.root") != str(ROOT):
        return 0
    # Linux lets nobody but a file's owner link it (protected_hardlinks).
    _give_back(box, "find /var/cache/apt/archives -maxdepth 1 -name '*.deb' -exec chown {owner} '{{}}' +")
    return aptpool.collect(labels["ibgw.release"], name)


def take_snapshot(name: str, key: str) -> None:
    """Keep a host's disk as it is now under a key; an older snapshot of the same host goes.

    Args:
        name: the host.
        key: what a later `create --snapshot` asks for.

    Raises:
        UserError: no such host, or a bad key.
    """
    box = container(name)
    labels = _labels(box)
    collect(name)
    with timed(f"Take a snapshot of host {name}"):
        docker.run("exec", box, "sync")
        snapshot.take(box, labels["ibgw.release"], name, key)


def execute(name: str, command: Sequence[str]) -> int:
    """Run a command as root inside a host, with this process's own input and output.

    Args:
        name: the host.
        command: program and arguments.

    Returns:
        The command's exit code.

    Raises:
        UserError: no such host.
    """
    box = container(name)
    _labels(box)
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    return subprocess.run(
        [*docker.command(), "exec", "--interactive", *terminal, box, *command], check=False
    ).returncode


def listing() -> list[dict[str, str]]:
    """Find the hosts on this engine.

    Returns:
        name, release, port, state and checkout of each.
    """
    names = docker.run("ps", "-a", "--filter=label=ibgw=host", "--format={{.Names}}").stdout.split()
    rows = []
    for box in sorted(names):
        known = docker.inspect(box)
        if known:
            labels = known["Config"]["Labels"]
            rows.append(
                {
                    "name": box.removeprefix("ibgw-"),
                    "release": labels["ibgw.release"],
                    "port": labels["ibgw.port"],
                    "state": known["State"]["Status"],
                    "checkout": labels["ibgw.root"],
                }
            )
    return rows


def _labels(box: str) -> dict[str, str]:
    known = docker.inspect(box)
    if known is None:
        raise UserError(
            f"there is no host {box.removeprefix('ibgw-')}: "
            f"testbed/host list shows what there is, testbed/host create makes one."
        )
    return known["Config"]["Labels"]


def _start(name: str, release: str, port: int, source: str, libraries: Path) -> None:
    box = container(name)
    archive = aptpool.fill(release, name)
    PIP_CACHE.mkdir(parents=True, exist_ok=True)
    proxies = [f"--env={key}={value}" for key, value in image.machine.proxies().items()]
    ipv6 = ["--sysctl=net.ipv6.conf.all.disable_ipv6=0"] if Path("/proc/sys/net/ipv6").exists() else []
    docker.run(
        "create",
        f"--name={box}",
        f"--hostname={name}",
        "--label=ibgw=host",
        f"--label=ibgw.release={release}",
        f"--label=ibgw.port={port}",
        f"--label=ibgw.root={ROOT}",
        f"--publish=127.0.0.1:{port}:22",
        f"--volume={archive}:/var/cache/apt/archives",
        f"--volume={PIP_CACHE}:/root/.cache/pip",
        f"--volume={libraries}:/opt/testbed/clients:ro",
        "--env=container=docker",
        *RIGHTS,
        *SCRATCH,
        *ipv6,
        *proxies,
        source,
    )
    _put_files(box)
    docker.run("start", box)
    # pip uses only a cache that belongs to whoever runs it.
    docker.run("exec", box, "chown", "root:root", "/root/.cache/pip")


def _put_files(box: str) -> None:
    """Copy in what belongs to the testbed: the operator's public key and the stand-ins' sources."""
    with tempfile.TemporaryDirectory(prefix="files-", dir=TESTBED) as folder:
        tree = Path(folder)
        for source, target, mode in (
            (_public_key(), "home/ops/.ssh/authorized_keys", 0o644),
            *((SOURCES / name, f"usr/local/lib/testbed/{name}", 0o755) for name in STAND_INS),
            (SOURCES / "simulator/gateway_sim.py", "usr/local/bin/gateway-sim", 0o755),
        ):
            place = tree / target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
            place.chmod(mode)
        # Files only: a folder in the archive would lay our folder's owner and mode over the host's.
        files = [str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()]
        packed = subprocess.run(
            ["tar", "-C", folder, "--owner=root", "--group=root", "-cf", "-", *files],
            capture_output=True,
            check=True,
        )
        done = subprocess.run([*docker.command(), "cp", "-", f"{box}:/"], input=packed.stdout, check=False)
        if done.returncode != 0:
            raise UserError("the testbed's own files could not be copied into the host.")


def _public_key() -> Path:
    """Make the operator's key pair once, under temporary names, and give the public half."""
    public = KEY.with_suffix(".pub")
    with only_one("ssh-key"):
        if not (KEY.exists() and public.exists()):
            KEY.unlink(missing_ok=True)
            if shutil.which("ssh-keygen") is None:
                raise UserError("ssh-keygen is missing: install the package openssh-client.")
            with tempfile.TemporaryDirectory(prefix="key-", dir=TESTBED) as folder:
                made = Path(folder) / "key"
                subprocess.run(
                    ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops@testbed", "-f", str(made)],
                    check=True,
                )
                made.with_suffix(".pub").replace(public)
                made.replace(KEY)
    return public


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            holders = [row["name"] for row in listing() if row["port"] == str(port)]
            hint = f"testbed/host destroy {holders[0]}" if holders else "choose another with --port"
            raise UserError(f"port {port} on 127.0.0.1 is taken: {hint}.") from error


def _wait_until_up(box: str, *, converged: bool) -> None:
    """Wait for the end of the boot; a converged host may wait for a tap in it, so there sshd is enough."""
    until = time.monotonic() + BOOT_SECONDS
    state = ""
    while time.monotonic() < until:
        if converged:
            state = docker.run(
                "exec", box, "systemctl", "is-active", "ssh.service", check=False
            ).stdout.strip()
            if state == "active":
                return
            time.sleep(0.2)
            continue
        state = docker.run("exec", box, "systemctl", "is-system-running", check=False).stdout.strip()
        if state == "running":
            return
        if state == "degraded":
            failed = docker.run("exec", box, "systemctl", "--failed", "--plain", "--no-legend", check=False)
            raise UserError(f"the host came up with failed units: {failed.stdout.strip()}")
        time.sleep(0.2)
    words = docker.run("logs", "--tail=20", box, check=False)
    raise UserError(
        f"the host did not come up within {BOOT_SECONDS:.0f} s, its state is {state!r}: "
        f"{words.stdout}{words.stderr}"
    )


def _learn_host_keys(box: str, port: int) -> None:
    """Read the host's keys through the engine, so that ssh has nothing to take on trust."""
    keys = docker.run("exec", box, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub").stdout
    lines = [f"[127.0.0.1]:{port} {' '.join(line.split()[:2])}" for line in keys.splitlines() if line]
    _rewrite_known_hosts(port, lines)


def _forget_host_keys(port: int) -> None:
    _rewrite_known_hosts(port, [])


def _rewrite_known_hosts(port: int, lines: Sequence[str]) -> None:
    with only_one("known-hosts"):
        old = KNOWN_HOSTS.read_text().splitlines() if KNOWN_HOSTS.exists() else []
        kept = [line for line in old if not line.startswith(f"[127.0.0.1]:{port} ")]
        partial = KNOWN_HOSTS.with_suffix(".new")
        partial.write_text("".join(f"{line}\n" for line in [*kept, *lines]))
        partial.replace(KNOWN_HOSTS)


def _give_back(box: str, command: str) -> None:
    """Let the user who owns .cache also own what root inside the host wrote there."""
    if os.geteuid() != 0:
        # A host that does not run keeps its packages to itself.
        docker.run("exec", box, "sh", "-c", command.format(owner=f"{os.getuid()}:{os.getgid()}"), check=False)


def describe(rows: Sequence[dict[str, str]]) -> str:
    """Lay out a listing for people.

    Args:
        rows: as listing() gives.

    Returns:
        A line per host, or a sentence when there is none.
    """
    if not rows:
        return "No hosts. testbed/host create NAME --release trixie --port P makes one."
    return "\n".join(
        f"{row['name']:24} {row['release']:9} 127.0.0.1:{row['port']:6} {row['state']}"
        + ("" if row["checkout"] == str(ROOT) else f"  (made by {row['checkout']})")
        for row in rows
    )
