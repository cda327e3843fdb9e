"""The kinds of value an IBC setting takes: each checks what an operator wrote and gives IBC's spelling.

IBC trims texts, but neither numbers nor booleans: `yes ` silently means the default, and `7462 ` means no
command server at all. So nothing with a blank at either end passes here.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Protocol

CLOCK_24 = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
CLOCK_12 = re.compile(r"(0[1-9]|1[0-2]):[0-5][0-9] (AM|PM)")
LOOSE_CLOCK = re.compile(r"\s*(\d{1,2})[:.](\d{2})(?::\d{2})?\s*([AaPp]\.?[Mm]\.?)?\s*")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MINUTES_PER_DAY = 24 * 60


class BadValueError(ValueError):
    """A value IBC would not understand; the text is the end of a sentence and names the remedy."""


class Kind(Protocol):
    """One kind of value."""

    name: str

    def check(self, value: Any) -> str:
        """Return the value as IBC reads it.

        Args:
            value: what the operator wrote, as YAML gave it; never None or an empty text.

        Raises:
            BadValueError: with the remedy.
        """


def text_of(value: Any) -> str:
    """Return a scalar as text.

    Args:
        value: a text or number.

    Raises:
        BadValueError: for lists, mappings, booleans, and for texts with outer blanks or control characters.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadValueError(f"must be a text, not {_shown(value)}: put the value in quotes")
    text = str(value)
    if text != text.strip():
        raise BadValueError(f"has a blank at its beginning or end ({text!r}): remove it")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise BadValueError("contains a line break or control character: remove it")
    return text


def clock(value: Any) -> int | None:
    """Guess which minute of the day somebody meant.

    Args:
        value: a text such as `7:05 pm`, or the number YAML 1.1 makes of an unquoted 17:15.

    Returns:
        Minutes after midnight, or None where no guess is possible.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MINUTES_PER_DAY:
        return value
    match = LOOSE_CLOCK.fullmatch(str(value))
    if not match:
        return None
    hour, minute, half = int(match[1]), int(match[2]), (match[3] or "").upper().replace(".", "")
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "PM" else 0)
    return hour * 60 + minute if hour < 24 and minute < 60 else None


def as_12_hours(minutes: int) -> str:
    """Return a minute of the day as `hh:mm AM|PM`, the form of AutoRestartTime: one blank, two-digit hour."""
    hour, minute = divmod(minutes, 60)
    return f"{hour % 12 or 12:02d}:{minute:02d} {'AM' if hour < 12 else 'PM'}"


def as_24_hours(minutes: int) -> str:
    """Return a minute of the day as `HH:mm`."""
    return "{:02d}:{:02d}".format(*divmod(minutes, 60))


def _shown(value: Any) -> str:
    """Return a value as the operator would recognise it in a message."""
    if isinstance(value, bool):
        return "yes/true" if value else "no/false"
    return repr(str(value)) if isinstance(value, str) else str(value)


@dataclass(frozen=True)
class Bool:
    """Yes or no. YAML's booleans and IBC's own words are both taken."""

    name: str = "yes or no"

    def check(self, value: Any) -> str:
        """Return `yes` or `no`."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        text = text_of(value)
        words = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
        if text.lower() not in words:
            raise BadValueError(f"must be yes or no, not {_shown(value)}")
        return words[text.lower()]


@dataclass(frozen=True)
class Int:
    """A whole number in a range."""

    low: int
    high: int
    unit: str = ""

    @property
    def name(self) -> str:
        """The range, with its unit."""
        return f"whole number {self.low} to {self.high}{f' {self.unit}' if self.unit else ''}"

    def check(self, value: Any) -> str:
        """Return the number's digits."""
        text = text_of(value)
        if not (text.isascii() and text.isdigit()) or not self.low <= int(text) <= self.high:
            raise BadValueError(f"must be a {self.name}, not {_shown(value)}")
        return str(int(text))


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The words."""
        return ", ".join(self.words)

    def check(self, value: Any) -> str:
        """Return the word."""
        text = "" if isinstance(value, bool) else text_of(value)
        if text not in self.words:
            near = difflib.get_close_matches(text.lower(), self.words, n=1, cutoff=0.5)
            hint = f": write {near[0]}" if near else ""
            raise BadValueError(f"must be one of {self.name}, not {_shown(value)}{hint}")
        return text


@dataclass(frozen=True)
class Text:
    """Any text on one line."""

    name: str = "text"

    def check(self, value: Any) -> str:
        """Return the text."""
        return text_of(value)


@dataclass(frozen=True)
class AbsolutePath:
    """A file's full path."""

    name: str = "absolute path"

    def check(self, value: Any) -> str:
        """Return the path."""
        text = text_of(value)
        if not text.startswith("/"):
            raise BadValueError(f"must be a path that begins with '/', not {_shown(value)}")
        return text


