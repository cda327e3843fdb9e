"""What stages need is made beside the first of them, once, and not at all when nobody needs it."""

import sys
import threading

import pytest

from scripts.lib import needs

polite: list[str] = []


@pytest.fixture
def made(monkeypatch):
    """Commands that take no time, but for those that a test holds up or lets fail; and what was run."""
    run, held, failing = [], {}, set()
    polite.clear()

    def step(title, command, log, *, env, stop, **_):
        name = " ".join(command[command.index(sys.executable) + 1 :])
        run.append((name, env))
        polite.extend([name] if command[0] == "nice" else [])
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
    held["testbed/host image trixie"] = lambda _: not image.wait(10)
    with needs.Needs(["lint", "real-ibc", "molecule"], {"A": "b"}) as there:
        row = there.of("real-ibc")
        assert (row.name, row.passed, row.failures) == ("real-ibc: needs", 2, [])
        image.set()
        row = there.of("molecule")
        assert (row.name, row.passed, row.failures) == ("molecule: needs", 5, [])
    assert sorted(names(run)) == sorted(" ".join(command) for command in needs.MAKE.values())
    assert all(environment == {"A": "b"} for _, environment in run)


def test_what_does_not_need_each_other_is_made_side_by_side(made):
    run, held, _ = made
    both = threading.Barrier(2)
    held["testbed/artifacts"] = held["testbed/host image trixie"] = lambda _: both.wait(10) is None
    with needs.Needs(["molecule"], {}) as there:
        assert there.of("molecule").passed == 5
    assert names(run)[0] == "testbed/engine up"
    assert sorted(names(run)[1:3]) == ["testbed/artifacts", "testbed/host image trixie"]


def test_each_is_made_after_what_it_needs(made):
    run, _, _ = made
    with needs.Needs(["molecule"], {}) as there:
        there.of("molecule")
    order = {name: names(run).index(" ".join(command)) for name, command in needs.MAKE.items()}
    assert [name for name, before in needs.AFTER.items() if order[before] > order[name]] == []
    assert set(needs.AFTER) == set(needs.MAKE) - {"engine"}


def test_what_the_next_stage_does_not_wait_for_is_polite(made):
    with needs.Needs(["real-ibc", "molecule"], {}) as there:
        there.of("molecule")
    assert sorted(polite) == [
        "testbed/host clients",
        "testbed/host image bookworm",
        "testbed/host image trixie",
    ]


def test_nothing_is_made_for_stages_that_need_nothing(made):
    run, _, _ = made
    with needs.Needs(["lint", "unit", "processes"], {}):
        pass
    assert run == []


def test_what_cannot_be_made_is_named_and_ends_what_needs_it(made):
    run, _, failing = made
    failing.add("testbed/artifacts")
    with needs.Needs(["molecule"], {}) as there:
        row = there.of("molecule")
    assert row.failures == ["testbed/artifacts"]
    assert "testbed/host image bookworm" not in names(run)


def test_without_an_engine_nothing_else_is_tried(made):
    run, _, failing = made
    failing.add("testbed/engine up")
    with needs.Needs(["real-ibc", "molecule"], {}) as there:
        assert there.of("real-ibc").failures == ["testbed/engine up"]
        assert there.of("molecule").failures == ["testbed/engine up"]
    assert names(run) == ["testbed/engine up"]


def test_an_end_before_it_is_made_ends_what_is_under_way(made):
    run, held, _ = made
    begun = threading.Event()
    held["testbed/engine up"] = lambda stop: begun.set() or stop.wait(10)
    with needs.Needs(["real-ibc", "molecule"], {}):
        assert begun.wait(10)
    assert names(run) == ["testbed/engine up"]
