"""The channel module, with a fake Apprise: what reaches it, and what never reaches a log."""

from __future__ import annotations

import enum
import importlib
import json
import logging
import sys
import types

import pytest
from ibgateway_watch.courier import DeliveryError
from ibgateway_watch.messages import WORDS, Message

SECRET = "canary-token"


class FakeApprise:
    """As much of Apprise as we use; it complains as the real one does."""

    sent: list[dict]
    answer: int | Exception | None = 200

    def add(self, url: str) -> bool:
        return not url.startswith("nonsense")

    def notify(self, **arguments) -> bool:
        type(self).sent.append(arguments)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            logging.getLogger("apprise").warning("A Connection error occurred sending to json://%s.", SECRET)
            logging.getLogger("urllib3.connectionpool").warning("Retrying: /%s", SECRET)
            return False
        if self.answer != 200:
            logging.getLogger("apprise").warning(
                "Failed to send to /%s: Oops, error=%d.", SECRET, self.answer
            )
        return self.answer == 200


@pytest.fixture
def channels(monkeypatch):
    fake = types.ModuleType("apprise")
    fake.Apprise = type("Apprise", (FakeApprise,), {"sent": []})
    fake.NotifyType = enum.Enum("NotifyType", "INFO SUCCESS WARNING FAILURE")
    fake.NotifyFormat = enum.Enum("NotifyFormat", "TEXT HTML")
    monkeypatch.setitem(sys.modules, "apprise", fake)
    monkeypatch.delitem(sys.modules, "ibgateway_watch.channels", raising=False)
    yield importlib.import_module("ibgateway_watch.channels")
    sys.modules.pop("ibgateway_watch.channels", None)
    for name in ("apprise", "urllib3", "requests"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def credential(tmp_path, content):
    path = tmp_path / "channels"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


MESSAGE = Message("critical", "title", "body")
ONE = [{"name": "phone", "url": f"ntfys://{SECRET}"}]


def test_a_message_reaches_apprise(channels, tmp_path):
    (channel,), problems = channels.load(credential(tmp_path, ONE))
    channel.send(MESSAGE)
    assert problems == []
    assert channel.name == "phone"
    (sent,) = channels.apprise.Apprise.sent
    assert (sent["title"], sent["body"], sent["notify_type"].name) == ("title", "body", "FAILURE")


def test_every_severity_has_a_notify_type(channels):
    assert {words.severity for words in WORDS.values()} == set(channels.NOTIFY_TYPES)


@pytest.mark.parametrize(("answer", "words"), [(500, "HTTP status 500"), (None, "no connection, or refused")])
def test_a_failure_is_reported_without_the_address(
    channels, tmp_path, monkeypatch, caplog, capfd, answer, words
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(channels.apprise.Apprise, "answer", answer)
    (channel,), _ = channels.load(credential(tmp_path, ONE))
    with pytest.raises(DeliveryError, match=words) as caught:
        channel.send(MESSAGE)
    out, err = capfd.readouterr()
    assert SECRET not in str(caught.value) + caplog.text + out + err


def test_the_status_of_an_earlier_failure_is_not_shown_again(channels, tmp_path, monkeypatch):
    (channel,), _ = channels.load(credential(tmp_path, ONE))
    for answer, words in ((500, "500"), (None, "no connection")):
        monkeypatch.setattr(channels.apprise.Apprise, "answer", answer)
        with pytest.raises(DeliveryError, match=words):
            channel.send(MESSAGE)


def test_a_channel_that_is_not_usable_leaves_the_others_alone(channels, tmp_path):
    entries = [*ONE, {"name": "odd", "url": f"nonsense://{SECRET}"}]
    usable, problems = channels.load(credential(tmp_path, entries))
    assert [channel.name for channel in usable] == ["phone"]
    assert problems == ["channel 'odd': its url is not one that Apprise understands"]


@pytest.mark.parametrize("content", ["", "{", "3", "[3]", f'[{{"url": "ntfys://{SECRET}"}}]'])
def test_a_damaged_credential_is_one_sentence_without_its_content(channels, tmp_path, content):
    with pytest.raises(channels.ChannelError, match="run the playbook again") as caught:
        channels.load(credential(tmp_path, content))
    assert SECRET not in str(caught.value)


def test_a_missing_credential_is_one_sentence(channels, tmp_path):
    with pytest.raises(channels.ChannelError, match="FileNotFoundError"):
        channels.load(tmp_path / "nothing")
