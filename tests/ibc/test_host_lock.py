"""One run has the host at a time; one that has ended, wherever it began, keeps nobody out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import host_lock
import ibgateway_host_lock as controller
import pytest

ANNA = {"id": "laptop 12/34", "controller": "laptop", "who": "anna@laptop", "playbook": "site.yml"}
CI = {"id": "runner 56/78", "controller": "runner", "who": "ci@runner", "playbook": "upgrade.yml"}
SSHD = 4242


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """The file on the host."""
    return tmp_path / "lock"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """The host's processes: one connection, and the task in it."""
    process(tmp_path, 1, "systemd", 0)
    process(tmp_path, 500, "sshd", 1)
    process(tmp_path, SSHD, "sshd-session", 500, started="901")
    process(tmp_path, 4300, "sh (a b) c", SSHD)
    process(tmp_path, os.getpid(), "python3", 4300)
    return tmp_path / "proc"


def process(folder: Path, pid: int, name: str, parent: int, started: str = "100") -> None:
    place = folder / "proc" / str(pid)
    place.mkdir(parents=True)
    (place / "stat").write_text(f"{pid} ({name}) S {parent} {'0 ' * 17}{started} 0 0\n")


def end_connection(proc: Path) -> None:
    (proc / str(SSHD) / "stat").unlink()


@pytest.fixture
def take(lock: Path, proc: Path) -> Callable[..., Any]:
    """Take the host, 1000 s after its boot unless told otherwise."""

    def taken(run: dict[str, str], now: float = 1000, **how: Any) -> Any:
        return host_lock.take(run, lock, now=now, proc=proc, **how)

    return taken


def test_the_second_is_told_who_has_the_host(take: Callable, lock: Path):
    assert take(ANNA) is None
    holder = take(CI, 1130)
    assert (holder["who"], holder["playbook"], holder["seconds"]) == ("anna@laptop", "site.yml", 130)
    said = controller.ibgateway_held_by(holder, "vps1")
    assert f"anna@laptop is at work there with site.yml, since {holder['since']} (2 minutes ago)" in said
    assert "ibgateway_take_host=true" in said
    assert json.loads(lock.read_text())["id"] == ANNA["id"]


def test_a_run_that_has_the_host_may_take_it_again_and_is_heard_of_anew(take: Callable, lock: Path):
    take(ANNA)
    since = json.loads(lock.read_text())["since"]
    assert take(ANNA, 1500) is None
    noted = json.loads(lock.read_text())
    assert (noted["taken"], noted["since"]) == (1500, since)


def test_given_back_it_is_free_and_nothing_is_left(take: Callable, lock: Path):
    take(ANNA)
    host_lock.give_back(ANNA, lock)
    assert not lock.exists()
    assert take(CI) is None


def test_nobody_gives_back_what_another_has(take: Callable, lock: Path):
    host_lock.give_back(CI, lock)
    take(ANNA)
    host_lock.give_back(CI, lock)
    assert take(CI)["who"] == "anna@laptop"


def test_what_an_unfinished_run_may_have_changed_is_read_anew_at_the_end(take: Callable, lock: Path):
    asked: list[str] = []

    def systemctl(*arguments: str) -> bool:
        asked.append(" ".join(arguments))
        return arguments[-1] != "ibgateway-watch.service"

    take(ANNA)
    host_lock.give_back(ANNA, lock, systemctl)
    assert asked == [], "it was nobody's before"

    take(ANNA)
    take(CI, anyway=True)
    take({**CI, "id": "runner 57/79"}, anyway=True)
    take({**CI, "id": "runner 57/79"})
    host_lock.give_back({**CI, "id": "runner 57/79"}, lock, systemctl)
    assert [line for line in asked if "is-active" not in line] == [
        "daemon-reload",
        "reload ssh.service",
        "reload ibgateway-firewall.service",
        "restart systemd-journald.service",
        "restart ibgateway-notify.service",
    ]
    asked.clear()
    take(ANNA)
    host_lock.give_back(ANNA, lock, systemctl)
    assert asked == []


def test_another_controllers_run_counts_as_ended_when_its_connection_is_gone_and_it_was_silent(
    take: Callable, proc: Path
):
    take(ANNA)
    assert take(CI, 1000 + host_lock.SILENT_SECONDS) is not None, "its connection is open"
    end_connection(proc)
    assert take(CI, 999 + host_lock.SILENT_SECONDS) is not None, "it may wait for other hosts"
    assert take(CI, 1000 + host_lock.SILENT_SECONDS) is None


def test_a_process_that_got_the_connections_number_is_not_the_connection(take: Callable, proc: Path):
    take(ANNA)
    end_connection(proc)
    (proc / str(SSHD) / "stat").write_text(f"{SSHD} (sshd-session) S 500 {'0 ' * 17}902 0 0\n")
    assert take(CI, 1000 + host_lock.SILENT_SECONDS) is None


def test_without_a_connection_silence_alone_counts(lock: Path, tmp_path: Path):
    empty = tmp_path / "no-proc"
    assert host_lock.take(ANNA, lock, now=1000, proc=empty) is None
    assert host_lock.take(CI, lock, now=1001, proc=empty) is not None
    assert host_lock.take(CI, lock, now=1000 + host_lock.SILENT_SECONDS, proc=empty) is None


