"""The database: all or nothing, from two processes, on a full disk, damaged, of another release, killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from alerting_tools import ROLE, ROOT
from ibgateway_alerting.model import EDIT, EDIT_OR_SEND, SEND, Button, Incident, Message
from ibgateway_alerting.store import SET_ASIDE, VERSION, Store, StoreError

MESSAGE = Message(
    "action", "[action] live on vps1: Words", "Body", (Button("mine", "I'm on it", "NONCE"),), ""
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerting.sqlite"


@pytest.fixture
def store(path: Path) -> Store:
    opened = Store(path)
    yield opened
    opened.close()


def test_everything_comes_back_as_it_was(store: Store, path: Path):
    incident = Incident("live", "crashed", "critical", 100.5, told=101.0, detail={"signal": 9, "text": "ß"})
    with store.transaction():
        store.save_incident(incident)
        store.queue("phone", MESSAGE, now=101.0, since=100.5, incident=incident.id, mode="edit")
        store.remember("position:live", {"offset": 7})
        store.add_button(MESSAGE.buttons[0], "live", incident.id, 500.0)
    other = Store(path)
    assert other.open_incidents() == [incident]
    (queued,) = other.waiting("phone")
    assert (queued.message, queued.mode, queued.since, queued.incident) == (
        MESSAGE,
        "edit",
        100.5,
        incident.id,
    )
    assert other.recall("position:live") == {"offset": 7}
    assert other.recall("nothing", 3) == 3
    assert other.button("NONCE") == {
        "incident": incident.id, "instance": "live", "action": "mine", "expires": 500.0, "used": None,
    }  # fmt: skip
    assert other.button("UNKNOWN") is None
    other.close()


def test_a_transaction_that_raises_writes_nothing(store: Store):
    class OddError(Exception):
        pass

    def half() -> None:
        with store.transaction():
            store.save_incident(Incident("live", "crashed", "critical", 1.0))
            store.queue("phone", MESSAGE, now=1.0)
            store.remember("position:live", 1)
            raise OddError

    with pytest.raises(OddError):
        half()
    assert store.open_incidents() == []
    assert store.waiting("phone") == []
    assert store.recall("position:live") is None


def test_one_open_incident_of_a_kind(store: Store):
    first = store.save_incident(Incident("live", "crashed", "critical", 1.0))
    with pytest.raises(sqlite3.IntegrityError):
        store.save_incident(Incident("live", "crashed", "critical", 2.0))
    first.resolved = 3.0
    store.save_incident(first)
    again = store.save_incident(Incident("live", "crashed", "critical", 4.0))
    assert again.id != first.id
    assert [one.id for one in store.incidents_since(3.5)] == [again.id]
    assert [one.id for one in store.incidents_since(2.0)] == [first.id, again.id]


def test_two_connections_see_each_other(store: Store, path: Path):
    other = Store(path)
    before, others = store.changes(), other.changes()
    with other.transaction():
        other.queue("phone", MESSAGE, now=1.0)
    assert store.changes() != before
    assert other.changes() == others  # its own writing is no news
    assert [queued.channel for queued in store.waiting("phone")] == ["phone"]
    settled = store.changes()
    assert store.changes() == settled
    other.close()


def test_the_second_writer_waits_for_the_first(store: Store, path: Path):
    program = """
        with store.transaction():
            store.remember("who", "child")
            print("inside", flush=True)
            sys.stdin.readline()
    """
    with _child(path, program) as child:
        assert child.stdout.readline() == "inside\n"
        assert store.recall("who") is None  # readers do not wait, and see only what is complete
        child.stdin.write("go\n")
        child.stdin.flush()
        with store.transaction():
            assert store.recall("who") == "child"
            store.remember("who", "parent")
        assert child.wait(20) == 0
    assert store.recall("who") == "parent"


# --- a full disk ------------------------------------------------------------------------------------------


def test_full_disk_refuses_and_loses_nothing(store: Store):
    with store.transaction():
        store.remember("position:live", 1)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match=r"alerting\.sqlite.*full") as refused:
        _fill(store)
    assert not refused.value.damaged
    assert store.recall("position:live") == 1
    assert store.waiting("phone") == []
    store._db.execute("PRAGMA max_page_count=1000000")
    _fill(store)
    assert len(store.waiting("phone")) == 50


def _fill(store: Store) -> None:
    with store.transaction():
        store.remember("position:live", 2)
        for _ in range(50):
            store.queue("phone", Message("info", "t", "x" * 4000), now=1.0)


def test_no_room_for_a_new_database(path: Path):
    # The kernel's own refusal, as on a disk that is full: no file of this process may grow.
    program = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        try:
            Store(path)
        except StoreError as error:
            print(type(error).__name__, error.damaged)
    """
    with _child(path, program, opened=False) as child:
        said, _ = child.communicate(timeout=20)
    assert said == "StoreError False\n"
    assert list(path.parent.glob("*damaged*")) == []


