"""Take away what the demo made, each thing in a line."""

import shutil
import subprocess
import sys

from testbed.lib import docker, engine, host, root, snapshot
from testbed.lib.paths import ROOT
from testbed.lib.progress import UserError, say

IMAGES = ("ibgw-snapshot", "ibgw-host", "ibgw-builder", "ibgw-base")
LEFTOVERS = (".venv", ".ansible", ".cache")


def main() -> int:
    """Remove everything.

    Returns:
        Exit code: 0 nothing is left, 1 something is (said in a line), 130 interrupted.
    """
    try:
        if docker.find():
            _hosts()
            _images()
            others = _others()
        elif engine.RECORD.exists() or root.installed_by_us():
            say(
                "The Docker engine does not answer: what it holds goes with it, or stays until it runs again."
            )
            others = False
        else:
            others = False
        packages = root.installed_by_us()
        engine.down()
        _packages(packages, keep=others)
        _folders()
    except UserError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: run scripts/demo --destroy again to go on.", file=sys.stderr)
        return 130
    return 0


def _hosts() -> None:
    """Destroy this checkout's hosts: the demo's, and any that a broken off test left."""
    for row in host.listing():
        if row["checkout"] == str(ROOT):
            host.destroy(row["name"])


def _images() -> None:
    names = snapshot.unnamed()
    for repository in IMAGES:
        names += docker.run("images", "--format={{.Repository}}:{{.Tag}}", repository).stdout.split()
    for name in names:
        done = docker.run("rmi", name, check=False)
        say(f"Removed image {name}" if done.returncode == 0 else f"Kept image {name}: something else uses it")


def _others() -> bool:
    """Tell whether the engine holds anything that is not ours."""
    return any(
        docker.run(*query).stdout.split()
        for query in (["ps", "-aq"], ["images", "-q"], ["volume", "ls", "-q"])
    )


def _packages(packages: list[str], *, keep: bool) -> None:
    if not packages:
        return
    if keep:
        say(f"Kept the packages that the demo installed, since you use Docker now: {' '.join(packages)}")
        return
    done = subprocess.run(
        root.as_root(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "purge", "-y", *packages]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UserError(f"the packages could not be removed: {done.stderr.strip()}")
    say(f"Removed the packages that the demo installed: {' '.join(packages)}")
    if "docker.io" in packages:
        # Nothing but our images was ever in it.
        subprocess.run(root.as_root(["rm", "-rf", "/var/lib/docker", "/var/lib/containerd"]), check=False)
        say("Removed /var/lib/docker and /var/lib/containerd")


def _folders() -> None:
    for name in LEFTOVERS:
        folder = ROOT / name
        if not folder.exists():
            continue
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            # Root inside a host may have written there.
            subprocess.run(root.as_root(["rm", "-rf", str(folder)]), check=False)
        say(f"Removed {name}")


if __name__ == "__main__":
    sys.exit(main())
