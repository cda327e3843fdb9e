"""Where tests write: in memory where that can be, and nothing of it stays."""

import contextlib
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.lib import results, scratch, stages

FREE = SimpleNamespace(f_bavail=1 << 20, f_frsize=4096, f_flag=0)


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """A file system that says of itself what a test wants."""

    def says(**changes):
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**{**vars(FREE), **changes}))
        return tmp_path

    return says


def test_a_folder_while_it_is_needed(memory):
    with scratch.in_memory(memory()) as environment:
        folder = Path(environment["TMPDIR"])
        assert folder.parent == memory()
        told = subprocess.check_output(["mktemp"], env={**os.environ, **environment}, text=True)
        assert Path(told.strip()).parent == folder
        assert folder.stat().st_mode & 0o777 == 0o711
    assert list(memory().iterdir()) == []


def test_the_folder_goes_when_the_tests_are_interrupted(memory):
    def interrupted():
        with scratch.in_memory(memory()) as environment:
            (Path(environment["TMPDIR"]) / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(memory().iterdir()) == []


@pytest.mark.parametrize("changes", [{"f_flag": os.ST_NOEXEC}, {"f_bavail": 1 << 17}])
def test_no_folder_where_no_program_may_run_or_too_little_is_free(memory, changes):
    with scratch.in_memory(memory(**changes)) as environment:
        assert environment == {}


def test_no_folder_where_there_is_no_such_memory(tmp_path):
    with scratch.in_memory(tmp_path / "none") as environment:
        assert environment == {}


@pytest.mark.parametrize("stage", [stages.unit, stages.processes])
def test_tests_are_given_it(stage, monkeypatch):
    given = []
    there = contextlib.nullcontext({"TMPDIR": "/in/memory"})
    monkeypatch.setattr(stages.scratch, "in_memory", lambda: there)
    monkeypatch.setattr(stages, "run_step", lambda *_, **known: given.append(known["env"]) or 0)
    monkeypatch.setattr(stages.results, "read_junit", lambda *_: results.Result("unit", 0.0))
    stage()
    assert given[0]["TMPDIR"] == "/in/memory"
