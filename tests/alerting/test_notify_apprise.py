"""Apprise's channels against the stand-ins for a webhook and a mail server, over real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import warnings

import pytest
from alerting_tools import ROLE, ROOT
from ibgateway_alerting.model import SEVERITIES, Message
from ibgateway_alerting.notify import apprise_plugins
from ibgateway_alerting.notify.apprise_channel import NOTIFY_TYPES, AppriseChannel
from ibgateway_alerting.notify.errors import BrokenError, DeliveryError, NotEditableError, RefusedError
from notify_tools import Mail

SECRET = "canary-path"
# As the program does. On Python 3.11 and 3.12 the one for mail uses a deprecated module.
with warnings.catch_warnings(action="ignore"):
    apprise_plugins.load(["json://x", "mailto://x"])
MESSAGE = Message("critical", "[critical] live on vps1: Gateway died", "It crashed.\nYou: nothing.")


def send(url: str, message: Message = MESSAGE, seconds: float = 15.0) -> None:
    asyncio.run(AppriseChannel("hook", url, attempt_seconds=seconds).send(message))


def test_a_message_arrives(webhook):
    send(webhook.channel)
    ((title,), (entry,)) = webhook.titles(), webhook.record()
    assert title == MESSAGE.title
    assert '"type":"failure"' in entry["body"].replace(" ", "")
    assert "It crashed.\\nYou: nothing." in entry["body"]


def test_every_severity_has_a_type():
    assert set(NOTIFY_TYPES) == set(SEVERITIES)


@pytest.mark.parametrize(
    ("answer", "kind", "words", "pause"),
    [
        ({"status": 400}, RefusedError, "HTTP status 400", None),
        ({"status": 401}, BrokenError, "HTTP status 401", None),
        ({"status": 403}, BrokenError, "HTTP status 403", None),
        ({"status": 404}, BrokenError, "HTTP status 404", None),
        ({"status": 413}, RefusedError, "HTTP status 413", None),
        ({"status": 429}, DeliveryError, "HTTP status 429", 60),
        ({"status": 500}, DeliveryError, "HTTP status 500", None),
        ({"status": 503}, DeliveryError, "HTTP status 503", None),
        ({"hang": 30}, DeliveryError, "no answer in 0.5 s", None),
        ({"reset": True}, DeliveryError, "no connection, or refused", None),
    ],
    ids=str,
)
def test_failures_are_told_apart(webhook, answer, kind, words, pause):
    webhook.script(answer)
    with pytest.raises(kind, match=words) as caught:
        send(webhook.channel, seconds=0.5)
    assert type(caught.value) is kind
    assert getattr(caught.value, "retry_after", None) == pause
    assert SECRET not in str(caught.value)
    assert webhook.record() == []


def test_a_channel_that_hangs_for_good_is_not_asked_without_end(webhook):
    webhook.script({"hang": 60, "always": True})

    async def four_times() -> list[str]:
        channel = AppriseChannel("hook", webhook.channel, attempt_seconds=0.2)
        said = []
        for _ in range(4):
            with pytest.raises(DeliveryError) as caught:
                await channel.send(MESSAGE)
            said.append(str(caught.value))
        return said

    assert asyncio.run(four_times()) == ["no answer in 0.2 s"] * 3 + ["earlier attempts still hang"]


def test_nobody_listening_is_no_connection():
    with pytest.raises(DeliveryError, match="no connection"):
        send("json://127.0.0.1:1/canary-path")


def test_what_was_sent_cannot_be_changed(webhook):
    with pytest.raises(NotEditableError):
        asyncio.run(AppriseChannel("hook", webhook.channel).edit(None, MESSAGE))


def test_a_url_that_apprise_does_not_know_is_one_sentence_without_it():
    with pytest.raises(ValueError, match="not one that Apprise understands") as caught:
        AppriseChannel("odd", f"nonsense://{SECRET}")
    assert SECRET not in str(caught.value)


def test_a_mail_arrives_with_the_picture(tmp_path):
    mail = Mail(tmp_path)
    (tmp_path / "week.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    send(mail.channel, Message("info", "[info] The week", "Up 99.9 %.", (), str(tmp_path / "week.png")))
    (entry,) = mail.record()
    mail.close()
    assert (entry["subject"], entry["to"]) == ("[info] The week", ["anna@example.org"])
    assert "Up 99.9 %." in entry["body"]
    assert entry["attachments"] == ["week.png"]


def test_a_mail_without_its_picture_still_arrives(tmp_path):
    mail = Mail(tmp_path)
    send(mail.channel, Message("info", "[info] The week", "Up 99.9 %.", (), "/nonexistent.png"))
    assert len(mail.record()) == 1
    mail.close()


def test_a_mail_server_that_refuses_is_a_failure_for_now(tmp_path):
    mail = Mail(tmp_path, answer=451)
    with pytest.raises(DeliveryError, match="no connection, or refused"):
        send(mail.channel)
    mail.close()


@pytest.mark.parametrize(
    ("urls", "most"),
    [
        (["json://127.0.0.1:1/x", "ntfys://topic", "mailto://a:b@example.org"], 3),
        (["nonsense://x", "json://127.0.0.1:1/x"], 200),
        (["https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"], 200),
    ],
    ids=["known", "unknown", "native"],
)
def test_only_the_plugins_that_are_needed_are_loaded(urls, most):
    program = f"""
import sys; sys.path[:0] = [{str(ROLE / "files")!r}, {str(ROOT / "roles/ibc/files")!r}]
from ibgateway_alerting.notify import apprise_plugins
urls = {urls!r}
apprise_plugins.load(urls)
from apprise import Apprise
from apprise.manager_plugins import NotificationManager
taken = [url for url in urls if Apprise().add(url)]
print(len(taken), len(list(NotificationManager().plugins())))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    taken, loaded = map(int, done.stdout.split())
    assert taken == len([url for url in urls if not url.startswith("nonsense")])
    assert loaded <= most
    assert (loaded > 50) == (most > 50)
