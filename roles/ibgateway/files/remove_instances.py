"""Take instances off the host that the inventory no longer has, and keep their data.

Usage: remove_instances.py [--check] NAME…

Each is logged out and stopped; its timers and units are disabled; its configuration and credentials go.
/var/lib/ibgateway/NAME stays: settings, events and what else it recorded. With --check nothing is done. The
role runs this as root over standard input and reads a JSON list of what stays: `name`, `data` (empty where
there is none) and `mib` each.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
# systemctl with arguments, and what it printed. What it could not do shows in the state afterwards.
Systemctl = Callable[..., str]


def systemctl(*arguments: str) -> str:
    """Run systemctl and return what it printed."""
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False).stdout


def remove(name: str, root: Path = Path("/"), ask: Systemctl = systemctl) -> None:
    """Log one instance out and take it off the host.

    Its folder in /etc goes last: while it is there, the next run sees an interrupted removal and finishes it.

    Args:
        name: the instance.
        root: the file system (a seam for tests).
        ask: runs systemctl (the same).

    Raises:
        SystemExit: it does not stop; its configuration is still there.
    """
    timers = sorted((root / "etc/systemd/system").glob(f"ibgateway-*@{name}.timer"))
    # First what could start it again. What keeps the token acts when the host goes down, and not now.
    ask("disable", "--now", *(timer.name for timer in timers), f"ibgateway-keep-token@{name}.service")
    unit = f"ibgateway@{name}.service"
    ask("disable", "--now", unit)
    state = ask("show", "--property=ActiveState", "--value", unit).strip()
    if state not in ("inactive", "failed"):
        sys.exit(
            f"Instance '{name}' is {state}, though told to stop: see journalctl -u {unit}, then run again."
        )
    ask("disable", "--now", f"ibgateway-display@{name}.service")
    ask("stop", f"ibgateway-*@{name}.service")
    ask("reset-failed", unit)
    for timer in timers:
        timer.unlink(missing_ok=True)
    if timers:
        ask("daemon-reload")
    shutil.rmtree(root / "run/ibgateway" / name, ignore_errors=True)
    shutil.rmtree(root / "etc/ibgateway" / name / "credentials", ignore_errors=True)
    shutil.rmtree(root / "etc/ibgateway" / name)


def kept(name: str, root: Path = Path("/")) -> dict[str, Any]:
    """Return where an instance's data stays, empty where somebody has moved it, and how many MiB that is.

    Args:
        name: the instance.
        root: the file system (a seam for tests).
    """
    data = root / "var/lib/ibgateway" / name
    size = sum(file.lstat().st_size for file in data.rglob("*") if not file.is_dir())
    place = f"/{data.relative_to(root)}" if data.exists() else ""
    return {"name": name, "data": place, "mib": -(-size >> 20) if size else 0}


def main(arguments: list[str]) -> None:
    """Carry out the command line.

    Args:
        arguments: names of instances, and perhaps --check.

    Raises:
        SystemExit: something that is no name, or an instance that does not stop.
    """
    names = [word for word in arguments if word != "--check"]
    for name in names:
        if not NAME.fullmatch(name):
            sys.exit(f"{name!r} is no name of an instance.")
    for name in names:
        if "--check" not in arguments:
            remove(name)
    print(json.dumps([kept(name) for name in names]))


if __name__ == "__main__":
    main(sys.argv[1:])
