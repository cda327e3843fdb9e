"""The reader of Java properties that the Molecule tests judge by reads as Java does."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "molecule"))
from harness import properties


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a=b", {"a": "b"}),
        (b"  a : b  \n", {"a": "b  "}),
        (b"a b c", {"a": "b c"}),
        (b"# a=b\n! c=d\n\n", {}),
        (rb"key\=\:\ x=y", {"key=: x": "y"}),
        (rb"p=\\ \# \! \= \: %", {"p": "\\ # ! = : %"}),
        (rb"p=\u017c\u00f3", {"p": "żó"}),
        (rb"p=\uD83D\uDE00", {"p": "\N{GRINNING FACE}"}),
        (b"p=caf\xe9", {"p": "café"}),
        (b"p=one, \\\n    two", {"p": "one, two"}),
        (b"p=even\\\\\nq=r", {"p": "even\\", "q": "r"}),
        (rb"p=C:\\new\\u0041", {"p": "C:\\new\\u0041"}),
        (b"p=\\ lead", {"p": " lead"}),
        (b"a=1\r\na=2", {"a": "2"}),
        (b"empty=", {"empty": ""}),
        (b"alone", {"alone": ""}),
    ],
)
def test_reads_as_java_does(raw: bytes, expected: dict[str, str]):
    assert properties.load(raw) == expected
