"""The Telegram channel against the stand-in for its Bot API, over real sockets."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alerting_tools import START, FakeClock
from httpx._transports import default as transports
from ibgateway_alerting.model import EDIT, EDIT_OR_SEND, Button, Message
from ibgateway_alerting.notify import pauses, presses, telegram_channel, telegram_url
from ibgateway_alerting.notify.errors import BrokenError, DeliveryError, NotEditableError, RefusedError
from ibgateway_alerting.notify.lane import Lane
from ibgateway_alerting.notify.presses import NOT_ALLOWED, NOT_OURS, NOT_STORED, RECEIVED, PressPoller
from ibgateway_alerting.notify.telegram_channel import TelegramChannel
from notify_tools import TOKEN, USER, FakePhone, request

PUSH = Button("push", "Send me the push", "ABCDEFGHABCDEFGH")
LATER = Button("later_30", "Later (30 min)", "BBCDEFGHABCDEFGH")
MINE = Button("mine", "I'm on it", "CBCDEFGHABCDEFGH")
ASKED = Message("action", "[action] live on vps1: Log in", "Why.\nYou: press.", (PUSH, LATER, MINE))
DECIDE_SECONDS = presses.DECIDE_SECONDS
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 5000


class Client:
    """Makes a channel and a poller in an event loop, and closes their connections at the end."""

    def __init__(self, url: str, store: Any) -> None:
        self.url = url
        self.store = store

    def do(self, work: Callable[[TelegramChannel], Coroutine[Any, Any, Any]]) -> Any:
        async def run() -> Any:
            address = telegram_url.parse(self.url)
            channel = TelegramChannel("phone", address, buttons=True)
            try:
                return await work(channel)
            finally:
                await channel.bot.shutdown()
                await channel.bot.request.shutdown()

        return asyncio.run(run())

    def send(self, message: Message) -> Any:
        return self.do(lambda channel: channel.send(message))

    def edit(self, reference: Any, message: Message) -> Any:
        return self.do(lambda channel: channel.edit(reference, message))

    def poll(self, times: int = 1, users: tuple[int, ...] = (USER,), **changes: Any) -> PressPoller:
        """Ask for presses so often, at once without one, and answer those that came."""

        async def run(channel: TelegramChannel) -> PressPoller:
            poller = PressPoller(channel, USER, users, clock=lambda: START, poll_seconds=0, **changes)
            poller.use(self.store)
            poller.resume()
            for _ in range(times):
                self.wait = await poller.step()
            await asyncio.gather(*poller._answers)
            return poller

        return self.do(run)


@pytest.fixture(scope="module", autouse=True)
def certificates_once() -> Iterator[None]:
    """Load the certificates once: each channel has its own client, and none of them meets TLS here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transports, "create_ssl_context", functools.cache(transports.create_ssl_context))
        yield


@pytest.fixture
def client(phone, store) -> Client:
    return Client(phone.channel, store)


@pytest.fixture(autouse=True)
def decide_soon(monkeypatch) -> None:
    """Most tests have no watcher that decides about a press."""
    monkeypatch.setattr(presses, "DECIDE_SECONDS", 0.1)


# --- messages ---


def test_a_message_arrives_with_its_buttons(client, phone):
    assert client.send(ASKED) == 1
    (shown,) = phone.messages()
    assert shown["text"] == "[action] live on vps1: Log in\n\nWhy.\nYou: press."
    assert shown["buttons"] == [
        [["Send me the push", "v1|ABCDEFGHABCDEFGH"]],
        [["Later (30 min)", "v1|BBCDEFGHABCDEFGH"], ["I'm on it", "v1|CBCDEFGHABCDEFGH"]],
    ]
    assert shown["silent"] is False


def test_what_is_only_information_makes_no_sound(client, phone):
    client.send(Message("info", "[info] live: back", ""))
    assert phone.messages()[0]["silent"] is True


def test_where_nobody_may_press_there_are_no_buttons(client, phone):
    async def send() -> None:
        channel = TelegramChannel("phone", telegram_url.parse(phone.channel), buttons=False)
        await channel.send(ASKED)
        await channel.bot.request.shutdown()

    asyncio.run(send())
    assert phone.messages()[0]["buttons"] == []


