"""The watcher's loop: killed at every step, on a full disk, with a fault of its own; checked and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alerting_tools import ROLE, ROOT, EventsFile, FakeClock
from forks import Forks
from ibgateway_alerting import rules
from ibgateway_alerting.model import Incident
from ibgateway_alerting.observation import Observation
from ibgateway_alerting.settings import Settings
from ibgateway_alerting.store import Store, StoreError
from ibgateway_alerting.watch import main as program
from ibgateway_alerting.watch.main import Watcher
from ibgateway_alerting.watch.tail import Tail
from ibgatewaylib import instance as instances
from story import FakeActions


class FakeSources:
    """Real events files; observations by hand."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.tail = Tail(settings, store)
        self.seen: list[Observation] = []

    def events(self, now: float) -> list:
        return self.tail.poll(now)

    def look(self, _now: float, _woken: list) -> list[Observation]:
        seen, self.seen = self.seen, []
        return seen

    def wait(self, _seconds: float) -> list:
        return []

    def close(self) -> None:
        pass


class Loop:
    """A watcher whose loop the test turns."""

    def __init__(self, settings: Settings, clock: FakeClock) -> None:
        self.settings, self.clock = settings, clock
        self.actions = FakeActions()
        self.actions.tick = lambda _now: []
        self.actions.forget = lambda: self.actions.started.clear()
        self.store = Store(settings.database)
        self.sources = FakeSources(settings, self.store)
        known = {name: instances.load(settings.etc_root / name) for name in settings.instances}
        self.watcher = Watcher(
            settings, self.store, known, rules.load(), clock, sources=self.sources, actions=self.actions
        )

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(0.2)
            self.watcher.cycle()

    def titles(self) -> list[str]:
        return [queued.message.title.partition(": ")[2] for queued in self.store.waiting("phone", 999)]


@pytest.fixture
def loop(settings: Settings, clock: FakeClock) -> Loop:
    made = Loop(settings, clock)
    yield made
    made.store.close()


def test_event_is_told_in_the_cycle_that_reads_it(loop: Loop, events: EventsFile):
    loop.turn()
    events.add("crashed", signal=9)
    loop.turn()
    assert loop.titles() == ["Gateway died"]
    loop.turn(5)
    assert loop.titles() == ["Gateway died"]


def test_backlog_is_known_altogether_before_delays_are_judged(loop: Loop, events: EventsFile):
    events.add("restart_planned", age=800, kind="token")
    for _ in range(250):
        events.add("login_deferred", age=790, reason="window")
    events.add("starting", age=760, resumes=True)
    events.add("ready", age=740)
    loop.turn(6)
    assert loop.titles() == []
    assert loop.store.open_incidents() == []


def test_signs_of_life_every_fifteen_seconds(loop: Loop, clock: FakeClock):
    loop.turn()
    first = loop.store.recall("watcher")
    assert first["time"] == clock()
    loop.turn(50)
    assert loop.store.recall("watcher") == first
    loop.turn(26)
    assert loop.store.recall("watcher")["time"] >= first["time"] + 15
    assert loop.store.recall("watcher")["cycle"] > first["cycle"]


def test_press_is_answered_in_the_next_cycle(loop: Loop, events: EventsFile):
    events.add("consent_needed", reason="login_due")
    loop.turn()
    (queued,) = loop.store.waiting("phone")
    nonce = next(button.nonce for button in queued.message.buttons if button.action == "push")
    notifier = Store(loop.settings.database)
    number = notifier.add_press("phone", "1", 123456, nonce, loop.clock())
    loop.turn()
    assert notifier.press_answer(number) == "The login starts; the push comes in a moment."
    assert loop.actions.started == ["ibgateway-consent@live.service"]
    notifier.close()


def test_status_names_what_is_open(loop: Loop, events: EventsFile):
    events.add("crashed", signal=9)
    loop.turn()
    assert loop.watcher.status() == "watching live, paper; open: live crashed"


