"""The machine: disks, routes, what the notifier met, the clock, and what the kernel says about a port."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from ibgateway_alerting.observation import SAY_AGAIN
from ibgateway_alerting.watch import host as watched
from ibgateway_alerting.watch.host import HostSource, fullest_of, has_default_route
from ibgateway_alerting.watch.sockets import evidence

ROUTES = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
DEFAULT = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
LOCAL = "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
DOWN = DEFAULT.replace("0003", "0002")
HALF = DEFAULT.replace("\t00000000\t0\t0\t0", "\t00000080\t0\t0\t0")
"""One half of the address space by way of a tunnel: 0.0.0.0/1 is no default route."""
NOWHERE = "0" * 32
DEFAULT6 = f"{NOWHERE} 00 {NOWHERE} 00 fd{'0' * 29}1 00000400 00000002 00000000 00000003     eth0\n"
REJECT6 = f"{NOWHERE} 00 {NOWHERE} 00 {NOWHERE} ffffffff 00000001 00000000 00200200       lo\n"


def routes(root: Path, four: str | None = DEFAULT + LOCAL, six: str | None = REJECT6) -> Path:
    """A procfs with these routing tables; None: the kernel has no such protocol."""
    (root / "net").mkdir(parents=True, exist_ok=True)
    for name, content in (("route", None if four is None else ROUTES + four), ("ipv6_route", six)):
        (root / "net" / name).unlink(missing_ok=True)
        if content is not None:
            (root / "net" / name).write_text(content)
    return root


@pytest.fixture
def proc(tmp_path):
    return routes(tmp_path / "proc")


@pytest.fixture
def make(settings, store, proc, tmp_path):
    """Make the source, with a timedatectl that prints what the test wants."""
    made = []

    def source(answer: str = "yes", code: int = 0, program: str = sys.executable) -> HostSource:
        script = f"print({answer!r}); raise SystemExit({code})"
        command = [program, "-c", script]
        outside = tmp_path / "container"
        made.append(HostSource(settings, store, proc=proc, timedatectl=command, container=outside))
        return made[-1]

    yield source
    for one in made:
        one.close()


def seen(source: HostSource, what: str, now: float) -> list:
    return [(one.value, one.text) for one in source.tick(now) if one.what == what]


@pytest.mark.parametrize(
    ("four", "six", "way"),
    [
        (DEFAULT + LOCAL, REJECT6, True),
        (LOCAL, REJECT6, False),
        (LOCAL, REJECT6 + DEFAULT6, True),
        (LOCAL, DEFAULT6, True),
        (DOWN, None, False),
        (DEFAULT.replace("0003", "0201"), None, False),
        (HALF, None, False),
        ("", REJECT6, False),
        (None, REJECT6, False),
        (None, DEFAULT6, True),
        (None, None, True),
    ],
)
def test_whether_there_is_a_way_out(tmp_path, four, six, way):
    assert has_default_route(routes(tmp_path, four, six)) is way


def test_this_machines_tables_can_be_read():
    assert isinstance(has_default_route(), bool)


def test_a_route_that_goes_and_comes_back(make, proc, clock):
    source = make()
    assert seen(source, "network", clock()) == [("ok", "")]
    routes(proc, LOCAL)
    assert seen(source, "network", clock.advance(watched.LOOK_EVERY)) == [("no_route", "no default route")]
    routes(proc)
    assert seen(source, "network", clock.advance(watched.LOOK_EVERY)) == [("ok", "")]


def health(now: float, age: float = 10.0, **changes: object) -> dict:
    usual = {"time": now - age, "delivered": now - 600, "failing": {}, "trouble": {}, "dns": "ok"}
    return usual | changes


NO_NAMES = "api.telegram.org cannot be looked up"
SILENT = {"phone": "no answer in 15 s", "mail": "no connection, or refused"}


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, "ok"),
        ({"dns": NO_NAMES}, "dns"),
        ({"dns": None}, "ok"),
        ({"dns": NO_NAMES, "age": watched.NOTIFIER_FRESH}, "ok"),
        ({"dns": NO_NAMES, "age": -5.0}, "ok"),
        ({"trouble": SILENT, "failing": {"phone": 500, "mail": 400}}, "unreachable"),
        ({"trouble": SILENT, "failing": {"phone": 500, "mail": 700}}, "ok"),
        ({"trouble": {"phone": SILENT["phone"]}, "failing": {"phone": 500}}, "ok"),
        ({"trouble": {**SILENT, "chat": "HTTP status 500"}, "failing": dict.fromkeys(SILENT, 500)}, "ok"),
        ({"trouble": None, "failing": None, "delivered": None}, "ok"),
    ],
    ids=[
        "fine",
        "dns",
        "unknown",
        "old",
        "future",
        "silent",
        "delivered since",
        "one only",
        "an answer",
        "empty",
    ],
)
def test_what_the_notifier_met(make, store, clock, changes, value):
    """`failing` is given as seconds ago."""
    now = clock()
    failing = {name: now - ago for name, ago in (changes.get("failing") or {}).items()}
    store.remember("notifier", health(now, **{**changes, "failing": failing}))
    assert [found for found, _ in seen(make(), "network", now)] == [value]


def test_who_does_not_answer_is_named(make, store, clock):
    failing = dict.fromkeys(SILENT, clock() - 100)
    store.remember("notifier", health(clock(), trouble=SILENT, failing=failing))
    assert seen(make(), "network", clock()) == [("unreachable", "no answer from mail, phone")]


def test_what_lasts_is_said_once_a_minute_and_looked_at_twice(make, clock, monkeypatch):
    source, looks = make(), []
    monkeypatch.setattr(watched, "fullest_of", lambda places: looks.append(places) or (0.5, "/"))
    began = clock()
    said = []
    while clock() < began + 10 * SAY_AGAIN:
        said += seen(source, "disk", clock())
        clock.advance(0.2)
    assert said == [(0.5, "/")] * 10
    assert len(looks) == 20


class Statvfs:
    """What os.statvfs returns, as far as it is used."""

    def __init__(self, blocks=1000, free=500, available=450, files=100, files_available=90) -> None:
        self.f_blocks, self.f_bfree, self.f_bavail = blocks, free, available
        self.f_files, self.f_favail = files, files_available


def test_the_fullest_file_system_counts(monkeypatch):
    disks = {
        "/": Statvfs(),
        "/run": Statvfs(free=1000, available=1000, files=0),
        "/var": Statvfs(free=60, available=10),
        "/inodes": Statvfs(files_available=2),
        "/pseudo": Statvfs(0, 0, 0, 0, 0),
    }
    monkeypatch.setattr(os, "statvfs", lambda path: disks[str(path)])
    assert fullest_of([Path("/"), Path("/run")]) == (0.47, "/")
    assert fullest_of([Path("/"), Path("/var")]) == (0.01, "/var")
    assert fullest_of([Path("/"), Path("/inodes")]) == (0.02, "/inodes")
    assert fullest_of([Path("/pseudo")]) == (1.0, "/pseudo")


def test_a_directory_that_is_not_there_is_passed_over(tmp_path):
    assert fullest_of([tmp_path / "nothing"]) is None
    assert fullest_of([tmp_path / "nothing", tmp_path])[1] == str(tmp_path)


def test_the_disks_that_matter_are_looked_at(make, settings, clock, monkeypatch):
    looked = []
    monkeypatch.setattr(os, "statvfs", lambda path: looked.append(Path(path)) or Statvfs())
    make().tick(clock())
    assert set(looked) == {settings.state_root, settings.database.parent, settings.run_root, Path("/")}


def clock_says(source: HostSource, clock) -> list:
    """Ask, wait for the child, and ask again."""
    found = seen(source, "clock", clock())
    if source._clock._process:
        source._clock._process.wait(10)
    return found + seen(source, "clock", clock.advance(0.2))


@pytest.mark.parametrize(("answer", "value"), [("yes", "ok"), ("no", "unsynchronised")])
def test_the_clock(make, clock, answer, value):
    assert clock_says(make(answer), clock) == [(value, "")]


def test_in_a_container_the_clock_is_the_outer_machines(make, clock, tmp_path):
    source = make("no")
    (tmp_path / "container").write_text("docker")
    assert clock_says(source, clock) == [("ok", "")]
    assert source._clock._process is None


@pytest.mark.parametrize(("answer", "code"), [("yes", 1), ("perhaps", 0), ("", 0)])
def test_a_clock_that_nobody_can_tell_of_is_not_wrong(make, clock, answer, code):
    assert clock_says(make(answer, code), clock) == []


def test_without_timedatectl_nothing_is_said_of_the_clock(make, clock, tmp_path, caplog):
    source = make(program=str(tmp_path / "nothing"))
    assert clock_says(source, clock) == []
    assert "whether the clock is right" in caplog.text


def test_the_clock_is_asked_after_seldom(make, clock, tmp_path):
    source = make()
    assert clock_says(source, clock) == [("ok", "")]
    source._clock._command = (sys.executable, "-c", f"open({str(tmp_path / 'asked')!r}, 'w'); print('no')")
    clock.advance(watched.CLOCK_EVERY - 10)
    assert clock_says(source, clock) == [("ok", "")]
    assert not (tmp_path / "asked").exists()
    clock.advance(10)
    assert clock_says(source, clock)[-1] == ("unsynchronised", "")


def test_a_timedatectl_that_hangs_is_ended(make, clock):
    source = make()
    source._clock._command = (sys.executable, "-c", "import time; time.sleep(60)")
    source.tick(clock())
    process = source._clock._process
    source.tick(clock.advance(watched.ANSWERS_WITHIN))
    assert process.returncode == -9
    assert source._clock._process is None


# --- the API's port ---


def test_connections_that_nobody_accepts_are_counted():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert evidence(port) == "Recv-Q 0, CLOSE_WAIT 0"
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            assert evidence(port) == "Recv-Q 2, CLOSE_WAIT 0"
            first, _ = listener.accept()
            with first:
                assert evidence(port) == "Recv-Q 1, CLOSE_WAIT 0"
    assert evidence(port) == ""


def test_clients_that_left_and_were_never_closed_are_counted():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        left, _ = listener.accept()
        with left:
            assert left.recv(1) == b""
            assert evidence(port) == "Recv-Q 0, CLOSE_WAIT 1"


def test_an_ipv6_listener_counts(tmp_path):
    (tmp_path / "net").mkdir()
    row = "   0: {a}:0FA1 {a}:0000 0A 00000000:00000007 00:00000000 00000000   998        0 77 1\n"
    (tmp_path / "net" / "tcp6").write_text("  sl  local_address\n" + row.format(a="0" * 32))
    assert evidence(4001, tmp_path) == "Recv-Q 7, CLOSE_WAIT 0"
    assert evidence(4002, tmp_path) == ""


def test_without_the_tables_there_is_no_evidence(tmp_path):
    assert evidence(4001, tmp_path) == ""
