"""The demo's phone: shows what arrives on the stand-in for Telegram, and presses its buttons."""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from testbed.lib.progress import UserError, say

PORT = 9098
# Runs on the VPS, where the phone is: PATH, and what to POST there as JSON.
ASK = """
import sys, urllib.request
request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}{sys.argv[2]}", sys.argv[3].encode() or None)
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


class Phone:
    """What is on the phone, and what of it was shown already."""

    def __init__(self, run: Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]) -> None:
        """Begin with a phone nobody has looked at.

        Args:
            run: runs a command on the VPS.
        """
        self._run = run
        self._shown: dict[int, str] = {}

    def news(self) -> list[dict[str, Any]]:
        """Show each message that is new, and the first line of each that has changed.

        Returns:
            all messages on the phone, the oldest first.
        """
        messages = self._ask("/messages")["messages"]
        for message in messages:
            text = message.get("text") or message.get("caption") or ""
            before = self._shown.get(message["id"])
            if text != before:
                self._shown[message["id"]] = text
                self._show(message, text, before)
        return messages

    def wait_for_button(self, label: str, seconds: float) -> int:
        """Wait until a message has a button.

        Args:
            label: what is written on it.
            seconds: how long to wait at most.

        Returns:
            the newest such message's id.

        Raises:
            UserError: there is none in time.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [message["id"] for message in self.news() if label in labels(message)]
            if found:
                return found[-1]
            time.sleep(0.3)
        raise UserError(
            f"no message with the button “{label}” came: see `journalctl -u ibgateway-watch` and `-notify`."
        )

    def press(self, message: int, label: str) -> str:
        """Press a button, and show what the phone answers.

        Args:
            message: its message's id.
            label: what is written on it.

        Returns:
            the answer.
        """
        query = self._ask("/press", {"message": message, "button": label})["query"]
        until = time.monotonic() + 10
        answer = ""
        while not answer and time.monotonic() < until:
            time.sleep(0.1)
            answer = self._ask("/messages")["presses"][query].get("answer", "")
        say(f"    │ ({answer or 'no answer'})")
        return answer

    def _ask(self, path: str, given: dict[str, Any] | None = None) -> Any:
        content = json.dumps(given) if given is not None else ""
        done = self._run(["python3", "-c", ASK, str(PORT), path, content])
        if done.returncode != 0:
            raise UserError(f"the phone does not answer: {done.stderr.strip().splitlines()[-1:]}")
        return json.loads(done.stdout)

    def _show(self, message: dict[str, Any], text: str, before: str | None) -> None:
        title, *body = text.splitlines() or ["(a picture)"]
        when = time.strftime("%H:%M:%S")
        if before is not None:
            say(f"    ┆ {when}  the same message now says: {title}")
            return
        say(f"    ┌ {when}  {title}")
        for line in body:
            if line:
                say(f"    │ {line}")
        if "photo" in message:
            say(f"    │ [a picture, {message['photo'] // 1024} KiB]")
        say("    └ " + "  ".join(f"[{label}]" for label in labels(message)))


def labels(message: dict[str, Any]) -> list[str]:
    """Return what is written on a message's buttons."""
    return [label for row in message["buttons"] for label, _ in row]