def test_no_channel_is_said(make_settings, clock: FakeClock):
    made = Loop(make_settings(channels=()), clock)
    assert "telling nobody" in made.watcher.status()
    made.store.close()


# --- the database -----------------------------------------------------------------------------------------


def test_full_disk_keeps_everything_and_says_so(loop: Loop, events: EventsFile, clock: FakeClock):
    loop.turn()
    with loop.store.transaction():
        loop.store.remember("padding", "x" * 3000)
    (pages,) = loop.store._db.execute("PRAGMA page_count").fetchone()
    loop.store._db.execute(f"PRAGMA max_page_count={pages}")
    for _ in range(3):
        events.add("credentials_rejected", text="y" * 9000)
        events.add("starting", resumes=False)
        events.add("ready")
    loop.sources.seen.append(Observation("live", "probe", "incompatible", clock(), "z" * 9000))
    loop.turn(20)
    assert "NOT WRITING" in loop.watcher.status()
    assert "full" in loop.watcher.status()
    cycles = loop.watcher._cycles
    loop.turn()
    assert loop.watcher._cycles == cycles + 1  # it goes round, so systemd's watchdog is fed
    loop.store._db.execute("PRAGMA max_page_count=1000000")
    loop.turn(10)
    assert "NOT WRITING" not in loop.watcher.status()
    titles = loop.titles()
    assert titles[:6] == ["User name or password wrong", "Over: User name or password wrong"] * 3
    assert titles[6:] == ["Cannot check the API"]


def test_nothing_is_started_for_what_was_not_written(loop: Loop, events: EventsFile, monkeypatch):
    events.add("consent_needed", reason="login_due")
    loop.turn()
    (queued,) = loop.store.waiting("phone")
    nonce = next(button.nonce for button in queued.message.buttons if button.action == "push")
    number = loop.store.add_press("phone", "1", 123456, nonce, loop.clock())
    loop.watcher._changes = None
    answer = loop.store.answer_press

    def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(loop.store, "answer_press", full)
    loop.turn(3)
    assert loop.actions.started == []
    assert loop.store.open_incidents()[0].acknowledged is None
    monkeypatch.setattr(loop.store, "answer_press", answer)
    loop.turn(10)
    assert loop.actions.started == ["ibgateway-consent@live.service"]
    assert loop.store.press_answer(number)


def test_damage_ends_the_watcher_so_that_its_next_start_heals_it(loop: Loop, events: EventsFile, monkeypatch):
    def broken(*_: object) -> None:
        raise StoreError("malformed", damaged=True)

    monkeypatch.setattr(loop.store, "unhandled_presses", broken)
    with pytest.raises(StoreError, match="malformed"):
        loop.turn()


def test_a_fault_of_its_own_costs_one_event(loop: Loop, events: EventsFile, monkeypatch, caplog):
    events.add("throttled", text="x")
    events.add("crashed", signal=9)
    understood = loop.watcher.brain.event

    def faulty(event) -> None:
        understood(event)
        if event.type == "throttled":
            raise ZeroDivisionError

    monkeypatch.setattr(loop.watcher.brain, "event", faulty)
    loop.turn(3)
    assert loop.titles() == ["Unknown event", "Gateway died"]
    assert "ZeroDivisionError" in caplog.text
    assert [one.kind for one in loop.store.open_incidents()] == ["unknown_event", "crashed"]


def test_a_fault_in_a_press_answers_it(loop: Loop, monkeypatch):
    number = loop.store.add_press("phone", "1", 123456, "NONCE", loop.clock())
    monkeypatch.setattr(loop.watcher.brain, "press", lambda _press: 1 / 0)
    loop.turn(2)
    assert loop.store.press_answer(number) == "This did not work: see the journal."


def test_messages_that_are_done_are_forgotten_after_a_while(loop: Loop, events: EventsFile, clock: FakeClock):
    events.add("crashed", signal=9)
    loop.turn()
    (queued,) = loop.store.waiting("phone")
    loop.store.finish(queued.id, "delivered", clock())
    clock.advance(15 * 86400)
    loop.turn()
    rows = loop.store._db.execute("SELECT COUNT(*) FROM outbox WHERE id=?", (queued.id,))
    assert rows.fetchone() == (0,)


