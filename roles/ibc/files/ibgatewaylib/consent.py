"""Consent: the operator's "send me the push now". One use, a few minutes long, gone after a reboot.

Root writes it (`ibgatewayctl login`), the launcher takes it when the login starts. Its age is counted by the
clock nobody can set, so that a clock step never brings an old one back.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from . import clock, durable
from .clock import Moment
from .events import timestamp

FILE = "consent.json"
SECONDS = 600
"""How long it holds, unless it is used first."""


def grant(run_dir: Path, by: str, seconds: int = SECONDS, now: Moment | None = None) -> None:
    """Allow one login. Replaces a consent that is there.

    Args:
        run_dir: the instance's directory under /run.
        by: who gave it.
        seconds: how long it holds, at most SECONDS.
        now: the present moment.

    Raises:
        OSError: it cannot be written.
        ValueError: it would hold too long, or not at all.
    """
    if not 0 < seconds <= SECONDS:
        raise ValueError(f"a consent holds from 1 to {SECONDS} seconds, not {seconds}")
    now = now or clock.now()
    content = {
        "by": by,
        "at": timestamp(now.wall),
        "expires": timestamp(now.wall + seconds),
        "boot": now.boot,
        "uptime": now.uptime,
        "seconds": seconds,
    }
    durable.replace(run_dir / FILE, json.dumps(content).encode() + b"\n", 0o600)


def peek(run_dir: Path, now: Moment) -> dict | None:
    """A consent that holds: its `by`, `at` and `expires`. None otherwise; nothing is used up."""
    try:
        data = durable.small(run_dir / FILE, 4096)
        content = json.loads(data or b"null")
        passed = now.uptime - content["uptime"]
        seconds = content["seconds"]
        if content["boot"] != now.boot or isinstance(seconds, bool) or not 0 <= passed < seconds <= SECONDS:
            return None
        return {key: str(content[key]) for key in ("by", "at", "expires")}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def take(run_dir: Path, now: Moment) -> dict | None:
    """Use the consent up.

    Returns:
        what `peek` returns; None when there is none, or when it cannot be removed: it could be used twice.
    """
    held = peek(run_dir, now)
    try:
        os.unlink(run_dir / FILE)  # noqa: PTH108 - as in every branch here: gone, or no consent
    except OSError:
        return None
    return held
