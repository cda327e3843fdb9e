"""What a person sees: status, incidents, timeline, explanations, tested channels, metrics, the digest."""

import json

from harness.phone import Phone, mailbox, text_of, webhook
from harness.wait import wait_until
from testinfra.host import Host


def operator(host: Host, command: str):
    return host.run("cd / && timeout 90 runuser -u ops -- sh -c %s", command)


def test_an_operator_without_root_sees_it(host: Host):
    for command in ("status", "incidents", "incidents --all", "timeline", "explain login", "explain"):
        shown = operator(host, f"ibgatewayctl {command}")
        assert (shown.rc, shown.stderr) == (0, ""), f"{command}: {shown.stderr}"
        assert shown.stdout, command
    rows = operator(host, "ibgatewayctl status").stdout.splitlines()
    assert sum(row.startswith(("live", "paper")) for row in rows) == 2


def test_every_channel_is_really_tried(host: Host, phone: Phone):
    last, hooked, mails = phone.last(), len(webhook(host)), len(mailbox(host))

    tried = operator(host, "ibgatewayctl test-alert --json")

    assert tried.rc == 0, tried.stderr
    results = {row["channel"]: row["ok"] for row in json.loads(tried.stdout)["channels"]}
    assert results == {"phone": True, "webhook": True, "mail": True}
    assert phone.after(last)
    assert len(webhook(host)) > hooked
    assert len(mailbox(host)) > mails


def test_a_channel_that_fails_is_named(host: Host, phone: Phone):
    phone.script({"status": 401, "always": True})
    try:
        tried = operator(host, "ibgatewayctl test-alert --json")
    finally:
        phone.script()
    assert tried.rc != 0
    results = {row["channel"]: row["ok"] for row in json.loads(tried.stdout)["channels"]}
    assert results == {"phone": False, "webhook": True, "mail": True}


def test_the_metrics_answer_on_loopback(host: Host):
    read = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:9464/metrics\").read().decode())'"
    shown = host.check_output(read)
    assert 'gateway="live"' in shown
    assert host.socket("tcp://127.0.0.1:9464").is_listening
    assert not host.socket("tcp://0.0.0.0:9464").is_listening


def test_the_digest_arrives_with_its_picture(host: Host, phone: Phone):
    last = phone.last()
    host.check_output("systemctl start ibgateway-digest.service")

    def look():
        return next((message for message in phone.after(last) if message.get("photo")), None)

    picture = wait_until(look, "a message with a picture", 30)
    assert picture["photo"] > 5000  # bytes
    assert "live" in text_of(picture)