def test_an_edit_changes_text_and_buttons(client, phone):
    number = client.send(ASKED)
    assert client.edit(number, Message("action", "[action] 2:45", "Approve.")) == number
    (shown,) = phone.messages()
    assert (shown["text"], shown["buttons"], shown["edits"]) == ("[action] 2:45\n\nApprove.", [], 1)


def test_an_edit_that_changes_nothing_counts_as_done(client, phone):
    number = client.send(ASKED)
    assert client.edit(number, ASKED) == number
    assert phone.calls("editMessageText")[0]["status"] == 400


@pytest.mark.parametrize("reference", [99, "not a number", None])
def test_a_message_that_is_not_there_cannot_be_edited(client, phone, reference):
    with pytest.raises(NotEditableError):
        client.edit(reference, ASKED)


def test_a_picture_arrives_with_its_caption(client, phone, tmp_path):
    (tmp_path / "week.png").write_bytes(PNG)
    message = Message("info", "[info] The week", "Up 99.9 %.", (), str(tmp_path / "week.png"))
    number = client.send(message)
    (shown,) = phone.messages()
    assert (shown["caption"], shown["photo"]) == ("[info] The week\n\nUp 99.9 %.", len(PNG))
    with pytest.raises(NotEditableError):
        client.edit(number, ASKED)


def test_a_picture_with_a_long_text_is_followed_by_it(client, phone, tmp_path):
    (tmp_path / "week.png").write_bytes(PNG)
    message = Message("info", "[info] The week", "x" * 2000, (), str(tmp_path / "week.png"))
    assert client.send(message) == 2
    picture, text = phone.messages()
    assert picture["caption"] == "[info] The week"
    assert text["text"].endswith("x" * 2000)


def test_a_picture_that_is_gone_does_not_hold_the_text_up(client, phone):
    client.send(Message("info", "[info] The week", "Up 99.9 %.", (), "/nonexistent/week.png"))
    assert phone.messages()[0]["text"] == "[info] The week\n\nUp 99.9 %."


def test_a_picture_that_telegram_refuses_is_refused(client, phone, tmp_path):
    (tmp_path / "week.png").write_bytes(b"no picture")
    with pytest.raises(RefusedError, match="Image_process_failed"):
        client.send(Message("info", "[info] The week", "", (), str(tmp_path / "week.png")))


@pytest.mark.parametrize("letter", ["x", "ü", "😀", "e\u0301"])
def test_a_long_text_is_shortened_to_what_telegram_takes(client, phone, letter):
    client.send(Message("info", "title", letter * 5000))
    text = phone.messages()[0]["text"]
    assert 4000 < len(text.encode("utf-16-le")) // 2 <= 4096
    assert text.removesuffix(" … (cut)").removeprefix("title\n\n").rstrip(letter[-1]).strip(letter) == ""


# --- failures: the same for every kind of message ---

FAILURES = [
    ({"status": 400, "text": "Bad Request: can't parse entities"}, RefusedError, "400", None),
    ({"status": 400, "text": "Bad Request: chat not found"}, BrokenError, "Chat not found", None),
    ({"status": 401, "text": "Unauthorized"}, BrokenError, "does not know the bot's token", None),
    (
        {"status": 403, "text": "Forbidden: bot was blocked by the user"},
        BrokenError,
        "blocked by the user",
        None,
    ),
    ({"status": 404, "text": "Not Found"}, BrokenError, "does not know the bot's token", None),
    ({"status": 409, "text": "Conflict: terminated"}, DeliveryError, "409", None),
    ({"status": 429, "text": "Too Many Requests", "retry_after": 7}, DeliveryError, "429", 7),
    ({"status": 500, "text": "Internal Server Error"}, DeliveryError, "Internal", None),
    ({"status": 502, "text": "Bad Gateway"}, DeliveryError, "Bad Gateway", None),
    ({"hang": 30}, DeliveryError, "no answer", None),
    ({"reset": True}, DeliveryError, "no connection", None),
]


def _message(kind: str, tmp_path: Any) -> Message:
    if kind != "photo":
        return ASKED
    (tmp_path / "week.png").write_bytes(PNG)
    return Message("info", "[info] The week", "", (), str(tmp_path / "week.png"))


