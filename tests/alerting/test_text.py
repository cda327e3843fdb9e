"""Words for people: times, spans, foreign text."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from ibgateway_alerting import text

ZURICH = ZoneInfo("Europe/Zurich")


def at(moment: str) -> float:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()


def test_foreign_text_becomes_one_harmless_line():
    assert text.clean("two\nlines\tand \x1b[31mcolour\x00\u202e") == "two lines and [31mcolour"


@pytest.mark.parametrize(
    "account", ["U1234567", "DU1234567", "DUM123456", "DF1234567", "F7654321", "I123456"]
)
def test_account_ids_are_taken_out(account):
    assert text.clean(f"account {account}, please") == "account (account), please"


@pytest.mark.parametrize("word", ["UTC2026", "IBC3", "code 10197", "2026-11-24", "IBKR", "U2"])
def test_other_words_stay(word):
    assert text.clean(word) == word


def test_long_text_is_cut():
    assert text.clean("x" * 1000) == "x" * (text.LONGEST - 1) + "…"
    assert len(text.clean("x" * 1000, 20)) == 20


def test_times_are_the_readers():
    moment = at("2026-11-29 08:30:02")
    assert text.when(moment, ZURICH, moment) == "Sun 29 Nov, 09:30 CET"
    assert text.when(moment, ZoneInfo("America/New_York"), moment, seconds=True) == "Sun 29 Nov, 03:30:02 EST"


def test_another_year_is_named():
    new_year_in_zurich_only = at("2026-12-31 23:30")
    assert text.when(at("2026-12-31 22:00"), ZURICH, new_year_in_zurich_only) == "Thu 31 Dec 2026, 23:00 CET"
    assert text.when(at("2027-01-05 08:00"), ZURICH, new_year_in_zurich_only) == "Tue 5 Jan, 09:00 CET"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"), (21.9, "21 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"),
        (7860, "2 h 11 min"), (172799, "47 h 59 min"), (172800, "2 days"), (900000, "10 days"),
    ],
)  # fmt: skip
def test_spans_of_time(seconds, words):
    assert text.duration(seconds) == words


def test_countdown():
    assert [text.countdown(left) for left in (180, 165.4, 9, -1)] == ["3:00", "2:45", "0:09", "0:00"]
