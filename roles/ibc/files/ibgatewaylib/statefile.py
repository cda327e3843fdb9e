"""`state.json`: how an instance is now. Replaced as a whole, so a reader never sees half of it."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write(file: Path, state: dict) -> None:
    """Replace the file.

    Args:
        file: where; its directory must exist.
        state: JSON-serialisable.

    Raises:
        OSError: it cannot be written; the old file is still whole.
    """
    draft = file.with_name("." + file.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(descriptor, 0o640)
        json.dump(state, stream, ensure_ascii=False, indent=1)
        stream.write("\n")
    draft.replace(file)


def read(file: Path) -> dict | None:
    """The state, or None when there is none or it is not a JSON object.

    Raises:
        PermissionError: the caller may not read it.
    """
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
    except PermissionError:
        raise
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None
