"""A copy of the settings folder, made before a release that the instance has never run touches it.

The launcher makes it while Gateway does not run, so it is consistent, and holds the saved session.
"""

from __future__ import annotations

import json
from pathlib import Path

from . import durable
from .instance import Instance

FOLDER = "backups"
KEPT = 2
_RECORD = "upgrade.json"


def due(instance: Instance) -> Path | None:
    """Where the copy belongs that is to be made before this start; None when there is none to make."""
    try:
        data = durable.small(instance.etc_dir / _RECORD)
        pending = json.loads(data)["pending"] if data else None
        if not pending or pending["to"]["gateway_version"] != instance.gateway_version:
            return None
        stamp = "".join(character for character in pending["since"][:19] if character.isdigit())
        place = instance.state_dir / FOLDER / f"{stamp}-{pending['from']['gateway_version']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if place.exists() else place


def make(instance: Instance, place: Path) -> None:
    """Make the copy, and remove the oldest ones.

    Args:
        instance: whose settings.
        place: as `due` says.

    Raises:
        OSError: it could not be made; nothing is left of it.
    """
    import shutil

    draft = place.with_name(f".{place.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        shutil.copytree(instance.settings_dir, draft, symlinks=True)
        draft.replace(place)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise OSError(f"the settings folder cannot be copied to {place}: {error}") from None
    for old in kept(instance)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def kept(instance: Instance) -> list[Path]:
    """The copies there are, the oldest first."""
    return sorted(place for place in (instance.state_dir / FOLDER).glob("[0-9]*") if place.is_dir())


def restore_token(instance: Instance) -> bool:
    """Put the saved session of the latest copy back, if there is none: a release that failed set it aside.

    Returns:
        whether one was put back.
    """
    import shutil

    from . import tokenfile

    if tokenfile.find(instance.settings_dir):
        return False
    for token in (file for place in kept(instance)[-1:] for file in tokenfile.find(place)):
        target = instance.settings_dir / token.parent.name / token.name
        if target.parent.is_dir():
            shutil.copy2(token, target)
            return True
    return False