@dataclass(frozen=True)
class IpList:
    """IP addresses separated by commas. IBC compares them as texts: no blanks, no networks."""

    name: str = "IP addresses separated by commas"

    def check(self, value: Any) -> str:
        """Return the list without blanks; a YAML list is taken too."""
        parts = value if isinstance(value, list | tuple) else text_of(value).split(",")
        addresses = [text_of(part.strip()) if isinstance(part, str) else str(part) for part in parts]
        for address in addresses:
            try:
                loopback = ipaddress.ip_address(address).is_loopback
            except ValueError:
                raise BadValueError(
                    f"must be {self.name}, and {address!r} is none (host names and networks are not)"
                ) from None
            if loopback:
                raise BadValueError(f"must not list {address}, which may always connect: leave it out")
        return ",".join(addresses)


@dataclass(frozen=True)
class Time12:
    """A time of day as Gateway's own settings spell it."""

    name: str = "hh:mm AM or hh:mm PM"

    def check(self, value: Any) -> str:
        """Return the time."""
        return _time(value, CLOCK_12, self.name, as_12_hours, "05:15 PM")


@dataclass(frozen=True)
class Time24:
    """A time of day on the 24-hour clock."""

    name: str = "HH:mm"

    def check(self, value: Any) -> str:
        """Return the time."""
        return _time(value, CLOCK_24, self.name, as_24_hours, "17:15")


def _time(value: Any, pattern: re.Pattern[str], form: str, spell: Any, example: str) -> str:
    """Return a time that matches the pattern, or refuse it with the spelling that would do."""
    if isinstance(value, str) and pattern.fullmatch(value):
        return str(value)
    meant = clock(value)
    remedy = f'write "{example if meant is None else spell(meant)}" in quotes'
    raise BadValueError(f"must be a time as {form}, not {_shown(value)}: {remedy}")


@dataclass(frozen=True)
class DayTime:
    """A time of day, optionally on one day of the week: in English, for the unit runs in the C locale."""

    name: str = "HH:mm, or a day and HH:mm, such as Friday 22:00"

    def check(self, value: Any) -> str:
        """Return day and time."""
        text = text_of(value)
        day, blank, time = text.rpartition(" ")
        if blank and day not in DAYS:
            near = difflib.get_close_matches(day.capitalize(), DAYS, n=1, cutoff=0.3)
            hint = f"write {near[0] if near else 'one of ' + ', '.join(DAYS)}"
            raise BadValueError(f"must be {self.name}, and {day!r} is no day of the week: {hint}")
        checked = Time24().check(time if blank or isinstance(value, str) else value)
        return f"{day} {checked}" if blank else checked


@dataclass(frozen=True)
class SaveTimes:
    """The times at which TWS saves its settings: a list of times, or an interval."""

    name: str = "HH:mm HH:mm … , or: Every n [mins|hours] [HH:mm [HH:mm]]"

    def check(self, value: Any) -> str:
        """Return the times."""
        words = text_of(value).split()
        if words and words[0].lower() == "every":
            if len(words) < 2 or not words[1].isdigit() or int(words[1]) == 0:
                raise BadValueError(f"must be {self.name}, not {_shown(value)}: write a number after Every")
            head = 3 if len(words) > 2 and words[2].lower() in ("mins", "hours") else 2
            times = words[head:]
            if len(times) > 2:
                raise BadValueError(
                    f"must be {self.name}, not {_shown(value)}: at most a start and an end time"
                )
        else:
            times = words
        for time in times:
            Time24().check(time)
        return " ".join(words)


@dataclass(frozen=True)
class OrderIdAnswers:
    """Two answers with a solidus between them."""

    name: str = "two of confirm, reject, ignore, such as confirm/reject"

    def check(self, value: Any) -> str:
        """Return both answers."""
        text = text_of(value)
        parts = text.split("/")
        if len(parts) != 2 or any(part not in ("confirm", "reject", "ignore") for part in parts):
            raise BadValueError(f"must be {self.name}, not {_shown(value)}")
        return text
