"""Put the launcher's files in place from a bundle, remove those it no longer has, and compile the library.

Usage: place_files.py BUNDLE LIBRARY

BUNDLE is JSON, `{"write": [{"dest", "mode", "content"}], "remove": [path]}`: one file to transfer instead of
dozens. It is removed at the end. Every file is replaced whole: a launcher that starts meanwhile sees no half.
"""

from __future__ import annotations

import compileall
import json
import sys
from pathlib import Path


def place(bundle: Path, library: Path) -> None:
    """Carry out a bundle.

    Args:
        bundle: the JSON file.
        library: the package to compile.
    """
    orders = json.loads(bundle.read_text(encoding="utf-8"))
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
    compileall.compile_dir(library, quiet=1)
    bundle.unlink()


if __name__ == "__main__":
    place(Path(sys.argv[1]), Path(sys.argv[2]))
