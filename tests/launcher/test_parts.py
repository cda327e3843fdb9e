"""The small parts: events file, status to systemd, API probe, command client, token and flag files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
import time

import pytest
from ibgatewaylib import (
    api_probe,
    display,
    events,
    fingerprint,
    ibc_command,
    sdnotify,
    statefile,
    tokenfile,
)
from ibgatewaylib.sdnotify import Notifier


def test_events_rotate_by_size(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "ROTATE_AT", 400)
    log = events.EventLog(tmp_path / "events.jsonl", "live", pytest.fail)
    for number in range(12):
        log.emit("ready", {"number": number})
    files = [tmp_path / "events.jsonl.1", tmp_path / "events.jsonl"]
    assert all(0 < file.stat().st_size <= 400 for file in files)
    kept = [json.loads(line)["detail"]["number"] for file in files for line in file.read_text().splitlines()]
    assert kept == list(range(kept[0], 12))


def test_event_line(tmp_path):
    file = tmp_path / "events.jsonl"
    events.EventLog(file, "live", pytest.fail).emit("two_factor_waiting", {"title": "Zweiter Faktor\nü"})
    [line] = file.read_text().splitlines()
    event = json.loads(line)
    assert list(event) == ["time", "instance", "type", "detail"]
    assert event["detail"] == {"title": "Zweiter Faktor\nü"}
    assert events.timestamp(0.0129) == "1970-01-01T00:00:00.012Z"


def test_an_event_after_half_a_line_is_a_line_of_its_own(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_bytes(b'{"time":"2026-01-01T00:00:00.000Z","ty')
    events.EventLog(file, "live", pytest.fail).emit("stopping", {})
    assert json.loads(file.read_bytes().splitlines()[1])["type"] == "stopping"


def test_event_outside_the_contract(tmp_path):
    with pytest.raises(ValueError, match="unknown event type"):
        events.EventLog(tmp_path / "events.jsonl", "live", pytest.fail).emit("rebooted", {})


def test_state_file_is_whole_or_absent(tmp_path):
    file = tmp_path / "state.json"
    assert statefile.read(file) is None
    statefile.write(file, {"state": "ready"})
    assert statefile.read(file) == {"state": "ready"}
    file.write_text("{broken")
    assert statefile.read(file) is None
    file.write_text("[]")
    assert statefile.read(file) is None


def test_notifier(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        notifier = Notifier(str(tmp_path / "notify"))
        notifier.status("one\ntwo")
        notifier.status("one two")
        notifier.ready()
        assert [systemd.recv(100), systemd.recv(100)] == [b"STATUS=one two", b"READY=1"]
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
    notifier.status("nobody listens")
    Notifier("").ready()


def test_notifier_is_not_held_up_by_a_systemd_that_does_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sdnotify, "PATIENCE", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        notifier = Notifier(str(tmp_path / "notify"))
        began = time.monotonic()
        for number in range(20):
            notifier.status(f"step {number}")
        assert time.monotonic() - began < 3


def test_display(tmp_path, monkeypatch):
    assert display.answers("")
    assert display.answers("elsewhere:0")
    assert not display.answers(":59999")
    assert not display.answers(":59999.0")


@pytest.mark.parametrize("answer", [b"", b"\x00\x0a", b"\x01"])
def test_display_that_accepts_connections_and_does_or_does_not_answer(tmp_path, monkeypatch, answer):
    monkeypatch.setattr(display, "SOCKETS", tmp_path)
    monkeypatch.setattr(display, "ANSWERS_WITHIN", 5.0 if answer else 0.05)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "X7"))
        server.listen()

        def serve():
            connection, _ = server.accept()
            with connection:
                assert connection.recv(12, socket.MSG_WAITALL) == b"l\0\x0b\0\0\0\0\0\0\0\0\0"
                connection.sendall(answer)

        if answer:
            threading.Thread(target=serve).start()
        assert display.answers(":7") == bool(answer)


@pytest.fixture
def server():
    """A server for one connection: call with what it shall do, get its port."""
    sockets, threads, over = [], [], threading.Event()

    def serve(act) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def run() -> None:
            # A client that gives up first, or never comes, is no fault of this one.
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    act(connection)
                    over.wait()

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return listener.getsockname()[1]

    yield serve
    over.set()
    for listener in sockets:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for a client
        listener.close()
    for thread in threads:
        thread.join(10)


def frame(*fields: object) -> bytes:
    body = b"".join(str(field).encode() + b"\0" for field in fields)
    return len(body).to_bytes(4, "big") + body


def handshake(connection: socket.socket, *answer: bytes) -> None:
    assert connection.recv(100) == b"API\0\0\0\0\x09v100..187"
    connection.sendall(frame(187, "20261124 03:00:00 EST"))
    assert connection.recv(100) == b"\0\0\0\x0a" + b"71\0" + b"2\0" + b"970\0" + b"\0"
    for part in answer:
        connection.sendall(part)


def test_probe_wants_accounts_and_next_id(server):
    whole = frame(15, 1, "DU1,DU2,") + frame(9, 1, 5)
    port = server(lambda c: handshake(c, whole[:7], whole[7:]))
    attempt = api_probe.probe(port, 3)
    assert (attempt.ok, attempt.accounts, attempt.server_version) == (True, 2, 187)


@pytest.mark.parametrize(
    ("act", "stage", "words"),
    [
        (lambda _: None, "handshake", "no answer in time"),
        (lambda c: (c.recv(99), c.close()), "handshake", "closed"),
        (lambda c: c.sendall(frame(226, "x")), "handshake", "version '226'"),
        (lambda c: c.sendall(b"HTTP/1.1 400 Bad"), "handshake", "not the TWS API"),
        (lambda c: handshake(c, frame(15, 1, "DU1")), "ready", "no answer in time"),
        (lambda c: handshake(c, frame(4, 2, -1, 326, "in use")), "ready", "client id 970 is in use"),
        (lambda c: (handshake(c), c.shutdown(socket.SHUT_RDWR)), "ready", "closed"),
    ],
    ids=["mute", "closes", "newer", "http", "no-id", "duplicate", "closes-later"],
)
def test_probe_names_the_stage_that_failed(server, act, stage, words):
    attempt = api_probe.probe(server(act), 0.4)
    assert (attempt.ok, attempt.stage) == (False, stage)
    assert words in attempt.problem


def test_probe_without_a_listener():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    attempt = api_probe.probe(port, 1)
    assert (attempt.stage, attempt.problem) == ("port", "nothing listens on the port")


def test_command_is_answered(server):
    def act(connection: socket.socket) -> None:
        assert connection.recv(100) == b"STOP\n"
        connection.sendall(b"INFO Closing IBC\nOK Shutting")
        connection.sendall(b" down\n")

    assert ibc_command.send(server(act), "STOP", 2) == "OK Shutting down"


@pytest.mark.parametrize(
    ("verb", "second", "waits"),
    [("RESTART", 54.5, 0), ("RESTART", 56.5, 3.5), ("PAUSE", 59.5, 0.5), ("STOP", 59.5, 0)],
)
def test_command_for_the_next_full_minute_leaves_time_for_it(server, monkeypatch, verb, second, waits):
    waited = []
    monkeypatch.setattr(ibc_command.time, "time", lambda: 1_800_000_000 + second)
    monkeypatch.setattr(ibc_command.time, "sleep", waited.append)
    ibc_command.send(server(lambda c: c.sendall(b"OK\n")), verb, 2)
    assert sum(waited) == waits


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda c: c.sendall(b"ERROR STOP already in progress\n"), "already in progress"),
        (lambda c: (c.recv(9), c.close()), "no answer to STOP"),
        (lambda _: None, "within 0.3 s"),
    ],
)
def test_command_that_fails(server, act, words):
    with pytest.raises(ibc_command.CommandFailed, match=words):
        ibc_command.send(server(act), "STOP", 0.3)


def test_tokens_exactly_one_directory_down(tmp_path):
    for place in ("autorestart", "a/autorestart", "a/b/autorestart", "c/autorestart/file"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    assert tokenfile.find(tmp_path) == [tmp_path / "a" / "autorestart"]
    assert tokenfile.set_aside(tokenfile.find(tmp_path)) == []
    assert tokenfile.find(tmp_path) == []
    assert (tmp_path / "a" / "autorestart.unused").exists()
    assert tokenfile.find(tmp_path / "missing") == []


def test_flags_of_this_run_only(tmp_path):
    (tmp_path / "PAUSEabc").touch()
    assert not tokenfile.take_flag(tmp_path, "PAUSE", "xyz")
    assert tokenfile.take_flag(tmp_path, "PAUSE", "abc")
    assert not (tmp_path / "PAUSEabc").exists()


def test_fingerprint_is_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 1000)
    assert fingerprint.of(tmp_path / "file") == hashlib.sha256(b"abc" * 1000).hexdigest()


@pytest.mark.parametrize(
    ("codes", "link"), [(["2104"], "up"), (["1100"], "down"), (["2110"], "down"), (["399"], ""), ([], "")]
)
def test_probe_tells_how_the_link_is(server, codes, link):
    def gateway(connection) -> None:
        connection.recv(64)
        connection.sendall(frame(187, "20261124 03:00:00 EST"))
        connection.recv(64)
        connection.sendall(frame(15, 1, "DU1") + frame(9, 1, 1))
        for code in codes:
            connection.sendall(frame(4, 2, -1, code, "…", ""))

    attempt = api_probe.ApiProbe(server(gateway), 5.0, link_seconds=0.3)
    while not attempt.done:
        time.sleep(0.01)
        attempt.advance()
    assert (attempt.ok, attempt.link) == (True, link)
