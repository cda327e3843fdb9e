"""`vnc NAME`: the program of `ibgateway-vnc@NAME.service`. An instance's display on loopback.

The operator types codes that only a person may type. The password is made anew for each run and lies in the
run directory, which operators can read; `RuntimeMaxSec=` of the unit ends it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from . import exitcodes
from . import instance as instances
from .doctor import Machine
from .doctor_instance import listening
from .exitcodes import ConfigurationInvalid
from .sdnotify import Notifier

PASSWORD = "vnc-password"  # noqa: S105 - a file's name
_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LENGTH = 8
"""VNC knows no longer ones: the protocol cuts at eight characters."""
STARTS_WITHIN = 10.0
"""Seconds."""


def command(instance: instances.Instance, password_file: Path) -> list[str]:
    """The x11vnc command: one display, loopback on IPv4 only, password from a file, for one viewer at a time.

    Args:
        instance: whose display.
        password_file: holds the password in its first line; an argument would show in `ps`.
    """
    return [
        "x11vnc",
        "-display", f":{instance.display}",
        "-auth", str(instance.run_dir / "Xauthority"),
        "-rfbport", str(instance.vnc_port),
        "-localhost", "-listen", "127.0.0.1", "-noipv6", "-no6",
        "-passwdfile", str(password_file),
        "-forever", "-nevershared", "-noshm", "-quiet",
    ]  # fmt: skip


def main(argv: list[str], etc: Path = instances.ETC) -> int:
    """Show a display until told to stop.

    Args:
        argv: NAME.
        etc: where the instances are configured.

    Returns:
        the exit code for systemd.
    """
    if len(argv) != 1 or not instances.NAME.fullmatch(argv[0]):
        print("usage: vnc NAME", file=sys.stderr)
        return exitcodes.CONFIGURATION
    try:
        instance = _checked(etc / argv[0])
    except ConfigurationInvalid as refused:
        print(refused, file=sys.stderr)
        return exitcodes.CONFIGURATION
    return _run(instance)


def _checked(etc_dir: Path) -> instances.Instance:
    instance = instances.load(etc_dir)
    if shutil.which("x11vnc") is None:
        raise ConfigurationInvalid("x11vnc is not installed: run the playbook again")
    if not (instance.run_dir / "Xauthority").exists():
        raise ConfigurationInvalid(
            f"{instance.name} has no display now: `ibgatewayctl start {instance.name}` first"
        )
    return instance


def _run(instance: instances.Instance) -> int:
    file = instance.run_dir / PASSWORD
    signal.signal(signal.SIGTERM, _end)
    process = None
    try:
        # 0640: members of the service's group, as operators are, may read it.
        _write(file, "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)).encode() + b"\n", 0o640)
        process = subprocess.Popen(command(instance, file))
        if not _listens(process, instance.vnc_port):
            print(f"x11vnc does not listen on port {instance.vnc_port}: see the lines above", file=sys.stderr)
            return 1
        notify = Notifier()
        notify.ready()
        notify.status(f"display of {instance.name} on 127.0.0.1:{instance.vnc_port}")
        return 0 if process.wait() == 0 else 1
    except _Ended:
        return 0
    finally:
        file.unlink(missing_ok=True)
        if process:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            process.wait()


def _listens(process: subprocess.Popen, port: int) -> bool:
    """Whether x11vnc listens within the time it may take; connecting to find out would be a viewer."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        if any(found == port for _, found, _ in listening(Machine())):
            return True
        time.sleep(0.1)
    return False


def _write(file: Path, data: bytes, mode: int) -> None:
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchmod(descriptor, mode)
        stream.write(data)


class _Ended(Exception):  # noqa: N818 - it is what happened
    """systemd stops the unit."""


def _end(*_: object) -> None:
    raise _Ended
