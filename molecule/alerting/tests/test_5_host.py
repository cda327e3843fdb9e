"""What is wrong with the machine, and with what tells of it: messages about the host."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from conftest import happen
from harness import seams
from harness.instance import Instance
from harness.news import News
from harness.phone import Phone
from harness.wait import wait_until
from testinfra.host import Host

Hear = Callable[..., News]
CONTAINER = "/run/systemd/container"
"""By this the watcher knows a container, whose clock is the outer machine's."""
ASIDE = "/opt/aside"
"""For stand-ins; in /run nothing can be executed."""
READ_NOTIFIER = (
    "import json,sqlite3; print(sqlite3.connect('file:/var/lib/ibgateway-alerting/alerting.sqlite?mode=ro', "
    "uri=True).execute('SELECT value FROM memory WHERE key=?', ('notifier',)).fetchone()[0])"
)


@contextmanager
def no_way_out(host: Host) -> Iterator[None]:
    route = host.check_output("ip route show default")
    host.check_output("ip route delete default")
    try:
        yield
    finally:
        host.check_output(f"ip route add {route}")


@contextmanager
def full_disk(host: Host) -> Iterator[None]:
    """Leave 2 % of /run, where the instances' state is; that is still room for all of it."""
    size = host.check_output("findmnt --noheadings --output=OPTIONS /run")
    before = found[1] if (found := re.search(r"size=(\w+)", size)) else "50%"
    host.check_output("fallocate --length 96MiB /run/testbed-ballast")
    used = int(host.check_output("df --output=used --block-size=1024 /run | tail -1"))
    host.check_output(f"mount -o remount,size={used * 100 // 98}k /run")
    try:
        yield
    finally:
        host.check_output("rm /run/testbed-ballast")
        host.check_output(f"mount -o remount,size={before} /run")


@contextmanager
def drop_in(host: Host, unit: str, *lines: str) -> Iterator[None]:
    """Start a service with further lines in its unit, for a while; the watcher is left to `impatient`."""
    folder = f"/run/systemd/system/{unit}.d"
    text = "\n".join(("[Service]", *lines))
    try:
        host.check_output(f"mkdir -p {folder} && printf '%%s\\n' %s > {folder}/testbed.conf", text)
        host.check_output("systemctl daemon-reload")
        yield
    finally:
        host.check_output(f"rm -r {folder} && systemctl daemon-reload")


@contextmanager
def clock_nobody_keeps(host: Host) -> Iterator[None]:
    """A stand-in answers for the kernel, which keeps the machine's clock and not the container's."""
    host.check_output(f"mkdir -p {ASIDE} && printf '#!/bin/sh\\necho no\\n' > {ASIDE}/timedatectl")
    host.check_output(f"chmod -R a+rx {ASIDE} && mv {CONTAINER} {ASIDE}/container")
    try:
        with drop_in(
            host, "ibgateway-watch.service", f"BindReadOnlyPaths={ASIDE}/timedatectl:/usr/bin/timedatectl"
        ):
            yield
    finally:
        host.check_output(f"mv {ASIDE}/container {CONTAINER} && rm -r {ASIDE}")


@pytest.mark.kinds("network_down", "disk_full", "clock_wrong", "windows_outdated")
def test_everything_at_once(host: Host, hear: Hear):
    told = hear()
    with (
        seams.edited(host, seams.WINDOWS, lambda text: re.sub(r'(checked_on": ")\d+', r"\g<1>2020", text)),
        clock_nobody_keeps(host),
        full_disk(host),  # which systemd does not read its units on
        no_way_out(host),
        seams.impatient(host, network_down=2, clock_wrong=6),
    ):
        kinds = ("disk_full", "network_down", "windows_outdated", "clock_wrong")
        told.exactly(*kinds, in_order=False, seconds=30)
    host.check_output("systemctl restart ibgateway-watch.service")
    ended = ["Over: Disk", "Over: Clock", "Over: No network"]
    wait_until(lambda: len(told.heard()["webhook"]) == len(kinds) + len(ended), "all of it to be over", 20)
    over = [words for _, words in told.heard()["webhook"][len(kinds) :]]
    assert sorted(word[:10] for word in over) == sorted(word[:10] for word in ended)


@contextmanager
def no_names(host: Host) -> Iterator[None]:
    """A notifier that has no name server, and no name of its own."""
    host.check_output(f"mkdir -p {ASIDE} && : > {ASIDE}/hosts && chmod -R a+rX {ASIDE}")
    host.check_output(f"echo 'nameserver 127.0.0.1' > {ASIDE}/resolv.conf")
    try:
        with drop_in(
            host,
            "ibgateway-notify.service",
            f"BindReadOnlyPaths={ASIDE}/hosts:/etc/hosts {ASIDE}/resolv.conf:/etc/resolv.conf",
        ):
            host.check_output("systemctl restart ibgateway-notify.service")
            yield
    finally:
        host.check_output(f"rm -r {ASIDE} && systemctl restart ibgateway-notify.service")


def names_found(host: Host) -> str:
    """What the notifier says of its name server."""
    return json.loads(host.check_output("python3 -c %s", READ_NOTIFIER))["dns"]


@pytest.mark.kinds("dns_down")
def test_no_name_server_is_told_as_soon_as_somebody_can_be_reached(host: Host, hear: Hear):
    told = hear()
    with no_names(host):
        wait_until(lambda: names_found(host) != "ok", "the notifier to find no name", 40)
        with seams.impatient(host, dns_down=1):
            wait_until(
                lambda: "dns_down" in host.check_output("ibgatewayctl incidents --json"), "the incident", 20
            )
            assert told.heard()["phone"] == []
    wait_until(lambda: names_found(host) == "ok", "the notifier to find its names", 40)
    host.check_output("systemctl restart ibgateway-watch.service")
    told.exactly("dns_down", "Over: ", seconds=30)


@pytest.mark.kinds("channel_failing", "unknown_event")
def test_a_channel_that_takes_nothing_is_told_on_the_others(
    host: Host, phone: Phone, live: Instance, hear: Hear
):
    with seams.impatient(host, channel_failing=1):
        told, other = hear(), hear("live")
        phone.script({"status": 500, "always": True}, method="sendMessage")
        try:
            happen(live, "no_such_event")
            told.exactly(webhook=["channel_failing"])
            other.exactly(webhook=["unknown_event"])
        finally:
            phone.script()
        other.exactly("unknown_event")
        told.exactly(webhook=["channel_failing", "Over: "])
