"""Java properties: what we escape arrives, character for character."""

from __future__ import annotations

import random

import pytest
from ibgatewaylib.properties import escape, parse

CASES = [
    "plain",
    "p\\w#!=: zü€",
    "#first",
    "!first",
    "=first",
    ":first",
    "  leading and trailing  ",
    "\\",
    "\\\\u0041",
    "ends with a backslash\\",
    "tab\tline\nreturn\rfeed\f",
    "\x00\x1f\x7f\x85\xa0\xff",
    "Жемчуг 東京 🗝 \U0010ffff",
    "a=b:c#d!e%f$g",
    "",
]


@pytest.mark.parametrize("text", CASES)
def test_round_trip(text):
    escaped = escape(text)
    assert escaped.isascii()
    assert "\n" not in escaped
    assert parse(f"before=1\nkey={escaped}\nafter=2\n") == {"before": "1", "key": text, "after": "2"}


def test_round_trip_of_random_texts():
    rng = random.Random(20261124)  # noqa: S311 - the same texts every time
    alphabet = "\\#!=: \t\nazu0" + "äßéЖ€漢🗝\x7f\u2028"
    for _ in range(3000):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(12)))
        assert parse(f"key = {escape(text)}\nnext=1") == {"key": text, "next": "1"}, repr(text)


def test_random_characters_of_all_unicode():
    rng = random.Random(1)  # noqa: S311 - the same texts every time
    for _ in range(500):
        points = [rng.randrange(0x110000) for _ in range(8)]
        text = "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
        assert parse("key=" + escape(text))["key"] == text


def test_known_spelling():
    assert escape("p\\w #!=:é🗝") == "p\\\\w \\#\\!\\=\\:\\u00e9\\ud83d\\udddd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key value", {"key": "value"}),
        ("key:value", {"key": "value"}),
        ("  key  =  value  ", {"key": "value  "}),
        ("a\\ b=c", {"a b": "c"}),
        ("# comment\n! comment\n\nkey=1", {"key": "1"}),
        ("key=one,\\\n   two", {"key": "one,two"}),
        ("key=one\\\\\nnext=2", {"key": "one\\", "next": "2"}),
        ("key", {"key": ""}),
        ("key=1\r\nkey=2\r\n", {"key": "2"}),
        ("key=a\\qb", {"key": "aqb"}),
        ("key=a\\", {"key": "a"}),
        ("# no continuation of comments\\\nkey=1", {"key": "1"}),
    ],
)
def test_reads_as_java_does(text, expected):
    assert parse(text) == expected


def test_malformed_escape():
    with pytest.raises(ValueError, match="malformed"):
        parse("key=\\u00g1")
