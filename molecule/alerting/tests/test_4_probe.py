"""What only the API shows: a Gateway that hangs, a link that is lost, and what the machine does about it."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from conftest import all_over
from harness import seams, words
from harness.instance import PROBES, Instance
from harness.news import News
from harness.phone import Phone, labels, text_of
from harness.wait import wait_until
from testinfra.host import Host

Hear = Callable[..., News]


@contextmanager
def in_the_background(host: Host, unit: str, probe: str, *arguments: object) -> Iterator[None]:
    """Run one of the harness's probes on the host for a while, as root."""
    command = ["/usr/bin/python3", "-c", (PROBES / f"{probe}.py").read_text(), *map(str, arguments)]
    host.check_output(f"systemd-run --quiet --collect --unit={unit} {shlex.join(command)}")
    try:
        yield
    finally:
        host.run("systemctl stop %s", unit)


@contextmanager
def for_the_watcher(host: Host, *rules: str) -> Iterator[None]:
    """Have the packets that the watcher sends to an API port meet other rules than everybody's."""
    who = "meta skuid ibgateway-watch"
    chains = {
        "filter": "type filter hook output priority -5",
        "nat": "type nat hook output priority -100",
    }
    text = "table inet testbed {\n"
    for rule in rules:
        chain = "nat" if "redirect" in rule else "filter"
        text += f"chain {chain} {{ {chains[chain]};\n{who} {rule}\n}}\n"
    host.check_output("printf '%%s' %s | nft -f -", text + "}\n")
    try:
        yield
    finally:
        host.check_output("nft delete table inet testbed")


def no_more_remedy(live: Instance) -> None:
    """What the machine has begun in order to bring the session back is not waited for."""
    live.host.run("systemctl stop ibgateway-reset@live.service")


@pytest.mark.kinds("api_wedged")
def test_a_gateway_that_accepts_and_never_answers(live: Instance, phone: Phone, hear: Hear):
    heard, last = hear("live"), phone.last()

    live.simulate("wedge")
    try:
        heard.exactly("api_wedged", seconds=40)
        assert "Soft restart" in " ".join(labels(phone.after(last)[0]))
        # The remedy looks again, reconnects, and restarts by the token at last; here it is undone before.
        started = live.host.check_output(
            "journalctl --no-pager --output=cat --unit=ibgateway-reset@live.service"
        )
        assert started
    finally:
        live.simulate("wedge", "off")

    heard.exactly("api_wedged", "Over: ", seconds=60)
    no_more_remedy(live)


@pytest.mark.kinds("link_lost")
def test_a_lost_link_is_told_after_its_delay_and_its_end_with_the_duration(
    live: Instance, phone: Phone, hear: Hear
):
    all_over(live)
    with seams.impatient(live.host, link_lost=3):
        heard, last = hear("live"), phone.last()
        live.simulate("link", "lost")
        assert phone.after(last) == []
        heard.exactly("link_lost", seconds=40)
        (found,) = phone.after(last)
        pid = live.status()["java_pid"]
        live.simulate("set", "orders=2")
        phone.press(found, "Soft restart")
        asked = phone.wait_until_it_says(found["id"], "Against it: ")
        live.simulate("set", "orders=0")
        assert "2 open orders" in text_of(asked)
        phone.press(asked, "No")
        assert live.status()["java_pid"] == pid
        live.simulate("link", "restored")
        heard.exactly("link_lost", "Over: ")

    assert "It lasted" in text_of(phone.after(last)[-1])
    no_more_remedy(live)


@pytest.mark.kinds("api_down", "client_id_in_use")
def test_no_connection_and_no_client_id(live: Instance, paper: Instance, hear: Hear):
    host = live.host
    told, other = hear("live"), hear("paper")
    journal = "journalctl --output=cat --unit=testbed-clients"
    # Whoever asks with the watcher's first id has it, so the watcher rests meanwhile.
    host.check_output("systemctl stop ibgateway-watch.service")
    with (
        in_the_background(host, "testbed-clients", "client_ids", paper.ports["api"], 972, 979),
        for_the_watcher(host, f"tcp dport {live.ports['api']} reject with tcp reset"),
    ):
        wait_until(
            lambda: "held" in host.check_output(journal).splitlines(),
            "the client ids to be taken",
        )
        with seams.impatient(host, api_down=1, client_id_in_use=1):
            told.exactly("api_down")
            other.exactly("client_id_in_use")
    host.check_output("systemctl restart ibgateway-watch.service")
    told.exactly("api_down", "Over: ")
    other.exactly("client_id_in_use", "Over: ")
    no_more_remedy(live)


@pytest.mark.kinds("api_incompatible", "farm_down", "market_data_competing")
def test_a_newer_api_and_no_data(live: Instance, paper: Instance, hear: Hear):
    host = live.host
    told, other = hear("live"), hear("paper")
    with (
        in_the_background(host, "testbed-api", "api_version", 4999, 201),
        for_the_watcher(host, f"tcp dport {paper.ports['api']} redirect to :4999"),
        seams.impatient(host, farm_down=2),
    ):
        other.exactly("api_incompatible")
        live.simulate(*words.scenario("market_data_competing")[0].split())
        told.exactly("market_data_competing")
        live.simulate(*words.scenario("farm_down")[0].split())
        told.exactly("market_data_competing", "farm_down")
        live.simulate("code", "2104")
        told.exactly("market_data_competing", "farm_down", "Over: ")
    host.check_output("systemctl restart ibgateway-watch.service")
    other.exactly("api_incompatible", "Over: ")
    no_more_remedy(live)
