"""How long a lane waits after a failure."""

from __future__ import annotations

import random
from collections.abc import Callable

SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0, 120.0, 300.0)
"""After the first, second … failure in a row; the last one for ever."""
JITTER = 0.2
"""Lanes of many hosts that lost the same service shall not return in step."""
MOST = 3600.0
"""A longer pause is the clock's mistake or the service's: nobody is left without a word for longer."""


def after(attempts: int, spread: Callable[[float, float], float] = random.uniform) -> float:
    """Return the pause in seconds after so many failures in a row (1 or more)."""
    base = SECONDS[min(attempts, len(SECONDS)) - 1]
    return base * spread(1 - JITTER, 1 + JITTER)
