#!/usr/bin/python3
"""Put our few keys into each stopped instance's jts.ini, and leave all else as Gateway wrote it.

    jts-ini [--check] NAME ZONE [NAME ZONE ...]

Gateway keeps the file in memory and writes it back when it exits, so a change made while it runs would be
lost: a running instance is left alone, and gets its keys when its unit next starts (ExecStartPre). There
the instance's own user runs this; when root does, it becomes that user first, since the directory is that
user's and may hold anything.

Source of the keys: what IBC itself ensures at every start, and the settings of public IB Gateway images.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

USER = "ibgateway"
STATE = Path("/var/lib/ibgateway")
# Gateway's file is not UTF-8 for certain; Latin-1 returns every byte as it came.
ENCODING = "latin-1"

ENFORCED = {
    ("Logon", "Locale"): "en",
    ("Logon", "UseSSL"): "true",
    ("Logon", "s3store"): "true",
    ("Logon", "displayedproxymsg"): "1",
    ("IBGateway", "ApiOnly"): "true",
}
# Set once: IBC rewrites it from its setting TrustedTwsApiClientIPs.
SEEDED = {("IBGateway", "TrustedIPs"): "127.0.0.1"}


def merge(text: str, zone: str) -> str:
    """Return `text` with our keys in it and everything else as it was.

    Args:
        text: the present content, "" when there is none.
        zone: IANA time zone for [Logon] TimeZone.
    """
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines()
    for (section, key), value in {**ENFORCED, ("Logon", "TimeZone"): zone}.items():
        _put(lines, section, key, value, replace=True)
    for (section, key), value in SEEDED.items():
        _put(lines, section, key, value, replace=False)
    return "".join(f"{line}{ending}" for line in lines)


def _put(lines: list[str], section: str, key: str, value: str, *, replace: bool) -> None:
    """Set one key in the list of lines, adding section and key where they are missing."""
    header = f"[{section}]"
    start = next((number for number, line in enumerate(lines) if line.strip() == header), None)
    if start is None:
        lines += [header, f"{key}={value}"]
        return
    last = start
    for number in range(start + 1, len(lines)):
        line = lines[number].strip()
        if line.startswith("["):
            break
        if line.partition("=")[0].strip() == key:
            if replace and line.partition("=")[2].strip() != value:
                lines[number] = f"{key}={value}"
            return
        if line:
            last = number
    lines.insert(last + 1, f"{key}={value}")


def update(path: Path, zone: str, *, check: bool) -> bool:
    """Merge our keys into the file at `path`; return whether that changes it.

    The new file replaces the old one in one step, so Gateway never reads half of it.
    """
    present = path.read_bytes().decode(ENCODING) if path.is_file() else ""
    wanted = merge(present, zone)
    if wanted == present:
        return False
    if not check:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".jts.ini.")
        with os.fdopen(handle, "w", encoding=ENCODING, newline="") as stream:
            stream.write(wanted)
            stream.flush()
            os.fsync(handle)
        Path(name).replace(path)
    return True


def running(names: list[str]) -> set[str]:
    """Return the instances whose unit is not at rest; starting counts, for Java may run already."""
    units = [f"ibgateway@{name}.service" for name in names]
    result = subprocess.run(
        ["systemctl", "show", "--property=ActiveState", "--value", *units],
        capture_output=True,
        text=True,
        check=True,
    )
    states = [line for line in result.stdout.splitlines() if line]
    return {name for name, state in zip(names, states, strict=True) if state not in ("inactive", "failed")}


def become(user: str) -> None:
    """Give up root for good in favour of `user`, when it exists."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return  # a preview on a bare host: there is nothing of that user's to read yet
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; print what changed and what was left alone as JSON, and return 0."""
    parser = argparse.ArgumentParser(description="Put our keys into stopped instances' jts.ini.")
    parser.add_argument("--check", action="store_true", help="only say what would change")
    parser.add_argument("pairs", nargs="+", metavar="NAME ZONE")
    options = parser.parse_args(arguments)
    zones = dict(zip(options.pairs[::2], options.pairs[1::2], strict=True))
    skipped: set[str] = set()
    if os.geteuid() == 0:
        skipped = running(list(zones))
        become(USER)
    changed = [
        name
        for name, zone in zones.items()
        if name not in skipped and update(STATE / name / "settings" / "jts.ini", zone, check=options.check)
    ]
    print(json.dumps({"changed": changed, "running": sorted(skipped)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
