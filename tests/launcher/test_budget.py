"""The login budget: what it allows, through clock steps, reboots and deaths, and that broken means closed."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import stat

import pytest
from fake_clock import FakeClock, Killed, killed_at
from ibgatewaylib import durable
from ibgatewaylib.budget import Budget, BudgetClosed, Rules

HOUR = 3600.0
RULES = Rules(logins=3, hours=6, minutes_apart=5)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "login-budget.json"


@pytest.fixture
def budget(file):
    return Budget(file, RULES, "live")


def standing(budget, clock):
    found = budget.check(clock())
    return found.left, round(found.wait)


def used(budget, clock, *, times: int = 3) -> FakeClock:
    """Log in so often, ten minutes apart."""
    for _ in range(times):
        budget.record(clock())
        clock.wait(600)
    return clock


def test_fresh(budget):
    assert standing(budget, FakeClock()) == (3, 0)


def test_spacing_and_window(budget):
    clock = FakeClock()
    budget.record(clock())
    assert standing(budget, clock) == (2, 300)
    assert standing(budget, clock.wait(299)) == (2, 1)
    assert standing(budget, clock.wait(1)) == (2, 0)
    budget.record(clock.wait(300)())
    budget.record(clock.wait(600)())
    left, wait = standing(budget, clock)
    assert (left, wait) == (0, 6 * HOUR - 1200)
    assert standing(budget, clock.wait(wait)) == (1, 0)
    assert standing(budget, clock.wait(6 * HOUR)) == (3, 0)


def test_state(budget, file):
    clock = FakeClock()
    budget.record(clock())
    assert budget.check(clock()).as_dict(clock()) == {
        "left": 2,
        "next_allowed": "2026-11-25T12:05:00.000Z",
        "problem": "",
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert json.loads(file.read_text())["submissions"][0]["at"] == "2026-11-25T12:00:00.000Z"


@pytest.mark.parametrize("step", [-400 * 86400, -HOUR, HOUR, 6 * HOUR, 400 * 86400])
def test_clock_steps_free_nothing(budget, step):
    clock = used(budget, FakeClock())
    before = standing(budget, clock)
    assert standing(budget, clock.step(step)) == before
    clock.wait(before[1])
    assert standing(budget, clock) == (1, 0)


@pytest.mark.parametrize("step", [0, -HOUR, 7 * HOUR, 400 * 86400])
def test_a_reboot_frees_nothing_even_with_a_wrong_clock(budget, step):
    clock = used(budget, FakeClock())
    clock.reboot().step(step)
    assert standing(budget, clock)[0] == 0
    # What is left of the spacing after the last one counts from the boot, the only time that is certain.
    assert standing(budget, clock.wait(6 * HOUR)) == (3, 0)


def test_reboots_one_after_the_other(budget):
    clock = used(budget, FakeClock())
    for _ in range(5):
        clock.reboot().wait(1200)
        assert standing(budget, clock)[0] == 0
        budget.checkpoint(clock())
    clock.wait(5 * HOUR)
    assert standing(budget, clock)[0] > 0


def test_a_checkpoint_makes_a_reboot_cheap(budget):
    clock = used(budget, FakeClock()).wait(5 * HOUR)
    budget.checkpoint(clock())
    clock.reboot().wait(HOUR)
    assert standing(budget, clock) == (3, 0)


def test_checkpoint_writes_nothing_without_need(budget, file):
    budget.checkpoint(FakeClock()())
    assert not file.exists()


def test_reset(budget):
    clock = used(budget, FakeClock())
    budget.reset(clock())
    assert standing(budget, clock) == (3, 0)


def test_a_submission_that_happened_later_than_recorded(budget, file):
    clock = FakeClock()
    budget.record(clock())
    budget.correct(clock.wait(100)())
    assert standing(budget, clock) == (2, 300)
    assert json.loads(file.read_text())["submissions"] == [{"at": "2026-11-25T12:01:40.000Z", "age": 0.0}]


def test_old_submissions_are_dropped(budget, file):
    clock = FakeClock()
    for _ in range(30):
        budget.record(clock())
        clock.wait(86400)
    assert len(json.loads(file.read_text())["submissions"]) <= 8


GARBAGE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"\xff\xfe\x00",
    b"{}",
    b'{"boot": "boot-1", "uptime": 5, "submissions": {}}  x',
    b'{"boot": "boot-1", "uptime": true, "submissions": []}',
    b'{"boot": "boot-1", "uptime": NaN, "submissions": []}',
    b'{"boot": "boot-1", "uptime": 1e9, "submissions": []}',
    b'{"boot": null, "uptime": 5, "submissions": []}',
    b'{"boot": "boot-1", "uptime": 5, "submissions": [{"age": -1, "at": "x"}]}',
    b'{"boot": "boot-1", "uptime": 5, "submissions": [{"age": "1", "at": "x"}]}',
    b'{"boot": "boot-1", "uptime": 5, "submissions": [{"age": Infinity, "at": "x"}]}',
    b'{"boot": "boot-1", "uptime": 5, "submissions": [7]}',
    b"[" * 5000,
    b" " * (1 << 20),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_closed(budget, file, garbage):
    file.write_bytes(garbage)
    clock = FakeClock()
    found = budget.check(clock())
    assert found.left == 0
    assert "is damaged" in found.problem
    assert "ibgatewayctl budget live --reset" in found.problem
    assert "\n" not in found.problem
    with pytest.raises(BudgetClosed, match="no login is allowed"):
        budget.record(clock())
    assert file.read_bytes() == garbage
    budget.reset(clock())
    assert standing(budget, clock) == (3, 0)
    assert (file.parent / "login-budget.json.broken").read_bytes() == garbage


def test_a_reset_that_cannot_be_written_leaves_it_closed(budget, file, monkeypatch):
    """Found by test_storms: a full disk while a damaged budget was being reset."""
    file.write_bytes(b"{")
    with monkeypatch.context() as patch:
        patch.setattr(durable, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(BudgetClosed, match="cannot be written"):
            budget.reset(FakeClock()())
    assert budget.check(FakeClock()()).problem


def test_a_reset_killed_at_any_step_is_closed_or_done(budget, file, monkeypatch):
    for step in range(40):
        file.write_bytes(b"{")
        with monkeypatch.context() as patch:
            killed_at(patch, step)
            try:
                budget.reset(FakeClock()())
            except Killed:
                pass
            else:
                break
        assert file.exists()
        found = budget.check(FakeClock()())
        assert found.problem or found.left == 3
    assert step > 4


def test_truncated_anywhere_is_closed(budget, file):
    clock = used(budget, FakeClock())
    whole = file.read_bytes()
    for length in range(len(whole.rstrip())):
        file.write_bytes(whole[:length])
        assert budget.check(clock()).problem, length


@pytest.mark.parametrize("kind", ["directory", "pipe", "link", "unreadable"])
def test_something_else_in_its_place_is_closed(budget, file, kind, monkeypatch):
    if kind == "directory":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to("/dev/null")
    else:
        monkeypatch.setattr(durable, "small", lambda *_: (_ for _ in ()).throw(PermissionError(13, "denied")))
    assert budget.check(FakeClock()()).problem
    with pytest.raises(BudgetClosed):
        budget.record(FakeClock()())


@pytest.mark.parametrize("call", ["open", "write", "fsync", "fchmod"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_what_cannot_be_noted_is_refused(budget, file, monkeypatch, call, code):
    clock = used(budget, FakeClock(), times=1)
    whole = file.read_bytes()
    real = getattr(os, call)

    def fails(*arguments, **options):
        if call == "open" and ".new" not in str(arguments[0]):
            return real(*arguments, **options)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(BudgetClosed, match="cannot be written"):
        budget.record(clock())
    monkeypatch.undo()
    assert file.read_bytes() == whole
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_killed_at_every_step(file, monkeypatch):
    budget = Budget(file, RULES)
    outcomes = set()
    for step in range(40):
        file.unlink(missing_ok=True)
        clock = used(budget, FakeClock(), times=1)
        with monkeypatch.context() as patch:
            killed_at(patch, step)
            try:
                budget.record(clock())
                died = False
            except Killed:
                died = True
        left = budget.check(clock()).left
        assert left in (1, 2)
        outcomes.add((died, left))
        if not died:
            break
        # The next one works, whatever the dead one left behind.
        budget.record(clock())
        assert budget.check(clock()).left == left - 1
    assert outcomes == {(True, 2), (True, 1), (False, 1)}


def test_random_histories_never_exceed_the_budget(file, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    for _ in range(60):
        file.unlink(missing_ok=True)
        budget, clock, submitted = Budget(file, RULES), FakeClock(), []
        for _ in range(60):
            act = chance.choice(["wait", "wait", "step", "reboot", "login", "login", "login", "checkpoint"])
            if act == "wait":
                clock.wait(chance.choice([1, 60, 300, 3000, 20000]))
            elif act == "step":
                clock.step(chance.choice([-1, 1]) * chance.choice([1, 300, 7 * HOUR, 400 * 86400]))
            elif act == "reboot":
                clock.reboot(chance.choice([5, 3600, 86400]))
            elif act == "checkpoint":
                budget.checkpoint(clock())
            elif (found := budget.check(clock())).left and not found.wait:
                budget.record(clock())
                submitted.append(clock.true)
        for first, fourth in zip(submitted, submitted[3:], strict=False):
            assert fourth - first >= 6 * HOUR - 1, submitted
        for one, two in itertools.pairwise(submitted):
            assert two - one >= 300 - 1, submitted