# --- a damaged file ---------------------------------------------------------------------------------------


def _damage(path: Path) -> None:
    store = Store(path)
    with store.transaction():
        for number in range(300):
            store.remember(f"key{number}", "x" * 500)
    store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(8 * 4096))


@pytest.mark.parametrize("content", [b"no database at all, but longer than a header" * 100, None])
def test_damaged_file_is_set_aside(path: Path, content: bytes | None):
    if content is None:
        _damage(path)
        content = path.read_bytes()
    else:
        path.write_bytes(content)
    store = Store(path)
    assert store.recall(SET_ASIDE) == "alerting.sqlite.damaged-1"
    assert path.with_name("alerting.sqlite.damaged-1").read_bytes() == content
    assert store.open_incidents() == []
    with store.transaction():
        store.queue("phone", MESSAGE, now=1.0)
    store.close()
    again = Store(path)
    assert len(again.waiting("phone")) == 1
    again.close()


def test_each_damaged_file_is_kept(path: Path):
    for number in (1, 2):
        path.write_bytes(b"rubbish" * 1000)
        store = Store(path)
        assert store.recall(SET_ASIDE) == f"alerting.sqlite.damaged-{number}"
        store.close()


def test_damage_found_later_says_so(store: Store, path: Path):
    with store.transaction():
        for number in range(300):
            store.remember(f"key{number}", "x" * 500)
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 30 * 4096)
    store._db.execute("PRAGMA shrink_memory")

    def read_all() -> None:
        for number in range(300):
            store.recall(f"key{number}")

    with pytest.raises(StoreError) as found:
        read_all()
    assert found.value.damaged


def test_the_other_process_follows_to_the_new_file(store: Store, path: Path):
    notifier = Store(path)
    seen = notifier.changes()
    path.write_bytes(b"rubbish" * 1000)
    watcher = Store(path)
    with watcher.transaction():
        watcher.queue("phone", MESSAGE, now=1.0)
    assert notifier.changes() != seen
    assert len(notifier.waiting("phone")) == 1
    with notifier.transaction():
        notifier.add_press("phone", "1", 5, "NONCE", 2.0)
    assert len(watcher.unhandled_presses()) == 1
    watcher.close()
    notifier.close()


# --- another release --------------------------------------------------------------------------------------


def test_a_newer_release_is_refused_and_left_alone(path: Path):
    store = Store(path)
    store._db.execute(f"PRAGMA user_version={VERSION + 1}")
    store.close()
    content = path.read_bytes()
    with pytest.raises(StoreError, match="newer release") as refused:
        Store(path)
    assert not refused.value.damaged
    assert path.read_bytes() == content
    assert list(path.parent.glob("*damaged*")) == []


# --- killed -----------------------------------------------------------------------------------------------

STEPS = ("begun", "incident", "message", "position", "committed")


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_is_all_or_nothing(path: Path, step: str):
    program = f"""
        import os, signal
        from ibgateway_alerting.model import Incident, Message
        def at(step):
            if step == {step!r}:
                os.kill(os.getpid(), signal.SIGKILL)
        with store.transaction():
            at("begun")
            incident = store.save_incident(Incident("live", "crashed", "critical", 1.0))
            at("incident")
            store.queue("phone", Message("info", "t", "b"), now=1.0, incident=incident.id)
            at("message")
            store.remember("position:live", 1)
            at("position")
        at("committed")
    """
    with _child(path, program) as child:
        assert child.wait(20) == -signal.SIGKILL
    store = Store(path)
    whole = step == "committed"
    assert len(store.open_incidents()) == whole
    assert len(store.waiting("phone")) == whole
    assert store.recall("position:live") == (1 if whole else None)
    with store.transaction():  # nobody holds a lock that outlives its process
        store.remember("position:live", 2)
    store.close()