def test_of_a_run_from_the_same_controller_that_controller_judges(take: Callable, proc: Path):
    take(ANNA)
    end_connection(proc)
    second = {**ANNA, "id": "laptop 99/1"}
    assert take(second, 9999)["id"] == ANNA["id"], "it is silent, and may live"
    assert take(second, 1001, instead_of="laptop 1/1")["id"] == ANNA["id"], "another has taken its place"
    assert take(second, 1001, instead_of=ANNA["id"]) is None


def test_anyway_is_anyway(take: Callable):
    take(ANNA)
    assert take(CI, 1001, anyway=True) is None
    assert take(ANNA, 1002)["who"] == "ci@runner"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '{"id": "x"}',
        json.dumps({**ANNA, "since": "", "taken": ""}),
        "\0" * 99,
    ],
)
def test_a_broken_file_keeps_nobody_out(take: Callable, lock: Path, text: str):
    lock.write_text(text)
    assert take(ANNA) is None
    assert take(CI)["who"] == "anna@laptop"


def test_a_time_to_come_is_none_that_was_written_here(take: Callable, lock: Path, proc: Path):
    take(ANNA, 5000)
    end_connection(proc)
    assert take(CI, 1000) is None


def test_of_many_at_once_one_gets_it(lock: Path):
    go = lock.with_name("go")
    code = (
        "import json, sys, pathlib, host_lock\n"
        "while not pathlib.Path(sys.argv[2]).exists(): pass\n"
        "run = json.loads(sys.argv[3])\n"
        "print(host_lock.take(run, pathlib.Path(sys.argv[1])) is None)\n"
    )
    runs = [{**ANNA, "id": f"laptop {number}/1"} for number in range(8)]
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", code, lock, go, json.dumps(run)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(Path(host_lock.__file__).parent)},
        )
        for run in runs
    ]  # fmt: skip
    go.touch()
    got = [taker.communicate(timeout=60)[0].strip() for taker in takers]
    assert sorted(got) == ["False"] * 7 + ["True"]
    assert json.loads(lock.read_text())["id"] == runs[got.index("True")]["id"]


def test_a_file_that_goes_while_another_waits_for_it_is_made_anew(lock: Path):
    code = (
        "import json, sys, pathlib, host_lock\n"
        "lock, run = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])\n"
        "for _ in range(200):\n"
        "    if host_lock.take(run, lock) is None:\n"
        "        assert json.loads(lock.read_text())['id'] == run['id']\n"
        "        host_lock.give_back(run, lock)\n"
    )
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", code, lock, json.dumps({**ANNA, "id": f"laptop {number}/1"})],
            env={**os.environ, "PYTHONPATH": str(Path(host_lock.__file__).parent)},
        )
        for number in range(3)
    ]  # fmt: skip
    assert [taker.wait(timeout=60) for taker in takers] == [0, 0, 0]
    assert not lock.exists()


# --- seen from the controller -------------------------------------------------------------------------------


def test_a_run_of_this_machine_has_ended_when_its_process_has():
    me = controller.this_run()
    assert not controller.ibgateway_run_has_ended(me)
    assert me["who"].endswith(f"@{os.uname().nodename}")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        run = {"id": f"{controller.controller()} {other.pid}/{controller._started(other.pid)}"}
        assert not controller.ibgateway_run_has_ended(run)
        other.communicate(b"\n")
    assert controller.ibgateway_run_has_ended(run)


def test_a_killed_run_has_ended_even_when_nobody_has_noticed():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        run = {"id": f"{controller.controller()} {other.pid}/{controller._started(other.pid)}"}
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert controller.ibgateway_run_has_ended(run)


def test_a_number_that_another_process_has_now_is_not_that_run():
    assert controller.ibgateway_run_has_ended({"id": f"{controller.controller()} {os.getpid()}/1"})


@pytest.mark.parametrize("run", ["elsewhere boot ns 1/2", "", "{} x/y", "{}"])
def test_of_other_machines_and_of_nonsense_nothing_is_known(run: str):
    assert not controller.ibgateway_run_has_ended({"id": run.format(controller.controller())})


def test_the_program_runs_once_the_host_is_taken_and_not_otherwise(lock: Path):
    def run(program: str) -> subprocess.CompletedProcess[str]:
        program = program.replace('"/run/ibgateway-playbook.lock"', repr(str(lock)))
        command = [sys.executable, "-", "a question"]
        return subprocess.run(command, input=program, capture_output=True, text=True, check=False)

    look = (
        "from __future__ import annotations\nimport sys\nif __name__ == '__main__': print(sys.argv[1], 'é')"
    )
    taking = run(controller.ibgateway_taking_host(look))
    assert (taking.returncode, taking.stdout) == (0, "a question é\n"), taking.stderr
    assert json.loads(lock.read_text())["id"] == controller.this_run()["id"]

    lock.write_text(json.dumps({**json.loads(lock.read_text()), "id": "other"}))
    refused = run(controller.ibgateway_taking_host(look))
    assert (refused.returncode, json.loads(refused.stdout)["id"]) == (3, "other")
    assert run(controller.ibgateway_taking_host(look, check=True)).stdout == "a question é\n"
    assert run(controller.ibgateway_taking_host(look, instead_of="other")).returncode == 0

    run(controller.ibgateway_giving_host_back(""))
    assert not lock.exists()
