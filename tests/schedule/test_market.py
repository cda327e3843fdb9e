"""Market hours: what can be written, and when a market is open."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ibgatewaylib.schedule import market

NEW_YORK = "Mon-Fri 09:30-16:00 America/New_York"
FUTURES = "Sun-Thu 17:00-16:00 America/Chicago"


@pytest.mark.parametrize(
    ("hours", "now", "closes"),
    [
        ([NEW_YORK], "2026-11-25 14:29", None),
        ([NEW_YORK], "2026-11-25 14:30", "2026-11-25 21:00"),
        ([NEW_YORK], "2026-11-25 21:00", None),
        ([NEW_YORK], "2026-11-28 15:00", None),  # Saturday
        ([NEW_YORK], "2026-07-01 13:30", "2026-07-01 20:00"),  # summer time
        ([FUTURES], "2026-11-25 12:00", "2026-11-25 22:00"),  # began the day before
        ([FUTURES], "2026-11-29 22:59", None),  # Sunday, before it opens
        ([FUTURES], "2026-11-27 12:00", "2026-11-27 22:00"),  # Friday, from Thursday
        ([NEW_YORK, FUTURES], "2026-11-25 15:00", "2026-11-25 22:00"),
        (["Sat-Sun 00:00-00:00 UTC"], "2026-11-29 23:59", "2026-11-30 00:00"),
        ([], "2026-11-25 15:00", None),
    ],
)
def test_open_and_closed(hours: list[str], now: str, closes: str | None):
    found = market.closing(hours, datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert (found and f"{found.astimezone(UTC):%Y-%m-%d %H:%M}") == closes


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("09:30-16:00 America/New_York", "must be days, hours and a zone"),
        ("Mon-Fry 09:30-16:00 America/New_York", "must be days"),
        ("Mon-Fri 9:30-16:00 America/New_York", "must be days"),
        ("Mon-Fri 09:30-24:00 America/New_York", "does not exist"),
        ("Mon-Fri 09:30-16:00 EST", "America/New_York"),
        (930, "must be days"),
    ],
)
def test_what_cannot_be_read_is_refused(text: object, word: str):
    with pytest.raises(market.BadHoursError, match=word):
        market.Hours(text)
