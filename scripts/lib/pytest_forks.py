"""pytest, with the tests shared out among forks of one process that has collected them.

Workers that are processes of their own, as those of pytest-xdist, load and collect all tests each: with five
of them that took a sixth of the unit tests' CPU. Forks find everything loaded.

Tests with the same mark together("NAME") run in one fork; the environment has its number, PYTEST_FORK. They
begin first: what takes long, or waits for a full minute, is marked so, and must not run alone at the end.

Usage: python -m scripts.lib.pytest_forks FORKS TESTS_AT_A_TIME PYTEST_ARGUMENT…
"""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

FORK = multiprocessing.get_context("fork")
Part = Sequence[int]  # the numbers of tests


class Forks:
    """A pytest plugin that runs the collected tests in forks.

    Args:
        number: how many of them work at a time.
        at_a_time: how many tests one takes: neighbours in one file, which may share what they need.
    """

    def __init__(self, number: int, at_a_time: int) -> None:
        self._number = number
        self._at_a_time = at_a_time

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run all tests, and report each as if it had run here.

        Args:
            session: with the collected tests.

        Returns:
            True; None leaves the session to pytest: tests that cannot be loaded, or shall only be listed.

        Raises:
            KeyboardInterrupt: the forks have ended.
            pytest.Session.Failed: as many tests have failed as may; the forks have ended.
        """
        if session.testsfailed or session.config.option.collectonly:
            return None
        parts = _parts(session.items, self._at_a_time)
        session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        begun = FORK.Value("l", 0)
        # The forks' garbage collection need not look at what is here already, which would copy it.
        gc.collect()
        gc.freeze()
        workers = {}
        for number in range(min(self._number, len(parts))):
            here, there = FORK.Pipe(duplex=False)
            workers[here] = FORK.Process(target=_work, args=(number, session, parts, begun, there))
            workers[here].start()
            there.close()
        try:
            _report(session, workers)
        finally:
            for worker in workers.values():
                worker.kill()
                worker.join()
        return True


def _parts(items: Sequence[pytest.Item], at_a_time: int) -> list[Part]:
    together: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        mark = item.get_closest_marker("together")
        together.setdefault(f"together {mark.args}" if mark else str(item.path), []).append(number)
    first, others = [], []
    for name, numbers in together.items():
        if name.startswith("together "):
            first.append(numbers)
        else:
            others += [numbers[at : at + at_a_time] for at in range(0, len(numbers), at_a_time)]
    # Each before one of the others: a fork takes the next part as it begins one, and would keep it waiting.
    pairs = itertools.chain.from_iterable(itertools.zip_longest(first, others[: len(first)]))
    return [*filter(None, pairs), *others[len(first) :]]


def _report(session: pytest.Session, workers: dict[Connection, Any]) -> None:
    """Pass on what the forks tell until all of them have ended, then what none of them has told."""
    config, waiting = session.config, set(workers)
    untold = dict(enumerate(session.items))
    while waiting:
        for end in wait(list(waiting)):
            try:
                number, reports = end.recv()
            except EOFError:
                waiting.remove(end)
                workers[end].join()
                continue
            item = untold.pop(number)
            config.hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for data in reports:
                report = config.hook.pytest_report_from_serializable(config=config, data=data)
                config.hook.pytest_runtest_logreport(report=report)
            config.hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
    codes = sorted({worker.exitcode for worker in workers.values()} - {0})
    why = f"not run to its end: it, or a neighbour, ended the process that ran them (exit code {codes})"
    for item in untold.values():
        lost = pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")
        config.hook.pytest_runtest_logreport(report=lost)


class _Told:
    """A pytest plugin that keeps the reports of one test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.reports: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self.reports.append(data)


def _work(number: int, session: pytest.Session, parts: list[Part], begun: Any, end: Connection) -> None:
    """Be a fork: run parts until all have been begun."""
    config, plugins = session.config, session.config.pluginmanager
    os.environ["PYTEST_FORK"] = str(number)  # for what two forks must not have both, such as a port
    plugins.unregister(name="terminalreporter")
    # What is captured goes into files, and the other forks would have the same ones.
    capture: Any = plugins.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    folder = config._tmp_path_factory.mktemp(f"fork{number}-", numbered=False)  # type: ignore[attr-defined]
    config._tmp_path_factory._basetemp = folder  # type: ignore[attr-defined]
    told = _Told(config)
    plugins.register(told)
    # A test is told the next one, so that it leaves what that needs, too.
    numbers = itertools.chain(_numbers(parts, begun), [None])
    for this, following in itertools.pairwise(numbers):
        item = session.items[this]
        next_item = None if following is None else session.items[following]
        config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
        end.send((this, told.reports))
        told.reports = []


def _numbers(parts: list[Part], begun: Any) -> Iterator[int]:
    while True:
        with begun.get_lock():
            at = begun.value
            begun.value += 1
        if at >= len(parts):
            return
        yield from parts[at]


if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[3:], plugins=[Forks(int(sys.argv[1]), int(sys.argv[2]))]))
