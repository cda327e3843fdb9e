"""Another process's writes are noticed at once, and looking costs nothing while there are none."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ibgateway_alerting.notify.changes import COARSE_SECONDS, Changes
from ibgateway_alerting.store import Store


@pytest.fixture
def other(settings) -> Iterator[Store]:
    opened = Store(settings.database)
    yield opened
    opened.close()


@pytest.fixture
def changes(store, other) -> Changes:
    other.remember("a", 0)
    made = Changes(store)
    made.seen()
    return made


def test_every_write_is_noticed_once(changes, other):
    for number in range(50):
        other.remember("a", number)
        assert changes.seen()
        assert not changes.seen()


def test_a_write_that_looks_like_the_one_before_is_noticed(changes, other, store):
    """As when the kernel's clock for files stood still, and the log's size did not change."""
    other.remember("a", 1)
    assert changes.seen()
    other.remember("a", 2)
    looks = Path(f"{store.path}-wal").stat()
    changes._looks = looks.st_mtime_ns, looks.st_size
    assert changes.seen()


def test_without_writes_sqlite_is_asked_once_a_second(changes, store, monkeypatch):
    log = Path(f"{store.path}-wal")
    old = time.time_ns() - int(2 * COARSE_SECONDS * 1e9)
    os.utime(log, ns=(old, old))
    changes.seen()
    asked = []
    ask = store.changes
    monkeypatch.setattr(store, "changes", lambda: asked.append(True) or ask())
    for _ in range(5):
        assert not changes.seen()
    assert asked == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 2)
    changes.seen()
    assert asked == [True]


def test_a_new_file_in_place_of_a_damaged_one_is_a_change(changes, store, tmp_path):
    store.path.rename(tmp_path / "aside")
    successor = Store(store.path)
    assert changes.seen()
    successor.close()