def _child(path: Path, program: str, *, opened: bool = True) -> subprocess.Popen[str]:
    paths = [str(ROLE / "files"), str(ROOT / "roles" / "ibc" / "files")]
    head = f"""
        import sys
        sys.path[:0] = {paths!r}
        from pathlib import Path
        from ibgateway_alerting.store import Store, StoreError
        path = Path({str(path)!r})
    """
    text = textwrap.dedent(head) + ("store = Store(path)\n" if opened else "") + textwrap.dedent(program)
    return subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


# --- outbox, presses, housekeeping ------------------------------------------------------------------------


def test_a_change_is_overtaken_by_the_next_change_of_the_same_message(store: Store):
    modes = [EDIT, EDIT, SEND, EDIT, EDIT_OR_SEND]
    for mode in modes:
        store.queue("phone", MESSAGE, now=1.0, incident=1, mode=mode)
    store.queue("phone", MESSAGE, now=1.0, incident=2, mode=EDIT)
    store.queue("mail", MESSAGE, now=1.0, incident=1, mode=EDIT)
    overtaken = [store.changed_again(queued) for queued in store.waiting("phone")]
    # Behind the second one stands another message, which leaves this one as it is.
    assert overtaken == [True, False, True, True, False, False]


def test_messages_of_a_channel_keep_their_order(store: Store):
    numbers = [store.queue("phone", MESSAGE, now=9.0 - n, incident=n % 2) for n in range(6)]
    store.queue("mail", MESSAGE, now=1.0)
    store.put_off(numbers[0], 3, 99.0)
    waiting = store.waiting("phone")
    assert [queued.id for queued in waiting] == numbers
    assert (waiting[0].attempts, waiting[0].next_try) == (3, 99.0)
    store.finish(numbers[0], "delivered", 10.0)
    assert [queued.id for queued in store.waiting("phone", 2)] == numbers[1:3]
    assert store.backlog() == {"phone": (5, 4.0), "mail": (1, 1.0)}


def test_channels_that_are_gone_are_forgotten(store: Store):
    store.queue("phone", MESSAGE, now=1.0)
    store.queue("fax", MESSAGE, now=1.0)
    assert store.forget_channels({"phone"}, 2.0) == 1
    assert store.backlog() == {"phone": (1, 1.0)}


def test_a_press_counts_once(store: Store):
    number = store.add_press("phone", "update-7", 5, "NONCE", 1.0)
    assert store.add_press("phone", "update-7", 5, "NONCE", 2.0) is None
    assert store.add_press("tablet", "update-7", 5, "NONCE", 2.0) is not None
    assert [press.channel for press in store.unhandled_presses()] == ["phone", "tablet"]
    assert store.press_answer(number) is None
    store.answer_press(number, "Done.", accepted=True, now=3.0)
    assert store.press_answer(number) == "Done."
    assert [press.channel for press in store.unhandled_presses()] == ["tablet"]


def test_using_one_button_uses_all_of_its_incident(store: Store):
    for nonce, incident in (("A", 1), ("B", 1), ("C", 2)):
        store.add_button(Button("mine", "x", nonce), "live", incident, 10.0)
    store.use_buttons(1, 5.0)
    assert [store.button(nonce)["used"] for nonce in "ABC"] == [5.0, 5.0, None]


def test_tidy_keeps_what_is_not_done(store: Store):
    old = store.queue("phone", MESSAGE, now=1.0)
    store.queue("phone", MESSAGE, now=1.0)
    store.finish(old, "delivered", 2.0)
    store.add_button(Button("mine", "x", "OLD"), "live", 1, 5.0)
    store.add_button(Button("mine", "x", "NEW"), "live", 1, 50.0)
    store.tidy(10.0)
    assert len(store.waiting("phone")) == 1
    assert store._db.execute("SELECT COUNT(*) FROM outbox").fetchone() == (1,)
    assert store.button("OLD") is None
    assert store.button("NEW") is not None


def test_references_are_replaced(store: Store):
    assert store.sent_reference("phone", 1) is None
    store.note_sent("phone", 1, {"message": 7})
    store.note_sent("phone", 1, {"message": 8})
    assert store.sent_reference("phone", 1) == {"message": 8}


def test_the_group_may_write_every_file_of_it(store: Store, path: Path):
    # Whatever the umask makes of it: watcher and notifier are two users of one group.
    os.umask(old := os.umask(0))
    store.remember("a", 1)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {path.name + suffix: 0o660 & ~old for suffix in ("", "-wal", "-shm", ".lock")}
