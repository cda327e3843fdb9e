"""What is as it should be gives no message: a restart by token, a reset, paper's daily stop and start."""

from harness import seams
from harness.instance import Instance
from harness.phone import Phone, webhook
from harness.wait import wait_until


def test_a_restart_by_token(live: Instance, phone: Phone):
    last, hooked, seen = phone.last(), len(webhook(live.host)), len(live.events())

    live.simulate("restart-now")
    live.wait_for_event("ready", after=seen)

    settled(live)
    assert phone.after(last) == []
    assert webhook(live.host)[hooked:] == []


def test_a_link_that_is_lost_in_a_reset(live: Instance, phone: Phone):
    last, hooked = phone.last(), len(webhook(live.host))
    seams.reset_now(live.host, True)
    try:
        live.simulate("link", "lost")
        live.simulate("link", "restored")
        settled(live)
    finally:
        seams.reset_now(live.host, False)
    assert phone.after(last) == []
    assert webhook(live.host)[hooked:] == []


def test_paper_is_stopped_and_started_by_its_timer(paper: Instance, phone: Phone):
    last, seen = phone.last(), len(paper.events())

    paper.host.check_output("systemctl start ibgateway-cycle@paper.service")
    paper.wait_for_event("ready", after=seen, seconds=400)

    settled(paper)
    assert [message for message in phone.after(last) if "paper" in message["text"]] == []


def settled(instance: Instance) -> None:
    """Wait until the watcher has taken in what happened before: it notes each full cycle."""

    def cycle() -> float:
        return float(
            instance.host.check_output(
                "python3 -c 'import json,sqlite3; print(json.loads(sqlite3.connect("
                '"file:/var/lib/ibgateway-alerting/alerting.sqlite?mode=ro", uri=True)'
                '.execute("SELECT value FROM memory WHERE key=\\"watcher\\"").fetchone()[0])["time"])\''
            )
        )

    before = cycle()
    wait_until(lambda: cycle() > before, "a full cycle of the watcher", 40)
