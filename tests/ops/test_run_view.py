"""What a person sees while a playbook runs."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from scripts.lib.run_events import Event
from scripts.lib.run_view import Lines, Plain, summary
from scripts.lib.runner import HostResult, Result, Task

GOLDEN = Path(__file__).parent / "golden"
WRITE = "Write the instances' configuration"
LONG = "A task with a name that is so long that no line of a terminal has room for it"
STREAM = [
    Event("start", host="localhost", task="Look for a host"),
    Event("ok", host="localhost", task="Look for a host"),
    Event("start", host="vps1", task=WRITE),
    Event("start", host="vps-two", task=WRITE),
    Event("start", host="vps3", task=WRITE),
    Event("item_ok", host="vps1", task=WRITE, changed=True, item="/etc/a"),
    Event("ok", host="vps1", task=WRITE, changed=True, looped=True),
    Event("ok", host="vps-two", task=WRITE),
    Event("unreachable", host="vps3", task=WRITE, reason="ssh: timed out"),
    Event("start", host="vps1", task="Give consent, and follow until it is ready"),
    Event("start", host="vps-two", task=LONG),
    Event("ok", host="vps1", task="Tell how it went", said=("live: ready [now]", "paper: ready")),
    Event("failed", host="vps-two", task="Check", reason="It is wrong.\nVery."),
]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def drawn(events: list[Event], seconds: float) -> str:
    clock = Clock()
    console = Console(file=io.StringIO(), width=78, force_terminal=False, color_system=None)
    view = Lines(console, clock=clock)
    for event in events:
        view.event(event)
    clock.now = seconds
    console.print(view.table())
    text = console.file.getvalue()
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def test_one_live_line_a_host() -> None:
    text = "-- before the first host\n" + drawn(STREAM[:1], 1)
    text += "-- on the way\n" + drawn(STREAM[:11], 12)
    text += "-- at the end\n" + drawn(STREAM, 12)
    assert text == (GOLDEN / "live_lines.txt").read_text()


def test_a_host_that_goes_on_after_a_failure_is_not_given_up() -> None:
    broken = [*STREAM[:3], Event("failed", host="vps1", task=WRITE, reason="no space")]
    assert "x  FAILED: " in drawn(broken, 1)
    assert "x  FAILED: " not in drawn([*broken, Event("start", host="vps1", task="Undo it")], 1)


def test_a_line_a_task_for_logs() -> None:
    lines: list[str] = []
    with Plain(lines.append) as view:
        for event in STREAM:
            view.event(event)
    assert "\n".join(lines) + "\n" == (GOLDEN / "plain_lines.txt").read_text()


def test_messages_can_be_kept_for_later() -> None:
    lines: list[str] = []
    Plain(lines.append, said=False).event(STREAM[11])
    assert lines == ["vps1  ok  Tell how it went"]


def test_the_live_lines_go_away_and_the_messages_stay() -> None:
    console = Console(file=io.StringIO(), width=78, force_terminal=True, color_system=None)
    with Lines(console) as view:
        for event in STREAM:
            view.event(event)
    written = console.file.getvalue()
    assert "live: ready [now]\n" in written
    assert written.endswith("\x1b[2K"), "the last live line is wiped"


def test_the_summary_names_who_and_why() -> None:
    failed = HostResult(failed=1, tasks=[Task("Check", "failed", reason="It is wrong.")])
    gone = HostResult(unreachable=True, tasks=[Task("Look", "unreachable", reason="ssh: timed out")])
    hosts = {"vps1": HostResult(ok=3, changed=2), "v2": HostResult(ok=3), "v3": failed, "v4": gone}
    assert summary(Result(hosts, 2, Path("log"))) == [
        "vps1  ok, 2 changed",
        "v2    ok, nothing changed",
        "v3    FAILED: Check: It is wrong.",
        "v4    UNREACHABLE: ssh: timed out",
    ]
    assert summary(Result({"vps1": HostResult(changed=2)}, 254, Path("log"), interrupted=True)) == [
        "vps1  not finished, 2 changed"
    ]
