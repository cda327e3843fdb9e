"""The demo's phone: what it shows of the messages that arrive, and the buttons it presses."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "testbed"))
import phone as stand_in  # noqa: E402 - needs the path above

from scripts.lib import demo_phone  # noqa: E402 - as above
from testbed.lib.progress import UserError  # noqa: E402 - as above

CHAT = 4711


class Bot:
    """Sends and edits, as the notifier does."""

    def __init__(self, port: int) -> None:
        self.port = port

    def call(self, method: str, **given: object) -> object:
        """Call a method of the Bot API."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/bot1:x/{method}",
            json.dumps({"chat_id": CHAT, **given}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own server
            return json.load(answer)["result"]

    def ask(self) -> int:
        """Send the message that asks; return its number."""
        keys = json.dumps({"inline_keyboard": [[{"text": "Send me the push", "callback_data": "v1|N"}]]})
        return self.call("sendMessage", text="May I?\n\nThe reason.", reply_markup=keys)["message_id"]


@pytest.fixture
def bot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bot]:
    server = stand_in.serve(0, CHAT)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    port = server.server_address[1]
    monkeypatch.setattr(demo_phone, "PORT", port)
    yield Bot(port)
    server.shutdown()
    server.server_close()


@pytest.fixture
def phone() -> demo_phone.Phone:
    def here(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return demo_phone.Phone(here)


def test_a_message_is_shown_once_and_its_changes_by_their_title(bot: Bot, phone, capsys):
    number = bot.ask()
    phone.news()
    shown = capsys.readouterr().out
    assert "May I?" in shown
    assert "│ The reason." in shown
    assert "└ [Send me the push]" in shown
    phone.news()
    assert capsys.readouterr().out == ""
    bot.call("editMessageText", message_id=number, text="Approve now\n\nThe reason.")
    phone.news()
    assert capsys.readouterr().out.splitlines()[0].endswith("the same message now says: Approve now")


def test_a_pressed_button_reaches_the_bot_and_its_answer_is_shown(bot: Bot, phone, capsys):
    number = bot.ask()

    def answer() -> None:
        (update,) = bot.call("getUpdates", timeout=10)
        query = update["callback_query"]
        assert (query["data"], query["from"]["id"]) == ("v1|N", CHAT)
        bot.call("answerCallbackQuery", callback_query_id=query["id"], text="It starts.")

    answering = threading.Thread(target=answer)
    answering.start()
    assert phone.wait_for_button("Send me the push", 5) == number
    assert phone.press(number, "Send me the push") == "It starts."
    answering.join()
    assert "(It starts.)" in capsys.readouterr().out


@pytest.mark.usefixtures("bot")
def test_a_button_that_does_not_come_says_where_to_look(phone):
    with pytest.raises(UserError, match="journalctl -u ibgateway-watch"):
        phone.wait_for_button("Send me the push", 0.1)


def test_a_phone_that_is_off_is_one_sentence(phone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo_phone, "PORT", 1)
    with pytest.raises(UserError, match="the phone does not answer"):
        phone.news()
