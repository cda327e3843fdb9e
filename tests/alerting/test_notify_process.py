"""The notifier as a process: killed, hung, damaged, asked to end; and what it costs."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forks import Forks
from ibgateway_alerting.model import EDIT_OR_SEND, Button, Message
from ibgateway_alerting.notify import lane
from ibgateway_alerting.notify.telegram_channel import POLL_SECONDS
from ibgateway_alerting.store import SET_ASIDE, Store
from notify_tools import IMPORTS, PROGRAM, TOKEN, USER, FakePhone, Notifier, wait_for

pytestmark = pytest.mark.processes

PUSH = Button("push", "Send me the push", "ABCDEFGHABCDEFGH")


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks(PROGRAM + IMPORTS) as made:
        yield made


@pytest.fixture
def make(tmp_path, forks: Forks) -> Iterator[Callable[..., Notifier]]:
    """Make notifiers that start quickly; or, from nothing, as systemd starts them."""
    made = []

    def one(*, from_nothing: bool = False, **urls: str) -> Notifier:
        made.append(Notifier(tmp_path, None if from_nothing else forks, **urls))
        return made[-1]

    yield one
    for notifier in made:
        notifier.close()


def queue(notifier: Notifier, title: str, channel: str = "phone", **changes) -> int:
    message = Message("action", title, "body", changes.pop("buttons", ()))
    return notifier.store.queue(channel, message, now=time.time(), **changes)


def titles(phone: FakePhone) -> list[str]:
    return [message["text"].partition("\n")[0] for message in phone.messages()]


@contextlib.contextmanager
def locked(notifier: Notifier) -> Iterator[None]:
    """Hold the database's write lock, so that the notifier waits wherever it writes next."""
    with contextlib.closing(sqlite3.connect(notifier.store.path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def damage(database: Path) -> None:
    """Overwrite every page but the first, in the file and its log, as a failing disk may."""
    for file in (database, database.with_name(f"{database.name}-wal")):
        with file.open("r+b") as content:
            content.seek(4096 if file == database else 0)
            content.write(b"\xff" * max(0, file.stat().st_size - content.tell()))


def memory_mib(process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def test_a_message_arrives_at_once_on_every_channel(make, phone, webhook):
    notifier = make(from_nothing=True, phone=phone.channel, hook=webhook.channel)
    notifier.start_ready()
    began = time.time()
    for channel in ("phone", "hook"):
        queue(notifier, "Gateway died", channel)
    wait_for(lambda: phone.messages() and webhook.titles())
    # Otherwise it goes out when its lane looks by itself, which is five seconds later.
    assert phone.messages()[0]["date"] - began < lane.LOOK_AGAIN - 1
    assert titles(phone) == webhook.titles() == ["Gateway died"]
    wait_for(lambda: notifier.delivered("phone") and notifier.delivered("hook"))
    assert notifier.end() == 0
    log = notifier.log.read_text()
    assert "<6>phone: delivered: Gateway died" in log
    assert "<6>hook: delivered: Gateway died" in log


def test_a_press_is_a_row_at_once_and_its_answer_comes_back(make, phone):
    notifier = make(phone=phone.channel)
    notifier.start_ready()
    queue(notifier, "Log in?", buttons=(PUSH,))
    wait_for(phone.messages)
    began = time.monotonic()
    query = phone.press(message=1, button=0)
    (press,) = wait_for(notifier.store.unhandled_presses)
    assert time.monotonic() - began < POLL_SECONDS / 2
    notifier.store.answer_press(press.id, "The push is on its way.", accepted=True, now=time.time())
    assert phone.answer(query) == "The push is on its way."


# --- kill -9 ---


def test_killed_before_it_sends(make, phone):
    notifier = make(phone=phone.channel)
    queue(notifier, "first")
    notifier.start()
    notifier.kill()
    notifier.start_ready()
    wait_for(notifier.delivered)
    assert set(titles(phone)) == {"first"}


@pytest.mark.parametrize("taken", [False, True], ids=["not taken", "taken"])
def test_killed_while_the_service_has_the_request(make, phone, taken):
    """Only what the service took and never confirmed may come twice."""
    notifier = make(phone=phone.channel)
    notifier.start_ready()
    phone.script("sendMessage", {"hang": 60, "taken": taken})
    queue(notifier, "first")
    queue(notifier, "second")
    wait_for(lambda: phone.calls("sendMessage"))
    notifier.kill()
    phone.script(clear=True)
    notifier.start_ready()
    wait_for(notifier.delivered)
    assert titles(phone) == (["first", "first", "second"] if taken else ["first", "second"])


def test_killed_between_the_answer_and_its_receipt(make, phone):
    """The one moment in which a message must come twice: the service has it, and the disk does not know."""
    notifier = make(phone=phone.channel)
    notifier.start_ready()
    phone.script("sendMessage", {"hang": 60, "ok": True})
    queue(notifier, "first")
    queue(notifier, "second")
    wait_for(lambda: phone.calls("sendMessage"))
    with locked(notifier):
        phone.script(clear=True)
        wait_for(lambda: any(call.get("late") for call in phone.calls("sendMessage")))
        notifier.kill()
    notifier.start_ready()
    wait_for(notifier.delivered)
    assert titles(phone) == ["first", "first", "second"]


def test_killed_again_and_again_while_it_delivers(make, phone):
    notifier = make(phone=phone.channel)
    for n in range(20):
        queue(notifier, f"number {n}", incident=n)
    for kills in range(1, 4):
        notifier.start()
        wait_for(lambda kills=kills: len(phone.messages()) >= 5 * kills)
        notifier.kill()
    notifier.start_ready()
    wait_for(notifier.delivered)
    shown = titles(phone)
    assert list(dict.fromkeys(shown)) == [f"number {n}" for n in range(20)]
    assert len(shown) <= 23, "each kill repeats at most the one in flight"


def test_killed_during_an_edit(make, phone):
    notifier = make(phone=phone.channel)
    notifier.start_ready()
    queue(notifier, "asked", incident=1)
    wait_for(notifier.delivered)
    phone.script("editMessageText", {"hang": 60, "taken": True})
    queue(notifier, "ready", incident=1, mode=EDIT_OR_SEND)
    wait_for(lambda: phone.calls("editMessageText"))
    notifier.kill()
    phone.script(clear=True)
    notifier.start_ready()
    wait_for(notifier.delivered)
    assert titles(phone) == ["ready"], "an edit repeated changes nothing"


def test_killed_with_a_press_in_hand_keeps_it(make, phone):
    notifier = make(phone=phone.channel)
    notifier.start_ready()
    queue(notifier, "Log in?", buttons=(PUSH,))
    wait_for(notifier.delivered)
    with locked(notifier):
        phone.press(message=1, button=0)
        wait_for(lambda: phone.calls("getUpdates"))
        notifier.kill()
    assert notifier.store.unhandled_presses() == []
    for _ in range(2):
        notifier.start_ready()
        wait_for(notifier.store.unhandled_presses)
        notifier.kill()
    assert len(notifier.store.unhandled_presses()) == 1


# --- channels that hang, are down, or are wrong ---


def test_a_hanging_channel_delays_nothing_and_does_not_hold_the_end(make, phone, webhook):
    notifier = make(phone=phone.channel, hook=webhook.channel)
    notifier.start_ready()
    phone.script("*", {"hang": 120, "always": True})
    webhook.script({"hang": 120})
    queue(notifier, "stuck", "phone")
    queue(notifier, "stuck", "hook")
    wait_for(lambda: phone.calls("sendMessage"))
    webhook.script(clear=True)
    began = time.monotonic()
    for n in range(20):
        queue(notifier, f"number {n}", "hook")
    wait_for(lambda: len(webhook.titles()) == 21)
    assert time.monotonic() - began < 5
    began = time.monotonic()
    assert notifier.end() == 0
    assert time.monotonic() - began < 6


def test_a_channel_that_was_down_gets_everything_in_order(make, phone):
    notifier = make(phone=phone.channel)
    phone.script("sendMessage", {"reset": True}, {"status": 500}, {"status": 429, "retry_after": 1})
    numbers = [queue(notifier, f"number {n}") for n in range(30)]
    notifier.start_ready()
    wait_for(notifier.delivered, 30)
    assert titles(phone) == [f"number {n}" for n in range(30)]
    assert len(numbers) == 30


def test_a_broken_channel_is_in_the_row_and_in_the_status_and_stops_no_other(make, phone, webhook):
    notifier = make(phone=phone.channel, hook=webhook.channel)
    phone.script("*", {"status": 401, "text": "Unauthorized", "always": True})
    queue(notifier, "kept")
    queue(notifier, "told", "hook")
    notifier.start_ready()
    row = wait_for(lambda: (found := notifier.store.recall("notifier")) and found["failing"] and found)
    assert "does not know the bot's token" in row["trouble"]["phone"]
    assert "telling phone, hook; phone failing since" in notifier.expect("phone failing")
    wait_for(lambda: webhook.titles() == ["told"])
    assert not notifier.delivered("phone")


def test_a_channel_that_cannot_be_made_is_in_the_row_and_keeps_its_messages(make, webhook):
    notifier = make(odd="nonsense://canary-path", hook=webhook.channel)
    queue(notifier, "kept", "odd")
    queue(notifier, "told", "hook")
    queue(notifier, "gone", "a channel of the old configuration")
    notifier.start_ready()
    wait_for(lambda: webhook.titles() == ["told"])
    row = wait_for(lambda: notifier.store.recall("notifier"))
    assert row["trouble"] == {"odd": "its url is not one that Apprise understands"}
    assert not notifier.delivered("odd")
    assert notifier.delivered("a channel of the old configuration")


def test_without_channels_it_runs_and_says_so(make):
    notifier = make(from_nothing=True)
    notifier.start()
    assert "telling nobody: no channel is usable" in notifier.expect("READY=1")
    assert notifier.expect("WATCHDOG=1")
    assert notifier.end() == 0


# --- the database ---


def test_a_damaged_database_that_the_watcher_sets_aside_is_left(make, phone, tmp_path):
    notifier = make(phone=phone.channel)
    notifier.start_ready()
    queue(notifier, "before")
    wait_for(notifier.delivered)
    notifier.store.close()
    damage(tmp_path / "alerting.sqlite")
    notifier.store = Store(tmp_path / "alerting.sqlite")
    assert notifier.store.recall(SET_ASIDE) == "alerting.sqlite.damaged-1"
    queue(notifier, "after")
    wait_for(notifier.delivered)
    assert titles(phone) == ["before", "after"]
    assert notifier.end() == 0


def test_a_damaged_database_does_not_keep_it_from_starting(make, phone, tmp_path):
    notifier = make(phone=phone.channel)
    notifier.store.close()
    (tmp_path / "alerting.sqlite").write_bytes(b"no database" * 1000)
    notifier.start_ready()
    notifier.store = Store(tmp_path / "alerting.sqlite")
    queue(notifier, "after")
    wait_for(lambda: titles(phone) == ["after"])
    assert len(list(tmp_path.glob("alerting.sqlite.damaged-*"))) == 1


# --- the command ---


def test_the_test_reports_each_channel(make, phone, webhook):
    notifier = make(from_nothing=True, phone=phone.channel, hook=webhook.channel)
    assert notifier.start("--test").wait(30) == 0
    assert sorted(notifier.log.read_text().splitlines()) == ["hook: ok", "phone: ok"]
    assert titles(phone) == webhook.titles() == ["[info] vps1: This is a test"]


def test_the_test_tells_what_fails_and_why(make, phone, webhook):
    notifier = make(phone=phone.channel, hook=webhook.channel, odd="nonsense://canary-path")
    webhook.script({"status": 403})
    assert notifier.start("--test", "--json").wait(30) == 1
    report = json.loads(notifier.log.read_text().splitlines()[-1])
    assert {entry["channel"]: (entry["ok"], entry["detail"]) for entry in report} == {
        "phone": (True, ""),
        "hook": (False, "HTTP status 403"),
        "odd": (False, "its url is not one that Apprise understands"),
    }


def test_the_test_without_channels_says_so(make):
    notifier = make()
    assert notifier.start("--test").wait(30) == 1
    assert "no channel is configured: set alerting_channels" in notifier.log.read_text()


def test_the_check_sends_nothing(make, phone):
    notifier = make(phone=phone.channel)
    assert notifier.start("--check").wait(30) == 0
    assert phone.record() == []


@pytest.mark.parametrize("content", ["", "{", "3", "[3]", '[{"url": "ntfys://canary-path"}]', None])
@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_a_credential_that_is_wrong_is_one_sentence(make, content, arguments):
    notifier = make(from_nothing=content is None)
    file = notifier.root / "credentials" / "channels"
    file.unlink() if content is None else file.write_text(content)
    assert notifier.start(*arguments).wait(30) == 78
    (line,) = notifier.log.read_text().splitlines()
    assert "run the playbook with --tags alerting" in line
    assert "canary" not in line


def test_a_configuration_that_is_wrong_is_one_sentence(make):
    notifier = make(from_nothing=True)
    (notifier.root / "config.toml").write_text("host = 3")
    assert notifier.start().wait(30) == 78
    assert len(notifier.log.read_text().splitlines()) == 1


# --- secrets ---


def test_no_secret_reaches_log_status_or_row(make, phone, webhook):
    """Every failure that the channels know, with tokens and paths that must not be seen anywhere."""
    notifier = make(phone=phone.channel, hook=webhook.channel, closed="json://127.0.0.1:1/canary-path")
    for status in (400, 403, 404, 409, 429, 500):
        phone.script("sendMessage", {"status": status, "text": "no", "retry_after": 1})
        phone.script("getUpdates", {"status": status, "text": "no", "retry_after": 1})
        webhook.script({"status": status if status not in (403, 404, 429) else 500})
    phone.script("sendMessage", {"reset": True}, {"raw": f"<html>{TOKEN}"})
    queue(notifier, "first", buttons=(PUSH,))
    for channel in ("hook", "closed"):
        queue(notifier, "first", channel)
    process = notifier.start_ready()
    wait_for(
        lambda: (
            len(phone.record()) > 2
            and (row := notifier.store.recall("notifier"))
            and "closed" in row["failing"]
        )
    )
    status = notifier.expect("failing")
    process.send_signal(signal.SIGTERM)
    process.wait(15)
    seen = notifier.log.read_text() + status + json.dumps(notifier.store.recall("notifier"))
    assert "closed" in seen
    for secret in (TOKEN, TOKEN.partition(":")[2], "canary-path", str(USER)):
        assert secret not in seen


# --- what it costs ---


def test_it_fits_in_its_memory_with_telegram_and_apprise(make, phone, webhook):
    notifier = make(from_nothing=True, phone=phone.channel, hook=webhook.channel)
    process = notifier.start_ready()
    for n in range(200):
        queue(notifier, f"number {n}")
        queue(notifier, f"number {n}", "hook")
    wait_for(lambda: notifier.delivered("phone") and notifier.delivered("hook"), 60)
    assert memory_mib(process) < 70
