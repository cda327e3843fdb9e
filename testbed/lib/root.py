"""Things that need root: run a command as root, and install a Debian package that is missing."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from testbed.lib.lock import only_one
from testbed.lib.paths import LOGS, TESTBED
from testbed.lib.progress import UserError, must, run_step

RECORD = TESTBED / "installed.json"


def as_root(command: Sequence[str]) -> list[str]:
    """Make a command run as root.

    Args:
        command: program and arguments.

    Returns:
        The command, behind sudo unless we are root already.

    Raises:
        UserError: neither root nor sudo.
    """
    if os.geteuid() == 0:
        return list(command)
    if shutil.which("sudo") is None:
        raise UserError(
            "this step needs root: run it as root, or install sudo and allow your user to use it."
        )
    return ["sudo", *command]


def program(name: str) -> str | None:
    """Find a program, also in the places that only root has in its PATH.

    Args:
        name: file name.

    Returns:
        Its path, or None.
    """
    path = os.environ.get("PATH", "")
    return shutil.which(name, path=f"{path}:/usr/local/sbin:/usr/sbin:/sbin")


def install(*packages: str) -> None:
    """Install Debian packages and remember that we did, so that `--destroy` can take them away again.

    Those that another process has installed meanwhile are left alone.

    Args:
        packages: package names.

    Raises:
        UserError: this is no Debian or Ubuntu, or apt-get failed.
    """
    if shutil.which("apt-get") is None:
        raise UserError(f"please install by hand, this system has no apt-get: {', '.join(packages)}.")
    with only_one("packages"):
        before = _known_packages()
        missing = [package for package in packages if package not in before]
        if missing:
            _install(missing)
            RECORD.parent.mkdir(parents=True, exist_ok=True)
            partial = RECORD.with_suffix(".new")
            partial.write_text(json.dumps(sorted({*installed_by_us(), *(_known_packages() - before)})))
            partial.replace(RECORD)


def _install(packages: Sequence[str]) -> None:
    log = LOGS / "apt.log"
    options = ["--yes", "--no-install-recommends"]
    # A fresh machine may be installing updates of its own at this moment.
    options += ["--option=DPkg::Lock::Timeout=300"]
    command = as_root(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", *options, *packages])
    title = f"Install {', '.join(packages)} on this machine"
    if run_step(title, command, log) != 0:
        must("Refresh the package lists of this machine", as_root(["apt-get", "update"]), log)
        must(f"{title}, second try", command, log)


def _known_packages() -> set[str]:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\\n"]
    lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[1] for line in lines if line.startswith("ii")}


def installed_by_us() -> list[str]:
    """Say which packages came to this machine because of this checkout.

    Returns:
        Package names, those that others asked for included.
    """
    return json.loads(RECORD.read_text()) if RECORD.exists() else []


def main(packages: Sequence[str]) -> int:
    """Install packages for a shell script, as in `python3 -m testbed.lib.root PACKAGE`.

    Args:
        packages: package names.

    Returns:
        Exit code: 0 installed, 1 not.
    """
    try:
        install(*packages)
    except UserError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
