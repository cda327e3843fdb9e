"""The operator's channels on a test host: the stand-in for Telegram, the webhook, and the mailbox."""

import json
from dataclasses import dataclass
from typing import Any

from testinfra.host import Host

from harness.instance import json_lines, run_probe
from harness.wait import wait_until

ADDRESS = "http://127.0.0.1:9098"
RECORDS = "/var/lib/testbed"


@dataclass(frozen=True)
class Phone:
    """The chat with the bot.

    Args:
        host: the test host.
    """

    host: Host

    def messages(self) -> list[dict[str, Any]]:
        """What the chat shows, the oldest first."""
        return self._ask("GET", "/messages")["messages"]

    def after(self, last: int) -> list[dict[str, Any]]:
        """The messages that came after the one with an id."""
        return [message for message in self.messages() if message["id"] > last]

    def last(self) -> int:
        """The id of the latest message; 0 when there is none."""
        return max((message["id"] for message in self.messages()), default=0)

    def message(self, number: int) -> dict[str, Any]:
        """One message as it looks now."""
        return next(message for message in self.messages() if message["id"] == number)

    def wait_for(self, words: str, after: int = 0, seconds: float = 30) -> dict[str, Any]:
        """Return the first message with certain words, as soon as there is one.

        Args:
            words: part of its text.
            after: the id of the last message that does not count.
            seconds: how long to wait at most.
        """

        def look() -> dict[str, Any] | None:
            return next((message for message in self.after(after) if words in text_of(message)), None)

        return wait_until(look, f"a message with {words!r}", seconds)

    def wait_until_it_says(self, number: int, words: str, seconds: float = 30) -> dict[str, Any]:
        """Return a message as soon as it has been changed to certain words."""

        def look() -> dict[str, Any] | None:
            message = self.message(number)
            return message if words in text_of(message) else None

        return wait_until(look, f"message {number} to say {words!r}", seconds)

    def press(self, message: dict[str, Any], label: str, **more: Any) -> str:
        """Press a button and return what the bot answered.

        Args:
            message: as `messages` has it.
            label: what is written on the button.
            **more: what the stand-in takes for tests, such as `user` or `data`.
        """
        query = self._ask("POST", "/press", {"message": message["id"], "button": label, **more})["query"]

        def look() -> dict[str, Any] | None:
            press = self._ask("GET", "/messages")["presses"].get(query, {})
            return press if "answer" in press else None

        return wait_until(look, f"an answer to the press of {label!r}", 20)["answer"]

    def script(self, *answers: dict[str, Any], method: str = "*") -> None:
        """Have the bot's coming calls answered otherwise than honestly; without answers, honestly again."""
        self._ask(
            "POST", "/script", {"answers": list(answers), "method": method} if answers else {"clear": True}
        )

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        body = [] if content is None else [json.dumps(content)]
        return run_probe(self.host, "http", method, ADDRESS + path, *body)


def text_of(message: dict[str, Any]) -> str:
    """The words of a message, whether they stand alone or under a picture."""
    return message.get("text") or message.get("caption") or ""


def title_of(message: dict[str, Any]) -> str:
    """The first line of a message, without severity and host."""
    return text_of(message).splitlines()[0].partition(": ")[2]


def labels(message: dict[str, Any]) -> list[str]:
    """What is written on a message's buttons."""
    return [label for row in message["buttons"] for label, _ in row]


def webhook(host: Host) -> list[dict[str, Any]]:
    """What the webhook was sent, as Apprise's JSON: title and message."""
    return [
        {**json.loads(entry["body"]), "time": entry["time"]}
        for entry in json_lines(host, f"{RECORDS}/webhook.jsonl")
    ]


def mailbox(host: Host) -> list[dict[str, Any]]:
    """What the mail server was sent."""
    return json_lines(host, f"{RECORDS}/mail.jsonl")
