"""Put files in place from a bundle, remove those that are no longer wanted, and compile the library.

Usage: place_files.py BUNDLE LIBRARY

BUNDLE is JSON, `{"write": [{"dest", "mode", "content"}], "remove": [path]}`: one file to transfer instead of
dozens. It is removed at the end. Every file is replaced whole: a launcher that starts meanwhile sees no half.
Units of systemd are checked together, by the names they will have, before any of them is put in place.
"""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
import tempfile
from pathlib import Path

UNITS = (".service", ".timer")


def place(bundle: Path, library: Path) -> None:
    """Carry out a bundle.

    Args:
        bundle: the JSON file.
        library: the package to compile.

    Raises:
        SystemExit: systemd refuses a unit; its words are the message, and nothing was put in place.
    """
    orders = json.loads(bundle.read_text(encoding="utf-8"))
    _check_units([order for order in orders["write"] if order["dest"].endswith(UNITS)])
    for order in orders["write"]:
        target = Path(order["dest"])
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.new")
        draft.write_text(order["content"], encoding="utf-8")
        draft.chmod(int(order["mode"], 8))
        draft.replace(target)
    for path in orders["remove"]:
        Path(path).unlink(missing_ok=True)
    # So that the launcher, who may not write there, starts fast.
    if library.is_dir():
        compileall.compile_dir(library, quiet=1)
    bundle.unlink()


def _check_units(orders: list[dict[str, str]]) -> None:
    if not orders:
        return
    with tempfile.TemporaryDirectory() as folder:
        drafts = [Path(folder, Path(order["dest"]).name) for order in orders]
        for draft, order in zip(drafts, orders, strict=True):
            draft.write_text(order["content"], encoding="utf-8")
        command = ["systemd-analyze", "verify", "--man=no", *map(str, drafts)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        ours = [line for line in result.stderr.splitlines() if "ibgateway" in line]
        sys.exit("\n".join(ours) or result.stderr)


if __name__ == "__main__":
    place(Path(sys.argv[1]), Path(sys.argv[2]))
