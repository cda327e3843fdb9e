"""The threads of the notifier: what fails in one job stays there, and what stands still is noticed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ibgateway_alerting.notify import worker
from ibgateway_alerting.notify.worker import Worker
from ibgateway_alerting.store import Store, StoreError
from notify_tools import wait_for


class Job:
    """Does what it is given, and counts."""

    def __init__(self, work: Callable[[Job, asyncio.Event], Any]) -> None:
        self.beat = time.monotonic()
        self.work = work
        self.runs = 0
        self.stores: list[Store] = []

    def use(self, store: Store) -> None:
        self.stores.append(store)

    async def run(self, wake: asyncio.Event) -> None:
        self.runs += 1
        self.beat = time.monotonic()
        await self.work(self, wake)


async def rest(job: Job, _wake: asyncio.Event) -> None:
    while True:
        job.beat = time.monotonic()
        await asyncio.sleep(0.01)


@pytest.fixture
def start(settings, monkeypatch) -> Iterator[Callable[..., Worker]]:
    monkeypatch.setattr(worker, "AGAIN_SECONDS", 0.01)
    started = []

    def one(
        *work: Callable[..., Any], open_store: Callable[[], Store] = lambda: Store(settings.database)
    ) -> Worker:
        started.append(Worker("phone", [Job(task) for task in work], open_store))
        started[-1].start()
        return started[-1]

    yield one
    for thread in started:
        thread.stop()
        thread.join(5)


def test_jobs_run_side_by_side_on_one_connection_and_end_when_asked(start):
    thread = start(rest, rest)
    assert thread.wait_started(5)
    first, second = thread.jobs
    assert first.stores == second.stores
    thread.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert not thread.moves()


def test_a_wake_reaches_the_jobs(start):
    woken = []

    async def wait(_job: Job, wake: asyncio.Event) -> None:
        await wake.wait()
        wake.clear()
        woken.append(True)

    thread = start(wait)
    thread.wait_started(5)
    thread.wake()
    wait_for(lambda: woken)


def test_a_fault_ends_neither_its_job_nor_another_and_its_text_is_not_logged(start, caplog):
    async def fail(_job: Job, _wake: asyncio.Event) -> None:
        raise ValueError("https://canary")

    thread = start(fail, rest)
    wait_for(lambda: thread.jobs[0].runs > 2)
    assert thread.moves()
    assert "phone: unexpected: ValueError at " in caplog.text
    assert "canary" not in caplog.text


def test_damage_opens_the_database_anew(start):
    async def find_damage(job: Job, wake: asyncio.Event) -> None:
        if job.runs == 1:
            raise StoreError("malformed", damaged=True)
        await rest(job, wake)

    thread = start(find_damage)
    wait_for(lambda: len(thread.jobs[0].stores) == 2)


def test_a_database_that_cannot_be_opened_is_tried_again(start, settings, caplog):
    attempts = []

    def open_store() -> Store:
        attempts.append(True)
        if len(attempts) < 3:
            raise StoreError("the disk is full")
        return Store(settings.database)

    thread = start(rest, open_store=open_store)
    assert thread.wait_started(5)
    assert "phone: the disk is full; trying again" in caplog.text


def test_a_job_that_stands_still_is_noticed(start, monkeypatch):
    monkeypatch.setattr(worker, "LONGEST_SILENCE", 0.2)
    going = [True]

    async def block(job: Job, wake: asyncio.Event) -> None:
        while going:
            time.sleep(0.01)
        await rest(job, wake)

    thread = start(rest, block)
    thread.wait_started(5)
    wait_for(lambda: not thread.moves())
    going.clear()
    wait_for(thread.moves)