# --- killed -----------------------------------------------------------------------------------------------

STORY = [
    ("crashed", {"signal": 9}),
    ("consent_needed", {"reason": "login_due", "text": "Java was killed"}),
    ("parked", {"reason": "consent"}),
    ("starting", {"resumes": False}),
    ("login_submitted", {"attempt": 1}),
    ("two_factor_waiting", {"title": "x", "seconds": 180}),
    ("two_factor_answered", {"seconds": 3}),
    ("ready", {"seconds": 40}),
]
WATCHER = """
import os, signal, sys
sys.path[:0] = {paths!r}
from pathlib import Path
from ibgateway_alerting.settings import Settings
from ibgateway_alerting.store import Store
import test_watch_main as here
from alerting_tools import FakeClock, channel

def main(root, now, at):
    root = Path(root)
    channels = (channel(), channel("mail", kind="apprise", users=()))
    settings = Settings("vps1", root / "etc", root / "var", root / "run", root / "alerting.sqlite",
        root / "runbook.md", ("live", "paper"), "Europe/Zurich", 0, 15, False, "", 4, 5, channels)
    loop = here.Loop(settings, FakeClock(now))
    steps = 0
    def step():
        nonlocal steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)
    # Before and after every statement that is run: between any two of them the process may die.
    run = Store._run
    def counted(self, *arguments):
        step()
        result = run(self, *arguments)
        step()
        return result
    Store._run = counted
    loop.turn(4)
    print(steps)
"""


@pytest.fixture
def run_watcher() -> Iterator[Callable[[Path, float, int], tuple[int, str]]]:
    """Run the story, killed at a step; return the exit code, and how many steps there were."""
    paths = [str(ROLE / "files"), str(ROOT / "roles" / "ibc" / "files")]
    paths += [str(Path(__file__).parent), str(ROOT / "tests")]
    with Forks(WATCHER.format(paths=paths)) as forks:

        def run(root: Path, now: float, at: int) -> tuple[int, str]:
            log = root / "log"
            log.unlink(missing_ok=True)
            code = forks.start(str(root), now, at, log=log).wait(60)
            assert code in (0, -signal.SIGKILL), log.read_text()
            return code, log.read_text()

        yield run


def outbox(path: Path) -> list[tuple]:
    store = Store(path)
    rows = store._db.execute("SELECT channel, incident, mode, message FROM outbox ORDER BY id").fetchall()
    store.close()
    return [(channel, incident, mode, json.loads(text)["title"]) for channel, incident, mode, text in rows]


@pytest.fixture
def world(make_settings, tmp_path: Path, clock: FakeClock) -> Path:
    make_settings()
    file = EventsFile(tmp_path / "var" / "live" / "events.jsonl", clock)
    for number, (kind, detail) in enumerate(STORY):
        file.add(kind, age=float(60 - number), **detail)
    return tmp_path


