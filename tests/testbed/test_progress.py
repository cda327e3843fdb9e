"""Every step shows that it lives, says how long it took, and shows why it failed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from testbed.lib import progress

PROGRESS = Path(progress.__file__)


def step(tmp_path, *command: str, **options) -> int:
    return progress.run_step("Do it", ["sh", "-c", *command], tmp_path / "log" / "step.log", **options)


def test_a_step_says_its_title_and_its_duration(tmp_path, capsys):
    assert step(tmp_path, "echo quiet") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("==> Do it\n")
    assert "done in 0." in shown
    assert "quiet" not in shown
    assert "quiet" in (tmp_path / "log" / "step.log").read_text()


def test_a_shown_step_prints_its_lines(tmp_path, capsys):
    step(tmp_path, "echo one; echo two >&2", show=True)
    assert "    one\n    two\n" in capsys.readouterr().out


def test_a_label_stands_before_every_line_of_a_step_that_runs_beside_others(tmp_path, capsys):
    step(tmp_path, "echo one; exit 3", show=True, label="faults")
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == "==> Do it"
    assert len(lines) == 2
    assert all(line.startswith("    faults: ") for line in lines)


def test_a_step_that_is_stopped_ends_its_command(tmp_path):
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(KeyboardInterrupt):
        progress.run_step("Do it", ["sleep", "60"], tmp_path / "log", stop=stop)


def test_a_failure_shows_its_own_last_lines_and_the_log(tmp_path, capsys):
    step(tmp_path, "echo from an earlier step")
    capsys.readouterr()
    assert step(tmp_path, "echo the reason; exit 7") == 7
    shown = capsys.readouterr().out
    assert "    | the reason\n" in shown
    assert "earlier" not in shown
    assert "exit code 7" in shown
    assert str(tmp_path / "log" / "step.log") in shown


def test_a_long_step_ticks_with_its_last_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "TICK_LOG", 0.1)
    step(tmp_path, "echo busy; sleep 0.5")
    assert capsys.readouterr().out.count("s  busy") >= 2


def test_a_missing_program_is_code_127(tmp_path, capsys):
    assert progress.run_step("Do it", ["no-such-program"], tmp_path / "log") == 127
    assert "no such program: no-such-program" in capsys.readouterr().out


def test_a_signal_is_not_success(tmp_path):
    assert step(tmp_path, "kill -9 $$") == 128 + 9


def test_a_log_does_not_grow_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "LOG_BYTES", 100)
    step(tmp_path, "printf '%0200d\\n' 0")
    step(tmp_path, "echo new")
    assert (tmp_path / "log" / "step.log").read_text() == "==> Do it\nnew\n"


def test_ctrl_c_ends_the_child_too(tmp_path):
    pid_file = tmp_path / "pid"
    command = [sys.executable, PROGRESS, "Do it", tmp_path / "log"]
    child = subprocess.Popen(
        [*command, "sh", "-c", f"echo $$ >{pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 60"],
        stdout=subprocess.DEVNULL,
    )
    until = time.monotonic() + 20
    while not pid_file.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=30) == 130
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return
    raise AssertionError("the child still runs")


def test_ctrl_c_while_a_child_begins_ends_it_too(tmp_path, monkeypatch):
    begun = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            begun.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        progress.run_step("Do it", ["sleep", "60"], tmp_path / "log")
    assert begun[0].poll() == -signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_step_ends_though_something_it_left_running_holds_its_output(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "TICK_LOG", 0.1)
    pid_file = tmp_path / "pid"
    begin = time.monotonic()
    try:
        assert step(tmp_path, f"sleep 60 & echo $! >{pid_file}") == 0
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
    assert time.monotonic() - begin < 30


def test_waiting_shows_a_state_once_until_it_changes(capsys):
    with progress.waiting("Wait") as tick:
        tick("live: waiting, 1 s")
        tick("live: waiting, 2 s")
        tick("live: ready")
    shown = capsys.readouterr().out
    assert shown.count("live: waiting") == 1
    assert shown.count("live: ready") == 1
