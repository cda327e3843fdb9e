#!/usr/bin/env python3
"""Print the name of the snapshot that a converged test host would get now.

Usage: molecule/shared/snapshot_key.py RELEASE

The name holds a hash of every file that makes the host what it is, so that a snapshot is never used
after one of them changed.
"""

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What makes a converged host: the test hosts' recipe and programs, the roles and how they are called.
SOURCES = ("ansible.cfg", "site.yml", "playbooks", "roles", "plugins", "testbed", "molecule/shared")
# The artifacts a host is made with; generated, so not under SOURCES.
LOCK = ".cache/testbed/artifacts.lock.yml"


def snapshot_key(release: str, root: Path = ROOT) -> str:
    """Return the snapshot's name.

    Args:
        release: the Debian release, such as `trixie`.
        root: the repository.

    Returns:
        `converged-RELEASE-` and twelve hexadecimal digits.

    Raises:
        FileNotFoundError: a source does not exist.
    """
    digest = hashlib.sha256()
    for source in (*SOURCES, LOCK):
        path = root / source
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if "__pycache__" in file.parts or file.is_dir():
                continue
            digest.update(f"{file.relative_to(root)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return f"converged-{release}-{digest.hexdigest()[:12]}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: molecule/shared/snapshot_key.py RELEASE")
    print(snapshot_key(sys.argv[1]))
