"""The stand-ins themselves: a phone that is wrong about Telegram would prove nothing about the notifier."""

from __future__ import annotations

import http.client
import json
import smtplib
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from alerting_tools import ROOT
from free_ports import free_port
from notify_tools import TOKEN, USER, FakePhone, Mail, Webhook, request, wait_for
from scripted import Script

KEYS = json.dumps({"inline_keyboard": [[{"text": "Yes", "callback_data": "v1|A"}]]})


class RefusedError(Exception):
    """The Bot API's answer to a call it does not obey."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer['error_code']} {answer['description']}")
        self.answer = answer


def call(phone: FakePhone, method: str, token: str = TOKEN, **given: Any) -> Any:
    """Call the Bot API as a form, as python-telegram-bot does."""
    url = f"{phone.url}/bot{token}/{method}"
    try:
        with urllib.request.urlopen(url, urllib.parse.urlencode(given).encode(), timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read())["result"]
    except urllib.error.HTTPError as error:
        with error:
            raise RefusedError(json.loads(error.read())) from None


def say(phone: FakePhone, text: str = "hello", **given: Any) -> Any:
    return call(phone, "sendMessage", chat_id=USER, text=text, **given)


def test_a_bot_knows_itself(phone):
    assert call(phone, "getMe")["is_bot"] is True


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("sendMessage", {"chat_id": USER, "text": ""}, "400 Bad Request: message text is empty"),
        ("sendMessage", {"chat_id": USER, "text": "x" * 4097}, "400 Bad Request: message is too long"),
        ("sendMessage", {"chat_id": USER, "text": "😀" * 2049}, "400 Bad Request: message is too long"),
        ("sendMessage", {"chat_id": 5, "text": "x"}, "400 Bad Request: chat not found"),
        ("sendMessage", {"chat_id": USER, "text": "x", "reply_markup": "{"}, "can't parse reply keyboard"),
        (
            "sendMessage",
            {"chat_id": USER, "text": "x", "reply_markup": KEYS.replace("v1|A", "x" * 65)},
            "BUTTON_DATA_INVALID",
        ),
        ("editMessageText", {"chat_id": USER, "message_id": 9, "text": "x"}, "message to edit not found"),
        ("sendPhoto", {"chat_id": USER, "photo": "no file"}, "IMAGE_PROCESS_FAILED"),
        ("answerCallbackQuery", {"callback_query_id": "q1"}, "query is too old"),
        ("inventedMethod", {}, "404 Not Found"),
    ],
)
def test_it_refuses_what_telegram_refuses(phone, method, given, words):
    with pytest.raises(RefusedError, match=words):
        call(phone, method, **given)
    assert phone.messages() == []


def test_another_bots_token_is_refused(phone):
    with pytest.raises(RefusedError, match="401 Unauthorized"):
        call(phone, "getMe", token="1:other")


def test_text_and_buttons_can_be_changed_but_not_to_the_same(phone):
    number = say(phone, reply_markup=KEYS)["message_id"]
    call(phone, "editMessageText", chat_id=USER, message_id=number, text="other", reply_markup=KEYS)
    with pytest.raises(RefusedError, match="message is not modified"):
        call(phone, "editMessageText", chat_id=USER, message_id=number, text="other", reply_markup=KEYS)
    call(phone, "editMessageReplyMarkup", chat_id=USER, message_id=number)
    (shown,) = phone.messages()
    assert (shown["text"], shown["buttons"], shown["edits"]) == ("other", [], 2)


def test_a_press_reaches_the_long_poll_at_once_and_until_it_is_confirmed(phone):
    say(phone, reply_markup=KEYS)
    found: list[Any] = []
    poll = threading.Thread(target=lambda: found.extend(call(phone, "getUpdates", timeout=20)))
    poll.start()
    query = phone.press(message=1, button="Yes")
    poll.join(10)
    assert not poll.is_alive()
    (update,) = found
    assert update["callback_query"]["data"] == "v1|A"
    assert update["callback_query"]["message"]["chat"] == {
        "id": USER,
        "type": "private",
        "first_name": "Operator",
    }
    assert call(phone, "getUpdates", timeout=0) == found, "it comes again until it is confirmed"
    assert call(phone, "getUpdates", timeout=0, offset=update["update_id"] + 1) == []
    call(phone, "answerCallbackQuery", callback_query_id=query, text="Done")
    assert phone.answer(query) == "Done"
    with pytest.raises(RefusedError, match="query is too old"):
        call(phone, "answerCallbackQuery", callback_query_id=query, text="Done")


def test_a_second_poll_ends_the_first(phone):
    ended: list[str] = []

    def poll() -> None:
        try:
            call(phone, "getUpdates", timeout=20)
        except RefusedError as refused:
            ended.append(str(refused))

    first = threading.Thread(target=poll)
    first.start()
    while not ended:
        call(phone, "getUpdates", timeout=0)
        first.join(0.05)
    assert ended == ["409 Conflict: terminated by other getUpdates request"]


def test_a_script_is_followed_once_and_then_it_is_honest_again(phone):
    phone.script(
        "sendMessage", {"status": 429, "text": "Too Many Requests", "retry_after": 3}, {"status": 500}
    )
    with pytest.raises(RefusedError, match="429") as caught:
        say(phone)
    assert caught.value.answer["parameters"] == {"retry_after": 3}
    call(phone, "getMe")
    with pytest.raises(RefusedError, match="500"):
        say(phone)
    say(phone)
    assert len(phone.messages()) == 1


@pytest.mark.parametrize(("taken", "shown"), [(False, 0), (True, 1)])
def test_a_reset_may_come_before_or_after_the_message_was_taken(phone, taken, shown):
    phone.script("*", {"reset": True, "taken": taken})
    with pytest.raises((ConnectionError, urllib.error.URLError, http.client.HTTPException)):
        say(phone)
    assert len(phone.messages()) == shown


def test_what_hangs_ends_when_the_script_is_cleared(phone):
    phone.script("*", {"hang": 60, "ok": True})
    sent: list[Any] = []
    thread = threading.Thread(target=lambda: sent.append(say(phone)))
    thread.start()
    wait_for(lambda: phone.calls("sendMessage"))
    assert sent == []
    phone.script(clear=True)
    thread.join(10)
    assert sent[0]["message_id"] == 1


def test_a_script_that_is_cleared_before_its_call_hangs_lets_it_go():
    script = Script()
    script.obey({"answers": [{"hang": 20}]})
    plan, clears = script.next("sendMessage")
    script.obey({"clear": True})
    begin = time.monotonic()
    script.hang(plan["hang"], clears)
    assert time.monotonic() - begin < 10


def test_every_call_is_recorded_without_the_token(phone):
    say(phone, "ü")
    (entry,) = phone.calls("sendMessage")
    assert (entry["given"]["text"], entry["status"]) == ("ü", 200)
    assert entry["time"].endswith("Z")
    assert TOKEN not in phone.kept.read_text()


def test_the_page_shows_only_what_the_stand_in_serves(phone):
    with urllib.request.urlopen(phone.url, timeout=10) as answer:  # noqa: S310
        page = answer.read().decode()
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Nothing leaves this machine." in page
    assert "//" not in page.replace("://", "").partition("<script>")[0], "nothing is loaded from elsewhere"
    for path in ("/messages", "/press", "/approve"):
        assert f'"{path}"' in page


@pytest.mark.parametrize(
    ("path", "given"), [("/press", {"message": 9, "button": 0}), ("/nonsense", {}), ("/approve", {})]
)
def test_what_is_not_there_is_an_error(phone, path, given):
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        request(phone.url + path, given)
    caught.value.close()


def program(name: str, tmp_path: Path, *arguments: str) -> Iterator[tuple[int, Path]]:
    """Run a stand-in as its service does, on a free port."""
    port = free_port()
    kept = tmp_path / "record.jsonl"
    process = subprocess.Popen(
        [sys.executable, ROOT / "testbed" / name, "--port", str(port), "--record", str(kept), *arguments]
    )

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(answers)
        yield port, kept
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def phone_program(tmp_path) -> Iterator[tuple[int, Path]]:
    yield from program("phone.py", tmp_path, "--user", "5", "--approve-command", "echo approved 'for live'")


@pytest.fixture
def smtp_program(tmp_path) -> Iterator[tuple[int, Path]]:
    yield from program("smtp_receiver.py", tmp_path)


def test_the_page_can_approve_the_push(phone_program):
    port, _ = phone_program
    assert request(f"http://127.0.0.1:{port}/approve", {}) == {"code": 0, "text": "approved for live"}


def test_a_mail_is_recorded(smtp_program):
    port, kept = smtp_program
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "[action] ü", "a@example.org", "b@example.org"
    mail.set_content("first\n.second with a dot\n")
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.send_message(mail)
    (entry,) = [json.loads(line) for line in kept.read_text().splitlines()]
    assert (entry["subject"], entry["to"]) == ("[action] ü", ["b@example.org"])
    assert entry["body"].splitlines() == ["first", ".second with a dot"]


def test_a_mail_server_can_refuse(tmp_path):
    mail = Mail(tmp_path, answer=451)
    with (
        smtplib.SMTP("127.0.0.1", mail.port, timeout=10) as client,
        pytest.raises(smtplib.SMTPDataError, match="451"),
    ):
        client.sendmail("a@example.org", ["b@example.org"], "Subject: x\r\n\r\nx")
    assert mail.record() == []
    mail.close()


def test_a_webhook_follows_its_script(tmp_path):
    webhook = Webhook(tmp_path)
    webhook.script({"status": 503, "retry_after": 4}, {"reset": True}, {"status": 200})
    with pytest.raises(urllib.error.HTTPError, match="503") as caught:
        request(webhook.url, {"title": "a"})
    assert caught.value.headers["Retry-After"] == "4"
    caught.value.close()
    with pytest.raises((ConnectionError, urllib.error.URLError, http.client.HTTPException)):
        request(webhook.url, {"title": "b"})
    request(webhook.url, {"title": "c"})
    request(webhook.url, {"title": "d"})
    assert webhook.titles() == ["d"], "what a script answers is not taken"
    webhook.close()
