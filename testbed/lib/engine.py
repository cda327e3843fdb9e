"""A Docker engine on this machine: found, or installed and started, and stopped again if we started it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from testbed.lib import docker, root
from testbed.lib.lock import only_one
from testbed.lib.paths import LOGS, TESTBED
from testbed.lib.progress import UserError, must, say, timed

RECORD = TESTBED / "engine.json"
SYSTEMD = Path("/run/systemd/system")  # there where systemd is PID 1 (sd_booted(3))
PIDFILE = Path("/run/ibgw-testbed-dockerd.pid")
START_SECONDS = 60.0

# systemd in a container needs the unified cgroup hierarchy. On a machine that still mounts the old one, the
# engine gets a mount namespace of its own in which /sys/fs/cgroup is the new one; the machine's mounts stay.
PRIVATE_CGROUP = "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "


def up() -> None:
    """Make sure that an engine answers.

    Raises:
        UserError: it cannot be installed or does not start.
    """
    with only_one("engine"):
        if docker.find() or (_ask_for_sudo() and docker.find()):
            say(f"==> Docker engine answers ({_version()})")
            return
        if root.program("dockerd") is None:
            # Since Debian 13 the command line client is a package of its own.
            root.install("docker.io", *_separate_client())
        if docker.find():
            # The package's own service is already up where systemd is PID 1.
            _record("systemd")
            return
        log = LOGS / "dockerd.log"
        if SYSTEMD.is_dir():
            must("Start the Docker engine (systemd)", root.as_root(["systemctl", "start", "docker"]), log)
            _record("systemd")
        else:
            if _our_pid() is not None:
                raise UserError(
                    f"the engine in process {_our_pid()} does not answer: testbed/engine down, then up."
                )
            _record("process")
            _spawn(log)
        with timed("Wait until the engine answers"):
            _wait(log)
        say(f"    Docker engine {_version()}, log: {log}")


def down() -> None:
    """Stop the engine if this checkout started it; leave any other alone."""
    with only_one("engine"):
        if not RECORD.exists():
            say("The Docker engine was not started from here: left as it is.")
            return
        how = json.loads(RECORD.read_text())["how"]
        if how == "systemd":
            units = ["docker.service", "docker.socket"]
            must("Stop the Docker engine", root.as_root(["systemctl", "stop", *units]), LOGS / "dockerd.log")
        else:
            with timed("Stop the Docker engine"):
                _kill()
        RECORD.unlink()


def status() -> bool:
    """Say whether an engine answers and who started it.

    Returns:
        True when it answers.
    """
    if not docker.find():
        say("No Docker engine answers: run testbed/engine up.")
        return False
    ours = "started by testbed/engine" if RECORD.exists() else "not started from here"
    say(f"Docker engine {_version()} answers, {ours}.")
    return True


def _ask_for_sudo() -> bool:
    """Let sudo ask for the password while there is a terminal: an engine may answer only to root."""
    if os.geteuid() == 0 or shutil.which("sudo") is None or not sys.stdin.isatty():
        return False
    return subprocess.run(["sudo", "-v"], check=False).returncode == 0


def _version() -> str:
    return docker.run("info", "--format", "{{.ServerVersion}}, cgroup v{{.CgroupVersion}}").stdout.strip()


def _separate_client() -> list[str]:
    known = subprocess.run(
        ["apt-cache", "show", "docker-cli"],
        capture_output=True,
        check=False,
    )
    return ["docker-cli"] if known.returncode == 0 and shutil.which("docker") is None else []


def _record(how: str) -> None:
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps({"how": how}))


def _spawn(log: Path) -> None:
    """Start dockerd away from this terminal, so that neither Ctrl-C nor an open pipe ties it to us."""
    daemon = root.program("dockerd")
    if daemon is None:
        raise UserError("dockerd is not on this machine though docker.io is installed: reinstall docker.io.")
    # A killed engine leaves its pid file, and dockerd refuses to start on one.
    start = f"rm -f /var/run/docker.pid {PIDFILE}; exec {daemon} --pidfile {PIDFILE}"
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        start = f"rm -f /var/run/docker.pid {PIDFILE}; {PRIVATE_CGROUP}{daemon} --pidfile {PIDFILE}"
        say("==> Start the Docker engine (this machine is on cgroup v1: in a mount namespace of its own)")
    else:
        say("==> Start the Docker engine")
    command = root.as_root(["unshare", "-m", "--propagation", "private", "sh", "-c", start])
    log.parent.mkdir(parents=True, exist_ok=True)
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    with log.open("ab") as sink:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PATH": path},
        )


def _wait(log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while docker.find() is None:
        if time.monotonic() > until:
            last = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
            raise UserError(
                "the Docker engine did not start within 60 s; its last words:\n  " + "\n  ".join(last)
            )
        time.sleep(0.3)


def _our_pid() -> int | None:
    """Give the process id of the dockerd that we started, if it runs."""
    try:
        pid = int(PIDFILE.read_text())
        return pid if Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd" else None
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None


def _kill() -> None:
    """Ask our dockerd to end, by the process id that it wrote, and wait until it is gone."""
    pid = _our_pid()
    if pid is not None:
        subprocess.run(root.as_root(["kill", f"-{signal.SIGTERM.value}", str(pid)]), check=False)
        until = time.monotonic() + 30
        while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
            time.sleep(0.2)
