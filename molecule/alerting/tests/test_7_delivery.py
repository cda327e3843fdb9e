"""No message is lost, whatever stops, dies or does not answer; a channel that fails holds up no other."""

from collections.abc import Callable

import pytest
from conftest import happen
from harness.instance import Instance
from harness.news import News
from harness.phone import Phone, text_of, title_of, webhook
from harness.wait import wait_until
from testinfra.host import Host

DATABASE = "/var/lib/ibgateway-alerting/alerting.sqlite"
EXPIRING = {"kind": "password_expiring", "text": "expires in 5 days"}
DIFFER = {"kind": "settings_differ", "text": "jts.ini TimeZone: wanted a, found b"}


def over(instance: Instance) -> None:
    """Begin with a watcher that knows nothing, and with nothing that it could learn."""
    instance.host.check_output("systemctl stop ibgateway-watch.service ibgateway-notify.service")
    instance.host.check_output(f"rm -f {DATABASE} {DATABASE}-wal {DATABASE}-shm")
    instance.host.check_output("truncate --size=0 /var/lib/ibgateway/*/events.jsonl")
    instance.host.check_output("systemctl start ibgateway-watch.service ibgateway-notify.service")


def count(host: Host, words: str, after: int) -> int:
    """How many messages about paper or the host, after so many others, have certain words in their title."""
    titles = [entry["title"] for entry in webhook(host)[after:]]
    return sum(words in title and "live on" not in title for title in titles)


def test_a_channel_that_hangs_holds_up_no_other_and_gets_everything_later(paper: Instance, phone: Phone):
    over(paper)
    last, hooked = phone.last(), len(webhook(paper.host))
    phone.script({"hang": 300, "always": True}, method="sendMessage")
    try:
        happen(paper, **EXPIRING)
        wait_until(lambda: count(paper.host, "Password expires soon", hooked) == 1, "the webhook", 15)
        happen(paper, **DIFFER)
        wait_until(lambda: count(paper.host, "settings are not yours", hooked) == 1, "the webhook", 15)
        assert phone.after(last) == []
    finally:
        phone.script()

    phone.wait_for("settings are not yours", after=last, seconds=120)
    assert [title_of(message) for message in phone.after(last) if "paper on" in text_of(message)] == [
        "Password expires soon",
        "Gateway's settings are not yours",
    ]


def test_both_processes_killed_lose_nothing_and_tell_nothing_twice(paper: Instance):
    over(paper)
    hooked = len(webhook(paper.host))

    happen(paper, **EXPIRING)
    paper.host.check_output("systemctl kill --signal=KILL ibgateway-watch.service ibgateway-notify.service")
    happen(paper, **DIFFER)
    paper.host.run("systemctl kill --signal=KILL ibgateway-watch.service")

    wait_until(lambda: count(paper.host, "settings are not yours", hooked), "the second message", 30)
    assert count(paper.host, "Password expires soon", hooked) in (1, 2)
    assert count(paper.host, "settings are not yours", hooked) == 1


def test_what_happens_while_nobody_watches_is_told_afterwards(paper: Instance):
    over(paper)
    hooked = len(webhook(paper.host))
    paper.host.check_output("systemctl stop ibgateway-watch.service")
    happen(paper, **EXPIRING)
    paper.host.check_output("systemctl start ibgateway-watch.service")
    wait_until(lambda: count(paper.host, "Password expires soon", hooked) == 1, "the message", 30)


@pytest.mark.kinds("store_damaged")
def test_a_damaged_database_is_set_aside_and_told(paper: Instance, hear: Callable[..., News]):
    told = hear()
    paper.host.check_output("systemctl stop ibgateway-watch.service ibgateway-notify.service")
    paper.host.check_output(
        f"rm -f {DATABASE}-wal {DATABASE}-shm; "
        f"dd if=/dev/urandom of={DATABASE} bs=4096 count=8 conv=notrunc status=none"
    )
    paper.host.check_output("systemctl start ibgateway-watch.service ibgateway-notify.service")

    told.exactly("store_damaged")
    assert paper.host.file(f"{DATABASE}.damaged-1").exists
    assert paper.host.file(DATABASE).mode == 0o660


def test_no_secret_is_in_the_journal_or_the_database(paper: Instance):
    host = paper.host
    journal = host.check_output("journalctl --no-pager --output=cat --unit='ibgateway-*'")
    assert "canary-77aa" not in journal
    assert host.run(f"grep -c canary-77aa {DATABASE}").stdout.strip() == "0"