@pytest.mark.processes
def test_killed_anywhere_nothing_is_lost_and_nothing_told_twice(world: Path, clock: FakeClock, run_watcher):
    """Kill it at each of 8 steps of the whole run, then let it finish: the outbox is the same."""
    _, said = run_watcher(world, clock(), at=-1)
    total = int(said)
    expected = outbox(world / "alerting.sqlite")
    assert [title.partition(": ")[2] for channel, _, mode, title in expected if channel == "mail"] == [
        "Gateway died",
        "May I send you the push?",
        "Approve IB Key now, 2:04 left",
        "Approved, ready after 2 s",
    ]  # fmt: skip
    assert total > 100
    killed = 0
    for at in range(3, total, max(1, total // 8)):
        for file in world.glob("alerting.sqlite*"):
            file.unlink()
        code, _ = run_watcher(world, clock(), at)
        killed += code == -signal.SIGKILL
        code, _ = run_watcher(world, clock(), at=-1)
        assert code == 0
        assert outbox(world / "alerting.sqlite") == expected, f"killed at step {at}"
    assert killed >= 8


@pytest.mark.processes
def test_killed_again_and_again(world: Path, clock: FakeClock, run_watcher):
    run_watcher(world, clock(), at=-1)
    expected = outbox(world / "alerting.sqlite")
    for file in world.glob("alerting.sqlite*"):
        file.unlink()
    for _ in range(60):
        code, _ = run_watcher(world, clock(), at=120)
        if code == 0:
            break
    else:
        pytest.fail("it makes no headway")
    assert outbox(world / "alerting.sqlite") == expected


# --- the process ------------------------------------------------------------------------------------------


def config(settings: Settings, **changes: object) -> Path:
    lines = {
        "host": settings.host, "etc_root": str(settings.etc_root), "state_root": str(settings.state_root),
        "run_root": str(settings.run_root), "database": str(settings.database),
        "runbook": str(settings.runbook), "instances": list(settings.instances), "timezone": "Europe/Zurich",
        "metrics_port": 0, "remind_before_minutes": 15, "remind_friday": False, "digest": "",
        "reminder_hours": 4, "deadman_minutes": 5, **changes,
    }  # fmt: skip
    file = settings.database.with_name("config.toml")
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items()))
    return file


def test_check_says_whether_it_could_run(settings: Settings, capsys):
    assert program.main(config(settings), ["--check"]) == 0
    assert "2 instances, 0 channels" in capsys.readouterr().out
    assert not settings.database.exists()


@pytest.mark.parametrize("damage", ["config", "instance"])
def test_what_it_cannot_run_with_is_code_78(settings: Settings, damage: str, caplog):
    file = config(settings, **({"timezone": "Mars"} if damage == "config" else {}))
    if damage == "instance":
        (settings.etc_root / "live" / "instance.toml").write_text("name = 3")
    assert program.main(file, ["--check"]) == 78
    assert program.main(file, []) == 78


def test_help_is_for_people(settings: Settings, capsys):
    with pytest.raises(SystemExit) as ended:
        program.main(config(settings), ["--help"])
    assert ended.value.code == 0
    assert "--check" in capsys.readouterr().out


class Notified:
    """A socket as systemd's, for sd_notify."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(30)

    def wait_for(self, text: str) -> str:
        while text not in (said := self.socket.recv(4096).decode()):
            pass
        return said


@pytest.fixture
def systemd(tmp_path: Path):
    made = Notified(tmp_path / "notify")
    yield made
    made.socket.close()


@pytest.mark.processes
def test_process_from_start_to_stop(settings: Settings, systemd: Notified, tmp_path: Path):
    text = f"""
        import sys
        sys.path[:0] = {[str(ROLE / "files"), str(ROOT / "roles" / "ibc" / "files")]!r}
        from pathlib import Path
        from ibgateway_alerting.watch.main import main
        sys.exit(main(Path({str(config(settings))!r}), []))
    """
    environment = {**os.environ, "NOTIFY_SOCKET": str(systemd.path), "PATH": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)],
        env=environment,
        umask=0o007,  # the unit's
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert "STATUS=watching live, paper" in systemd.wait_for("READY=1")
        systemd.wait_for("WATCHDOG=1")
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": stamp, "instance": "live", "type": "crashed", "detail": {"signal": 9}}
        (settings.state_root / "live" / "events.jsonl").write_text(json.dumps(line) + "\n")
        assert "open: live crashed" in systemd.wait_for("open:")
        process.send_signal(signal.SIGTERM)
        systemd.wait_for("STOPPING=1")
        assert process.wait(10) == 0
        assert "Gateway died" in process.stderr.read()
    store = Store(settings.database)
    assert [(one.instance, one.kind) for one in store.open_incidents()] == [("live", "crashed")]
    assert isinstance(store.open_incidents()[0], Incident)
    store.close()
    assert settings.database.stat().st_mode & 0o777 == 0o660
