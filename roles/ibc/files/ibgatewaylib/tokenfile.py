"""Gateway's saved session token: a file `autorestart` exactly one directory below the settings directory.

With one, Gateway comes back without a login. With several nobody can tell which is right (so IBC's script,
too, starts a full login); a stale one makes IBC wait for ever without typing anything.
"""

from __future__ import annotations

from pathlib import Path


def find(settings_dir: Path) -> list[Path]:
    """The token files there are, sorted; an unreadable directory has none."""
    try:
        return sorted(file for file in settings_dir.glob("*/autorestart") if file.is_file())
    except OSError:
        return []


def set_aside(files: list[Path]) -> list[str]:
    """Take tokens out of use without destroying the evidence (`autorestart.unused`, replaced each time).

    Returns:
        one sentence for each file that could not be moved.
    """
    problems = []
    for file in files:
        try:
            file.replace(file.with_name("autorestart.unused"))
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"{file} cannot be set aside: {error.strerror}")
    return problems


def take_flag(settings_dir: Path, kind: str, session_id: str) -> bool:
    """Look for, and remove, a flag file IBC leaves for whoever started it.

    Args:
        settings_dir: where Java was told to keep its settings (`-DjtsConfigDir`).
        kind: `COLDRESTART` or `PAUSE`.
        session_id: the value of `-Dibcsessionid`.

    Returns:
        whether it was there.
    """
    flag = settings_dir / f"{kind}{session_id}"
    try:
        flag.unlink()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
