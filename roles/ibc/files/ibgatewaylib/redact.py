"""Blacking out what nobody else must read: known secrets word for word, and whatever looks like one.

Each thing gets a name of its own (`ACCOUNT-1`), so that one can still follow it through the text.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections import Counter
from urllib.parse import parse_qsl, quote, urlsplit

from . import properties

SHORTEST = 3
"""Characters: shorter than that, a known value would black out half of everything."""
LONGEST_WORD = 5
"""Up to so many characters a value is looked for as a word of its own."""

_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*)://[^\s\"'<>\\]+")
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?!\.?(?:service|timer|target)\b)")
_UNIT = re.compile(r"\.(?:service|timer|target|socket|mount|slice)$")
_BOT = re.compile(r"(?<!\d)\d{6,}:[A-Za-z0-9_-]{20,}")
_ACCOUNT = re.compile(r"(?<![A-Za-z0-9])D?[UFI]\d{5,9}(?![A-Za-z0-9])")
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Za-z])")
_VALUE = re.compile(
    r"(?i)(\b\w*(?:password|passwd|passphrase|token|secret|api_?key|LoginId|acknowledged_by)\w*\"?\s*[=:]\s*)"
    r"(\"(?:[^\"\\\n]|\\.)*\"|\\\"[^\"\\\n]*\\\"|[^\s,}\"\\]+)"
)
_PEOPLE = re.compile(r"(?m)^(\s*(?:users|who)\s*=\s*).+$")
_HARMLESS = re.compile(r"(?i)\"?(?:-?\d+(?:\.\d+)?|true|false|yes|no|null|none|)\"?|\[\]?|\{")
_LOCAL = [
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/32", "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "255.255.255.255/32", "::/127", "fe80::/10", "fc00::/7",
    )
]  # fmt: skip


class Redactor:
    """Blacks out text.

    Attributes:
        counts: how often each kind of thing was blacked out.

    Args:
        known: kind and value of every secret that is known. Kind `operator` is looked for as a word only, and
            is no secret that `leaks` looks for.
    """

    def __init__(self, known: list[tuple[str, str]]) -> None:
        self.counts: Counter[str] = Counter()
        self._names: dict[tuple[str, str], str] = {}
        # Longest first: a password may hold the user name.
        usable = sorted({pair for pair in known if len(pair[1]) >= SHORTEST}, key=lambda pair: -len(pair[1]))
        self._secrets = [(kind, value) for kind, value in usable if kind != "operator"]
        self._known = [(kind, value, _pattern(kind, value)) for kind, value in usable]

    def __call__(self, text: str) -> str:
        """Return the text without them."""
        for kind, value, pattern in self._known:
            text = pattern.sub(lambda _, kind=kind, value=value: self._name(kind, value), text)
        text = _BOT.sub(lambda found: self._name("token", found[0]), text)
        text = _URL.sub(self._url, text)
        text = _MAIL.sub(
            lambda found: found[0] if _UNIT.search(found[0]) else self._name("mail", found[0]), text
        )
        text = _VALUE.sub(self._value, text)
        text = _PEOPLE.sub(lambda found: f'{found[1]}"{self._name("person", found[0])}"', text)
        text = _ACCOUNT.sub(lambda found: self._name("account", found[0]), text)
        text = _IPV4.sub(lambda found: self._address(found[0]), text)
        return _IPV6.sub(lambda found: self._address(found[0]), text)

    def leaks(self, data: bytes) -> list[str]:
        """Return the kinds of the known secrets that are in there all the same, in whatever form."""
        lower = data.lower()
        return [
            kind
            for kind, value in self._secrets
            if len(value) > LONGEST_WORD and any(form.lower() in lower for form in _forms(value))
        ]

    def _name(self, kind: str, value: str) -> str:
        self.counts[kind] += 1
        number = 1 + sum(1 for other, _ in self._names if other == kind)
        return self._names.setdefault((kind, value), f"{kind.upper()}-{number}")

    def _url(self, found: re.Match[str]) -> str:
        return found[0] if found[1] == "file" else f"{found[1]}://{self._name('address', found[0])}"

    def _value(self, found: re.Match[str]) -> str:
        value = found[2]
        if _HARMLESS.fullmatch(value) or re.fullmatch(r"\"?[A-Z]+-\d+\"?", value):
            return found[0]
        name = self._name("value", value)
        return f'{found[1]}"{name}"' if value.startswith('"') else f"{found[1]}{name}"

    def _address(self, text: str) -> str:
        core = text
        while core.endswith(":") and not core.endswith("::"):
            core = core[:-1]
        try:
            address = ipaddress.ip_address(core)
        except ValueError:
            return text
        if any(address in network for network in _LOCAL if network.version == address.version):
            return text
        return self._name("ip", core) + text[len(core) :]


def of_url(url: str) -> list[str]:
    """Return a channel's address and those of its parts that may be secrets of their own."""
    found = [url]
    try:
        split = urlsplit(url)
        options = [value for _, value in parse_qsl(split.query)]
    except ValueError:
        return found  # an odd one: it is looked for as a whole
    # Apprise has tokens anywhere: before the @, as host or port, in the path, among the options.
    account, _, where = split.netloc.rpartition("@")
    parts = [*where.split(":"), *split.path.split("/"), *options]
    found += [part for part in account.split(":") if part]
    return found + [part for part in parts if len(part) >= 8 and "." not in part]


def _pattern(kind: str, value: str) -> re.Pattern[str]:
    forms = {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        quote(value, safe=""),
    }
    forms |= {quote(value), properties.escape(value)}
    text = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    if kind == "operator" or len(value) <= LONGEST_WORD:
        return re.compile(rf"(?<!\w)(?:{text})(?!\w)")
    return re.compile(text, re.IGNORECASE)


def _forms(value: str) -> list[bytes]:
    raw = value.encode()
    forms = [raw, json.dumps(value)[1:-1].encode(), quote(value, safe="").encode(), raw.hex().encode(),
             properties.escape(value).encode()]  # fmt: skip
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        forms.append(encoded[(shift * 8 + 5) // 6 : len(encoded) - 4])
    return [form for form in forms if len(form) > LONGEST_WORD]
