"""What only the API shows: a Gateway that hangs, a link that is lost, and what the machine does about it."""

from collections.abc import Iterator

import pytest
from harness import seams
from harness.instance import Instance
from harness.phone import Phone, labels, text_of, title_of
from harness.wait import wait_until
from testinfra.host import Host

RULES = "/opt/ibgateway-alerting/ibgateway_alerting/rules.toml"


def test_a_gateway_that_accepts_and_never_answers(live: Instance, phone: Phone):
    last = phone.last()

    live.simulate("wedge")
    found = phone.wait_for("API hangs", after=last, seconds=40)
    try:
        assert title_of(found) == "API hangs"
        assert "Soft restart" in " ".join(labels(found))
        # The remedy looks again, reconnects, and restarts by the token at last; here it is undone before.
        started = live.host.check_output(
            "journalctl --no-pager --output=cat --unit=ibgateway-reset@live.service"
        )
        assert started
    finally:
        live.simulate("wedge", "off")

    phone.wait_for("API hangs", after=found["id"], seconds=60)
    live.host.run("systemctl stop ibgateway-reset@live.service")


@pytest.fixture
def impatient(host: Host) -> Iterator[None]:
    """A watcher that tells of a lost link after seconds."""
    host.check_output("cp %s /tmp/rules.toml", RULES)
    host.check_output("sed -i 's/^delay = 120$/delay = 8/' %s", RULES)
    host.check_output("systemctl restart ibgateway-watch.service")
    yield
    host.check_output("cp /tmp/rules.toml %s", RULES)
    host.check_output("systemctl restart ibgateway-watch.service")


@pytest.mark.usefixtures("impatient")
def test_a_lost_link_is_told_after_its_delay_and_its_end_with_the_duration(live: Instance, phone: Phone):
    seams.plan(live)
    seams.log_in(live)
    last = phone.last()

    live.simulate("link", "lost")
    assert phone.after(last) == []
    found = phone.wait_for("Link to IBKR lost", after=last, seconds=40)
    pid = live.status()["java_pid"]
    live.simulate("set", "orders=2")
    phone.press(found, "Soft restart")
    asked = phone.wait_until_it_says(found["id"], "Against it: ")
    live.simulate("set", "orders=0")
    assert "2 open orders" in text_of(asked)
    phone.press(asked, "No")
    assert live.status()["java_pid"] == pid
    live.simulate("link", "restored")
    over = phone.wait_for("Link to IBKR", after=found["id"], seconds=30)

    assert "It lasted" in over["text"]
    live.host.run("systemctl stop ibgateway-reset@live.service")


def test_a_launcher_that_was_killed_is_noticed(paper: Instance, phone: Phone):
    last = phone.last()
    seen = len(paper.events())

    paper.host.check_output("systemctl kill --signal=KILL ibgateway@paper.service")
    paper.wait_for_event("ready", after=seen, seconds=90)

    wait_until(lambda: any("paper" in message["text"] for message in phone.after(last)), "a message", 60)
