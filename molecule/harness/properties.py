"""Read a Java properties file as `java.util.Properties.load` does, which is how IBC reads its settings.

Source of fact: the Java SE 17 API documentation of `Properties.load(Reader)`. Written apart from the roles'
own writer, so that a mistake there is not repeated here.
"""

import re

_UNESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_KEY_END = re.compile(r"(?<!\\)(?:\\\\)*([=:\s])")


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    pending = ""
    for natural in re.split(r"\r\n|\n|\r", text):
        stripped = natural.lstrip(" \t\f")
        if not pending and (not stripped or stripped[0] in "#!"):
            continue
        trailing = len(stripped) - len(stripped.rstrip("\\"))
        if trailing % 2:
            pending += stripped[:-1]
            continue
        lines.append(pending + stripped)
        pending = ""
    if pending:
        lines.append(pending)
    return lines


def _unescape(text: str) -> str:
    def one(match: re.Match) -> str:
        found = match.group(1)
        if found[0] == "u" and len(found) == 5:
            return chr(int(found[1:], 16))
        return _UNESCAPES.get(found, found)

    return _ESCAPE.sub(one, text).encode("utf-16", "surrogatepass").decode("utf-16")


def load(raw: bytes) -> dict[str, str]:
    """Return the settings in a properties file; the last of several equal keys wins, as in Java.

    Args:
        raw: the file's content; ISO-8859-1, as `Properties.load(InputStream)` reads it.
    """
    settings = {}
    for line in _logical_lines(raw.decode("latin-1")):
        end = _KEY_END.search(line)
        key, rest = (line[: end.start(1)], line[end.start(1) :]) if end else (line, "")
        value = re.sub(r"^[ \t\f]*[=:]?[ \t\f]*", "", rest)
        settings[_unescape(key)] = _unescape(value)
    return settings
