""".ci/run: both Pythons where both are here, failures told, the engine left as it was found."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ci(sandbox):
    """A checkout whose stages and engine only write down that they ran."""
    (sandbox.root / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", sandbox.root / ".ci" / "run")
    sandbox.allow("timeout")
    stages(sandbox, "exit 0")
    engine(sandbox, answers=True)
    sandbox.fake("python3.11", 'case "$1" in -c) echo 3.11 ;; *) exec "$@" ;; esac')
    sandbox.fake("python3.13", 'case "$1" in -c) echo 3.13 ;; *) exec "$@" ;; esac')
    return sandbox


def write(sandbox, name: str, body: str) -> None:
    path = sandbox.root / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >>{sandbox.root}/calls\n{body}\n')
    path.chmod(0o755)


def stages(sandbox, body: str) -> None:
    write(sandbox, "scripts/test", body)


def engine(sandbox, *, answers: bool) -> None:
    write(sandbox, "testbed/engine", f'[ "$1" != status ] || {"true" if answers else "false"}')


def calls(sandbox) -> list[str]:
    return (sandbox.root / "calls").read_text().splitlines()


FLOOR = "scripts/test --python 3.11"
NEWEST = "scripts/test --python 3.13 lint unit processes molecule default"


def test_everything_on_the_floor_then_the_main_scenario_on_the_newest(ci):
    assert ci.run(".ci/run").returncode == 0
    assert calls(ci) == ["testbed/engine status", FLOOR, NEWEST]


@pytest.mark.parametrize("failing", ["3.11", "3.13"])
def test_a_failure_on_either_is_told_and_both_run(ci, failing):
    stages(ci, f'[ "$2" != {failing} ] || exit 3')
    assert ci.run(".ci/run").returncode == 3
    assert calls(ci)[1:] == [FLOOR, NEWEST]


def test_without_the_newest_python_the_floor_is_enough_and_that_is_said(ci):
    (ci.bin / "python3.13").unlink()
    done = ci.run(".ci/run")
    assert done.returncode == 0
    assert "only the floor was tested" in done.stdout
    assert calls(ci) == ["testbed/engine status", FLOOR]


def test_without_the_floor_nothing_is_claimed(ci):
    (ci.bin / "python3.11").unlink()
    done = ci.run(".ci/run")
    assert done.returncode != 0
    assert "there is no Python 3.11 here" in done.stderr


def test_an_engine_that_it_started_is_stopped_also_after_a_failure(ci):
    engine(ci, answers=False)
    stages(ci, "exit 1")
    assert ci.run(".ci/run").returncode == 1
    assert calls(ci)[-1] == "testbed/engine down"
