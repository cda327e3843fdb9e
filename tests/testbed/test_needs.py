"""What stages need is made beside the first of them, once, and not at all when nobody needs it."""

import threading

import pytest

from scripts.lib import needs


@pytest.fixture
def made(monkeypatch):
    """Commands that take no time, but for those that a test holds up or lets fail; and what was run."""
    run, held, failing = [], {}, set()

    def step(title, command, log, *, env, stop, **_):
        name = " ".join(command[1:])
        run.append((name, env))
        if name in held and held[name](stop):
            raise KeyboardInterrupt
        return int(name in failing)

    monkeypatch.setattr(needs, "run_step", step)
    return run, held, failing


def names(run):
    return [name for name, _ in run]


def test_a_stage_need_not_wait_for_what_only_the_next_one_needs(made):
    run, held, _ = made
    image = threading.Event()
    held["testbed/host clients"] = lambda _: not image.wait(10)
    with needs.Needs(["lint", "real-ibc", "molecule"], {"A": "b"}) as there:
        row = there.of("real-ibc")
        assert (row.name, row.passed, row.failures) == ("real-ibc: needs", 2, [])
        assert "testbed/host image bookworm" not in names(run)
        image.set()
        assert there.of("molecule").passed == 5
    assert names(run)[:2] == ["testbed/engine up", "testbed/artifacts"]
    assert names(run)[-2:] == ["testbed/host image bookworm", "testbed/host image trixie"]
    assert all(environment == {"A": "b"} for _, environment in run)


def test_nothing_is_made_for_stages_that_need_nothing(made):
    run, _, _ = made
    with needs.Needs(["lint", "unit", "processes"], {}):
        pass
    assert run == []


def test_what_cannot_be_made_is_named_and_ends_it(made):
    run, _, failing = made
    failing.add("testbed/artifacts")
    with needs.Needs(["molecule"], {}) as there:
        row = there.of("molecule")
    assert (row.passed, row.failures) == (1, ["testbed/artifacts"])
    assert names(run) == ["testbed/engine up", "testbed/artifacts"]


def test_an_end_before_it_is_made_ends_what_is_under_way(made):
    run, held, _ = made
    begun = threading.Event()
    held["testbed/engine up"] = lambda stop: begun.set() or stop.wait(10)
    with needs.Needs(["real-ibc", "molecule"], {}):
        assert begun.wait(10)
    assert names(run) == ["testbed/engine up"]
