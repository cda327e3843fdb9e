"""Tests that run in forks are reported as if they had run one after the other, whatever becomes of a fork."""

import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest

from scripts.lib import pytest_forks
from testbed.lib.paths import ROOT

pytestmark = pytest.mark.processes

MIXED = """
import os, pathlib, time, pytest

@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    yield folder
    with open(os.environ["TOLD"], "a") as told:
        told.write(f"{os.getpid()} left {len(list(folder.iterdir()))}\\n")

@pytest.mark.parametrize("number", range(20))
def test_passes(number, shared, tmp_path):
    (shared / str(number)).touch()
    assert not list(tmp_path.iterdir())

def test_fails(tmp_path):
    print("what it says")
    (tmp_path / "file").touch()
    assert sorted([1, 2]) == [1, 3]

def test_is_skipped():
    pytest.skip("for a reason")

@pytest.mark.together("name")
@pytest.mark.parametrize("number", range(9))
def test_together(number):
    time.sleep(0.05)  # so that the other fork would take one of them
    with open(os.environ["TOLD"] + "-together", "a") as told:
        told.write(os.environ["PYTEST_FORK"])
"""
LOUD = """
import time, pytest

@pytest.mark.parametrize("number", range(24))
def test_says(number):
    print(f"says {number}.")
    time.sleep(0.01)  # so that the other fork says something meanwhile
    assert number < 0
"""
DEADLY = """
import os

def test_before():
    pass

def test_dies():
    os._exit(3)
"""


# Without the plugins that others bring along, which take half of the time.
QUICK = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "scripts.lib.pytest_forks", *map(str, words), "-p", "no:cacheprovider"]


@pytest.fixture
def outcome(tmp_path):
    """Run files in two forks: the exit code, what was printed, and each test's outcome in the report."""

    def run(*words: str, **files: str) -> tuple[int, str, dict[str, str]]:
        for name, text in files.items():
            (tmp_path / f"test_{name}.py").write_text(text)
        report = tmp_path / "report.xml"
        words = (*words, "-q", f"--junitxml={report}", f"--rootdir={tmp_path}")
        told = {**QUICK, "TOLD": str(tmp_path / "told")}
        done = subprocess.run(
            command(2, 8, tmp_path, *words), cwd=ROOT, env=told, capture_output=True, text=True, check=False
        )
        found = {}
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - what pytest has just written
            assert case.get("name") not in found
            found[case.get("name")] = case[0].tag if len(case) else "passed"
        return done.returncode, done.stdout, found

    return run


def test_each_test_is_reported_once_and_one_that_ends_its_fork_is_not_lost(outcome, tmp_path):
    code, printed, found = outcome(mixed=MIXED, the_last=DEADLY)
    assert code == 1
    passed = {f"test_passes[{number}]": "passed" for number in range(20)}
    assert found == {
        **passed,
        **{f"test_together[{number}]": "passed" for number in range(9)},
        "test_fails": "failure",
        "test_is_skipped": "skipped",
        "test_before": "passed",
        "test_dies": "failure",
    }
    assert "2 failed, 30 passed, 1 skipped" in printed
    assert "what it says" in printed
    assert "assert [1, 2] == [1, 3]" in printed
    assert "ended the process that ran them (exit code [3])" in printed
    assert (tmp_path / "told-together").read_text() in ("0" * 9, "1" * 9)
    # What a fork has made for several tests it clears away before it takes others.
    told = (tmp_path / "told").read_text().splitlines()
    assert sum(int(line.rpartition(" ")[2]) for line in told) == 20


def test_what_a_test_says_is_told_with_it_alone(outcome):
    _, printed, found = outcome(loud=LOUD)
    assert set(found.values()) == {"failure"}
    _, *told = re.split(r"(?m)^_+ test_says\[(\d+)\] _+$", printed)
    said = {
        number: re.findall(r"(?m)^says \d+\.$", text) for number, text in zip(*[iter(told)] * 2, strict=True)
    }
    assert said == {str(number): [f"says {number}."] for number in range(24)}


def test_what_is_marked_begins_first():
    def item(file, group=""):
        mark = SimpleNamespace(args=(group,)) if group else None
        return SimpleNamespace(path=file, get_closest_marker=lambda _: mark)

    items = [item("a"), item("a"), item("b", "group"), item("b"), item("c", "group"), item("d", "long")]
    assert pytest_forks._parts(items, 2) == [[2, 4], [0, 1], [5], [3]]
    assert pytest_forks._parts(items[2:], 2) == [[0, 2], [1], [3]]


def test_it_ends_early_when_it_shall_and_runs_nothing_that_cannot_be_loaded(outcome):
    code, printed, found = outcome("--maxfail=1", first=MIXED)
    assert code == 1
    assert found["test_fails"] == "failure"
    assert "stopping after 1 failures" in printed
    code, printed, found = outcome(first=MIXED, broken="import nothing_of_this_name")
    assert code == 2
    assert set(found.values()) == {"error"}
    assert "1 error" in printed


def test_an_interrupt_ends_the_forks(tmp_path):
    (tmp_path / "test_slow.py").write_text(
        f"import os, pathlib, time\ndef test_slow():\n"
        f"    pathlib.Path({str(tmp_path)!r}, 'pid').write_text(str(os.getpid()))\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        command(2, 8, tmp_path), cwd=ROOT, env=QUICK, stdout=subprocess.PIPE, text=True
    )
    pid = tmp_path / "pid"
    end = time.monotonic() + 30
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "KeyboardInterrupt" in printed
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