@pytest.mark.parametrize(("answer", "kind", "words", "pause"), FAILURES, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("what", ["send", "edit", "photo"])
def test_failures_are_told_apart(client, phone, tmp_path, monkeypatch, what, answer, kind, words, pause):
    number = client.send(ASKED)
    phone.script("*", answer)
    if "hang" in answer:
        monkeypatch.setattr(telegram_channel, "ATTEMPT_SECONDS", 0.3)
    message = _message(what, tmp_path)
    with pytest.raises(kind, match=words) as caught:
        client.edit(number, Message("info", "other", "")) if what == "edit" else client.send(message)
    assert type(caught.value) is kind
    assert getattr(caught.value, "retry_after", None) == pause
    assert TOKEN not in str(caught.value)


def test_nobody_listening_is_no_connection(phone, store):
    phone.close()
    with pytest.raises(DeliveryError, match="no connection") as caught:
        Client(phone.channel, store).send(ASKED)
    assert TOKEN not in str(caught.value)


def test_an_answer_that_is_no_json_is_a_failure_for_now(client, phone):
    phone.script("*", {"raw": "<html>captive portal</html>"})
    with pytest.raises(DeliveryError):
        client.send(ASKED)


# --- a lane with a real channel ---


class Lanes:
    """Runs the work of one lane on the stand-in, while a test moves the clock."""

    def __init__(self, client: Client, clock: FakeClock, zone: ZoneInfo) -> None:
        self._client, self._clock, self._zone = client, clock, zone

    def run(self, seconds: float) -> None:
        """Let so much time pass, and the lane do its work in it."""

        async def work(channel: TelegramChannel) -> None:
            lane = Lane(
                channel, self._zone, clock=self._clock, pause=lambda n: pauses.after(n, lambda *_: 1.0)
            )
            lane.use(self._client.store)
            end = self._clock() + seconds
            while True:
                wait = await lane.step()
                if wait and self._clock() + wait > end:
                    self._clock.advance(end - self._clock())
                    return
                self._clock.advance(wait)

        self._client.do(work)


@pytest.fixture
def lanes(client, clock, settings) -> Lanes:
    return Lanes(client, clock, settings.zone)


def titles(phone: FakePhone) -> list[str]:
    return [message["text"].partition("\n")[0] for message in phone.messages()]


def test_an_hour_without_telegram_and_then_everything_arrives_in_order(
    phone, store, clock, settings, tmp_path
):
    """Each run is a process of its own, so nothing but the database remembers."""
    lanes = Lanes(Client(phone.channel, store), clock, settings.zone)
    phone.close()
    for n in range(60):
        store.queue("phone", Message("warning", f"number {n}", "body"), now=clock(), incident=n)
        lanes.run(60)
    assert clock() >= START + 3500
    back = FakePhone(tmp_path, port=phone.port)
    lanes.run(600)
    shown = back.messages()
    back.close()
    assert [message["text"].partition("\n")[0] for message in shown] == [f"number {n}" for n in range(60)]
    assert shown[0]["text"].splitlines()[2].startswith("Late: this is from Tue 24 Nov, 22:15 CET")
    assert store.waiting("phone") == []


def test_a_countdown_edits_one_message_and_its_end_too(lanes, store, phone, clock):
    store.queue("phone", ASKED, now=clock(), incident=1)
    lanes.run(1)
    for text, mode in (("2:45", EDIT), ("2:30", EDIT), ("ready after 21 s", EDIT_OR_SEND)):
        store.queue("phone", Message("info", text, ""), now=clock(), incident=1, mode=mode)
        lanes.run(1)
    assert titles(phone) == ["ready after 21 s"]
    assert phone.messages()[0]["edits"] == 3


def test_a_message_that_its_reader_deleted_is_sent_anew(lanes, store, phone, clock):
    store.queue("phone", ASKED, now=clock(), incident=1)
    lanes.run(1)
    request(f"{phone.url}/delete", {"message": 1})
    for text, mode in (("2:45", EDIT), ("missed, 2 of 3 left", EDIT_OR_SEND), ("2:59", EDIT)):
        store.queue("phone", Message("info", text, ""), now=clock(), incident=1, mode=mode)
        lanes.run(1)
    assert titles(phone) == ["2:59"]
    assert phone.messages()[0]["id"] == 2


def test_what_telegram_refuses_is_sent_in_a_form_that_it_takes(lanes, store, phone, clock):
    long = Button("push", "Send me the push", "A" * 80)
    store.queue("phone", Message("action", "Log in", "body", (long,)), now=clock(), incident=1)
    store.queue("phone", Message("info", "next", ""), now=clock(), incident=2)
    lanes.run(1)
    assert titles(phone) == ["Log in", "next"]
    assert [call["status"] for call in phone.calls("sendMessage")] == [400, 200, 200]


# --- presses ---


def test_a_press_becomes_a_row_and_is_answered(client, phone, store):
    number = client.send(ASKED)
    query = phone.press(message=number, button="Send me the push")
    client.poll()
    (press,) = store.unhandled_presses()
    assert (press.channel, press.user, press.nonce, press.received) == ("phone", USER, PUSH.nonce, START)
    assert phone.answer(query) == RECEIVED


def test_the_watchers_answer_reaches_whoever_pressed(client, phone, store, monkeypatch):
    monkeypatch.setattr(presses, "DECIDE_SECONDS", DECIDE_SECONDS)
    query = phone.press(message=client.send(ASKED), button=0)

    async def run(channel: TelegramChannel) -> float:
        poller = PressPoller(channel, USER, (USER,), poll_seconds=1)
        poller.use(store)
        await poller.step()
        began = time.monotonic()
        (press,) = store.unhandled_presses()
        store.answer_press(press.id, "The push is on its way.", accepted=True, now=START)
        await asyncio.gather(*poller._answers)
        return time.monotonic() - began

    assert client.do(run) < DECIDE_SECONDS
    assert phone.answer(query) == "The push is on its way."


def test_an_undecided_press_is_answered_within_the_deadline(client, phone, monkeypatch):
    monkeypatch.setattr(presses, "DECIDE_SECONDS", DECIDE_SECONDS)
    query = phone.press(message=client.send(ASKED), button=0)
    client.poll()
    looks = phone_press(phone, query)
    assert looks["answer"] == RECEIVED
    assert 1.9 < looks["answered"] - looks["date"] < 4


def phone_press(phone: FakePhone, query: str) -> dict[str, Any]:
    phone.answer(query)
    return request(f"{phone.url}/messages")["presses"][query]


def test_two_presses_of_one_button_are_two_rows_for_the_watcher_to_judge(client, phone, store):
    number = client.send(ASKED)
    for _ in range(2):
        phone.press(message=number, button=0)
    client.poll()
    assert [press.nonce for press in store.unhandled_presses()] == [PUSH.nonce] * 2


def test_an_update_that_comes_again_is_one_row(client, phone, store):
    number = client.send(ASKED)
    phone.press(message=number, button=0, update_id=77)
    client.poll()
    store.remember("telegram:phone:offset", 0)  # as if the process had died before it was written
    phone.press(message=number, button=0, update_id=77)
    client.poll()
    assert len(store.unhandled_presses()) == 1


def test_the_place_is_kept_between_processes(client, phone, store):
    phone.press(message=client.send(ASKED), button=0, update_id=77)
    client.poll()
    assert store.recall("telegram:phone:offset") == 78
    phone.press(message=1, button=0, update_id=78)
    client.poll(times=2)
    assert [call["given"].get("offset") for call in phone.calls("getUpdates")] == [None, "78"]
    assert len(store.unhandled_presses()) == 2


@pytest.mark.parametrize(
    ("press", "answer"),
    [
        ({"user": 666}, NOT_ALLOWED),
        ({"chat": {"id": -100123, "type": "supergroup", "title": "Everybody"}}, NOT_ALLOWED),
        ({"chat": {"id": 666, "type": "private", "first_name": "Mallory"}}, NOT_ALLOWED),
        ({"data": "v1|"}, NOT_OURS),
        ({"data": "v2|ABCDEFGHABCDEFGH"}, NOT_OURS),
        ({"data": "v1|'; DROP TABLE presses; --"}, NOT_OURS),
        ({"data": ""}, NOT_OURS),
    ],
)
def test_a_press_that_is_not_ours_is_refused_at_once(client, phone, store, caplog, press, answer):
    query = phone.press(**{"message": client.send(ASKED), "button": 0, **press})
    poller = client.poll()
    assert store.unhandled_presses() == []
    assert phone.answer(query) == answer
    assert "press refused" in caplog.text
    assert store.recall("telegram:phone:offset") == poller._offset, "it does not come again"


def test_a_press_under_an_old_message_counts(client, phone, store):
    phone.press(message=client.send(ASKED), button=0, old=True)
    client.poll()
    assert len(store.unhandled_presses()) == 1


def test_a_press_that_cannot_be_written_down_is_answered_and_does_not_come_later(
    client, phone, store, caplog
):
    query = phone.press(message=client.send(ASKED), button=0)
    store._db.execute("PRAGMA query_only=ON")
    client.poll()
    store._db.execute("PRAGMA query_only=OFF")
    assert phone.answer(query) == NOT_STORED
    assert store.unhandled_presses() == []
    assert "a press is lost" in caplog.text


def test_an_answer_that_telegram_does_not_take_is_no_trouble(client, phone, store):
    phone.press(message=client.send(ASKED), button=0)
    phone.script("answerCallbackQuery", {"status": 400, "text": "Bad Request: query is too old"})
    assert client.poll().failing_since is None
    assert len(store.unhandled_presses()) == 1


POLL_FAILURES = [(*failure[:1], *failure[2:]) for failure in FAILURES]


@pytest.mark.parametrize(("answer", "words", "pause"), POLL_FAILURES, ids=lambda value: str(value)[:40])
def test_a_failing_poll_pauses_is_told_once_and_recovers(
    client, phone, caplog, monkeypatch, answer, words, pause
):
    monkeypatch.setattr(presses, "POLL_GRACE_SECONDS", 1.0)
    caplog.set_level("INFO", "ibgateway_alerting")
    returned = []
    phone.script("getUpdates", answer, answer)
    poller = client.poll(times=2, on_return=lambda: returned.append(True))
    assert poller.failing_since == START
    assert words in poller.trouble
    assert client.wait > 0
    assert pause is None or client.wait == pause
    assert caplog.text.count("presses do not arrive") == 1
    assert not any(TOKEN in record.getMessage() for record in caplog.records if record.name.startswith("ibg"))
    phone.script("getUpdates", answer, {"ok": True})
    poller = client.poll(times=2, on_return=lambda: returned.append(True))
    assert (poller.failing_since, poller.trouble, returned) == (None, "", [True])
    assert poller.reached == START


def test_another_poller_is_a_conflict_that_telegram_reports(client, phone):
    async def both(channel: TelegramChannel) -> list[float]:
        pollers = [PressPoller(channel, USER, (USER,), poll_seconds=2) for _ in range(2)]
        for poller in pollers:
            poller.use(client.store)
        return await asyncio.gather(*(poller.step() for poller in pollers))

    waits = sorted(client.do(both))
    assert waits[0] == 0
    assert waits[1] >= 30


# --- the address ---


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("json://x", "must begin with tgram://"),
        ("tgram://nonsense/1", "lacks the bot's token"),
        (f"tgram://{TOKEN}", "one chat by its number"),
        (f"tgram://{TOKEN}/1/2", "one chat by its number"),
        (f"tgram://{TOKEN}/@name", "one chat by its number"),
        (f"tgram://{TOKEN}/1?api=ftp://x", "option other than"),
        (f"tgram://{TOKEN}/1?format=html", "option other than"),
    ],
)
def test_an_address_that_is_wrong_is_one_sentence_without_the_token(url, words):
    with pytest.raises(ValueError, match=words) as caught:
        telegram_url.parse(url)
    assert TOKEN not in str(caught.value)


def test_an_address_hides_its_token():
    address = telegram_url.parse(f"tgram://{TOKEN}/-100")
    assert (address.chat, address.private, address.api) == (-100, False, "https://api.telegram.org")
    assert TOKEN not in repr(address)
