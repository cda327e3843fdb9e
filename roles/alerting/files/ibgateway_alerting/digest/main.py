"""The weekly digest: put a sign of life, the week in words and a picture of it into the outbox."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from .. import settings
from ..journal import log_to_journal
from ..model import Message
from ..settings import Settings
from ..store import Store, StoreError
from ..watch.ladder import Ladder
from . import week as weeks
from . import words

log = logging.getLogger(__name__)

PICTURES = "pictures"
KEEP = 60 * 86400.0
"""Seconds after which a picture is removed: longer than any channel is down."""
EX_CONFIG = 78
FAILED = 1


def main(config: Path, arguments: Sequence[str] | None = None, clock: Callable[[], float] = time.time) -> int:
    """Make the digest of the last seven days.

    Args:
        config: the configuration file.
        arguments: of the command line; without, those of this process.
        clock: the time, in seconds since the epoch.

    Returns:
        0 done · 1 the database or the picture's file cannot be used · 78 the configuration is unusable.
    """
    parser = argparse.ArgumentParser(
        prog="ibgateway-digest",
        description="Put the weekly digest into the outbox: the week in words, and as a picture.",
    )
    parser.add_argument(
        "--now", metavar="TIME", type=_moment, help="the end of the week, as 2026-11-29T18:00Z (default: now)"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="draw the picture there, print the words, and send nothing"
    )
    options = parser.parse_args(arguments)
    log_to_journal()
    now = clock() if options.now is None else options.now
    try:
        chosen = settings.load(config)
        store = Store(chosen.database)
    except settings.SettingsError as error:
        log.error("%s", error)
        return EX_CONFIG
    except StoreError as error:
        log.error("%s", error)
        return FAILED
    try:
        return _show(chosen, store, now, options.out) if options.out else _send(chosen, store, now)
    except (OSError, StoreError) as error:
        log.error("%s", error)
        return FAILED
    finally:
        store.close()


def _show(chosen: Settings, store: Store, now: float, file: Path) -> int:
    week = weeks.of(chosen, store, now)
    from . import picture

    picture.draw(week, chosen.host, chosen.zone, file)
    message = words.message(week, chosen)
    print(f"{message.title}\n\n{message.body}\n\npicture: {file}")
    return 0


def _send(chosen: Settings, store: Store, now: float) -> int:
    week = weeks.of(chosen, store, now)
    file = _draw(week, chosen, now)
    told = words.message(week, chosen)
    message = Message(told.severity, told.title, told.body, attachment=str(file) if file else "")
    with store.transaction():
        names = Ladder(chosen, store).announce(message, now)
    print(f"digest queued for {', '.join(names)}" if names else "no channel gets the digest")
    return 0


def _draw(week: weeks.Week, chosen: Settings, now: float) -> Path | None:
    """Draw the week; None where that fails: words without a picture are better than nothing."""
    folder = chosen.database.parent / PICTURES
    try:
        # The folder above hands its group down; the unit may not set that bit itself.
        folder.mkdir(mode=0o770, exist_ok=True)
        _remove_old(folder, now)
        from . import picture

        name = datetime.fromtimestamp(now, UTC).astimezone(chosen.zone).strftime("week-%Y-%m-%d-%H%M%S.png")
        file = folder / name
        draft = file.with_suffix(".new")
        picture.draw(week, chosen.host, chosen.zone, draft)
        draft.chmod(0o640)
        draft.replace(file)
    except Exception as error:
        log.error("the week cannot be drawn, it is told in words: %s: %s", type(error).__name__, error)
        return None
    return file


def _remove_old(folder: Path, now: float) -> None:
    for file in folder.iterdir():
        if file.suffix in (".png", ".new") and file.stat().st_mtime < now - KEEP:
            file.unlink(missing_ok=True)


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-11-29T18:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
