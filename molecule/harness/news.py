"""What people hear of an instance or of the host from a moment on: on each channel, in order, and no more."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from harness import words
from harness.phone import Phone, mailbox, text_of, webhook
from harness.wait import wait_until

HOST = ""
CHANNELS = ("phone", "webhook", "mail")
_TITLE = re.compile(r"\[(?P<severity>\w+)\] (?:(?P<who>[\w-]+) on )?\S+: (?P<words>.*)")

Heard = list[tuple[str, str]]
"""Severity and words of each title."""


class News:
    """What the channels got about one of them.

    Args:
        phone: the chat.
        who: the instance's name, or HOST.
    """

    def __init__(self, phone: Phone, who: str) -> None:
        self._phone = phone
        self._host = phone.host
        self._who = who
        self.seen: set[str] = set()
        """The kinds whose messages were looked at."""
        self.begin()

    def begin(self) -> None:
        """From now on."""
        self._last = self._phone.last()
        self._hooked = len(webhook(self._host))
        self._mailed = len(mailbox(self._host))

    def heard(self) -> dict[str, Heard]:
        """What came since, by channel; the chat as it looks now."""
        return {channel: self._heard_on(channel) for channel in CHANNELS}

    def _heard_on(self, channel: str) -> Heard:
        if channel == "phone":
            messages = self._phone.after(self._last)
            return self._of(text_of(message).splitlines()[0] for message in messages)
        if channel == "webhook":
            return self._of(entry["title"] for entry in webhook(self._host)[self._hooked :])
        return self._of(entry["subject"] for entry in mailbox(self._host)[self._mailed :])

    def exactly(
        self,
        *expected: str,
        webhook: Sequence[str] | None = None,
        mail: Sequence[str] = (),
        in_order: bool = True,
        seconds: float = 15,
    ) -> None:
        """Wait until as much was heard as is expected, and see that it is that, in this order, and no more.

        Args:
            *expected: what the chat shows: kinds of the catalogue, or how a title begins.
            webhook: what the webhook got, if that differs.
            mail: what the mailbox got.
            in_order: False where nothing decides what comes first, and only kinds are expected.
            seconds: how long to wait at most.

        Raises:
            AssertionError: it is something else.
        """
        wanted = {"phone": expected, "webhook": expected if webhook is None else webhook, "mail": mail}

        def enough() -> bool:
            # One after the other: each look is a process on the host, and mostly the first one finds too few.
            return all(len(self._heard_on(channel)) >= len(wanted[channel]) for channel in CHANNELS)

        with suppress(AssertionError):
            wait_until(enough, "as many messages as are expected", seconds)
        heard = self.heard()
        if not in_order:
            heard = {channel: sorted(of, key=lambda one: one[1]) for channel, of in heard.items()}
            wanted = {channel: sorted(of, key=words.title) for channel, of in wanted.items()}
        wrong = [
            channel
            for channel in wanted
            if len(heard[channel]) != len(wanted[channel])
            or not all(map(_is, heard[channel], wanted[channel]))
        ]
        if wrong:
            raise AssertionError(f"on {', '.join(wrong)}: expected {wanted}, heard {heard}")
        self.seen.update(word for expected in wanted.values() for word in expected if word in words.KINDS)

    def once(self, kind: str, seconds: float = 30) -> None:
        """Wait until a kind was told since the host was made, and see that it was told once, and to whom.

        Args:
            kind: of the catalogue, and not urgent enough for the mailbox.
            seconds: how long to wait at most.
        """
        marks = self._last, self._hooked, self._mailed
        self._last = self._hooked = self._mailed = 0

        def counts() -> list[int]:
            return [sum(_is(one, kind) for one in heard) for heard in self.heard().values()]

        try:
            wait_until(
                lambda: counts() == [1, 1, 0], f"{kind}, once on the phone and on the webhook", seconds
            )
        finally:
            self._last, self._hooked, self._mailed = marks
        self.seen.add(kind)

    def _of(self, titles: Iterable[str]) -> Heard:
        found = [_TITLE.match(title) for title in titles]
        return [(one["severity"], one["words"]) for one in found if one and (one["who"] or HOST) == self._who]


def _is(heard: tuple[str, str], expected: str) -> bool:
    severity, said = heard
    if expected not in words.KINDS:
        return said.startswith(expected)
    # Behind a comma: how many logins are left.
    title = words.title(expected)
    return (said == title or said.startswith(f"{title}, ")) and severity in words.severities(expected)
