r"""Java `.properties` text, as `java.util.Properties` reads it (Java SE API, `Properties.load`).

IBC's `config.ini` is such a file. A password with `\`, `#` or letters beyond Latin-1 must arrive intact.
"""

from __future__ import annotations

_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}
_UNNAMED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_BLANKS = " \t\f"


def escape(text: str) -> str:
    r"""Escape a value.

    Args:
        text: any text. Everything outside printable ASCII becomes `\uXXXX` (a surrogate pair beyond the BMP),
            so that the result does not depend on the file's encoding.

    Returns:
        ASCII text that `Properties.load` turns back into `text`.

    Raises:
        UnicodeEncodeError: `text` holds a lone surrogate.
    """
    out = []
    for char in text:
        if char in _NAMED:
            out.append(_NAMED[char])
        elif char in "\\#!=:" or (char == " " and not out):
            out.append("\\" + char)
        elif " " <= char <= "~":
            out.append(char)
        else:
            units = char.encode("utf-16-be")
            out.extend(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
    return "".join(out)


def parse(text: str) -> dict[str, str]:
    """Read a whole file.

    Args:
        text: the file's characters (decode the bytes as ISO-8859-1 first, as Java does).

    Returns:
        key → value; a later line with the same key wins.

    Raises:
        ValueError: a malformed Unicode escape.
    """
    result: dict[str, str] = {}
    for line in _logical_lines(text):
        key, value = _split(line)
        result[_unescape(key)] = _unescape(value)
    return result


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    pending: str | None = None
    for raw in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = raw.lstrip(_BLANKS)
        if pending is None and (not line or line[0] in "#!"):
            continue
        line = (pending or "") + line
        pending = None
        trailing = len(line) - len(line.rstrip("\\"))
        if trailing % 2:
            pending = line[:-1]
        else:
            lines.append(line)
    if pending is not None:
        lines.append(pending)
    return lines


def _split(line: str) -> tuple[str, str]:
    position = 0
    while position < len(line) and line[position] not in "=:" + _BLANKS:
        position += 2 if line[position] == "\\" else 1
    key, rest = line[:position], line[position:].lstrip(_BLANKS)
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(_BLANKS)
    return key, rest


def _unescape(text: str) -> str:
    out: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char != "\\" or position == len(text):
            out.append("" if char == "\\" else char)
            continue
        char = text[position]
        position += 1
        if char == "u":
            digits = text[position : position + 4]
            if len(digits) < 4 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
                raise ValueError(f"malformed Unicode escape: \\u{digits}")
            out.append(chr(int(digits, 16)))
            position += 4
        else:
            out.append(_UNNAMED.get(char, char))
    return "".join(out).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
