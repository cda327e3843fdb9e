#!/usr/bin/python3
"""Put our few keys into an instance's jts.ini, and leave all else as Gateway wrote it.

Gateway keeps the file in memory and writes it back when it exits, so a change made while it runs would be
lost: the instance's unit has it made before each start (ExecStartPre). The service's user runs this, and root
may not, since the directory is that user's and may hold anything.

Source of the keys: what IBC itself ensures at every start, and the settings of public IB Gateway images.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

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


def update(path: Path, zone: str) -> None:
    """Merge our keys into a file, unless it has them.

    The new file replaces the old one in one step, so Gateway never reads half of it.

    Args:
        path: the file; a missing one is made.
        zone: IANA time zone for [Logon] TimeZone.

    Raises:
        OSError: its directory is not there, or may not be written to.
    """
    present = path.read_bytes().decode(ENCODING) if path.is_file() else ""
    wanted = merge(present, zone)
    if wanted == present:
        return
    partial = path.with_name(".jts.ini.new")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding=ENCODING, newline="") as stream:
        stream.write(wanted)
        stream.flush()
        os.fsync(handle)
    partial.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line.

    Returns:
        Exit code: 0, or 1 when root runs it.
    """
    parser = argparse.ArgumentParser(
        prog="jts-ini", description="Put our keys into a stopped instance's jts.ini."
    )
    parser.add_argument("name", metavar="NAME", help="the instance")
    parser.add_argument("zone", metavar="ZONE", help="its time zone, such as America/New_York")
    options = parser.parse_args(arguments)
    if os.geteuid() == 0:
        print(
            "jts-ini: run it as the service's user: runuser -u ibgateway -- jts-ini NAME ZONE",
            file=sys.stderr,
        )
        return 1
    update(STATE / options.name / "settings" / "jts.ini", options.zone)
    return 0


if __name__ == "__main__":
    sys.exit(main())
