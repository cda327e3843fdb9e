"""Another process's writes are noticed at once, and while there are none the notifier sleeps."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from alerting_tools import ROLE, ROOT

# In a process of its own, for the signals that it blocks stay blocked.
PROGRAM = """
import json, os, queue, signal, sys, threading, time
sys.path[:0] = [{files!r}, {library!r}]
from pathlib import Path
from ibgateway_alerting.notify import changes
from ibgateway_alerting.store import Store
path = Path({database!r})
if {deaf}:
    changes._WRITTEN = 0  # as on a file system that sends no signals
looks = changes.Changes(Store(path))
looks.seen()
orders, written = queue.Queue(), queue.Queue()

def write():
    store = Store(path)
    while orders.get():
        time.sleep(0.03)  # so that the other side waits by then
        store.remember("a", 0)
        written.put(time.monotonic())

threading.Thread(target=write, daemon=True).start()
delays = []
for _ in range(20):
    orders.put(True)
    while not looks.seen():
        looks.wait()
    delays.append(time.monotonic() - written.get())
rests = []
for _ in range(12):  # it grows to its longest in nine, after the last signal: one may still come
    began = time.monotonic()
    looks.wait()
    rests.append(time.monotonic() - began)
    if rests[-1] >= changes.MOST_SECONDS:
        break
os.kill(os.getpid(), signal.SIGTERM)
while looks.wait():
    pass
print(json.dumps([sorted(delays)[10], max(rests)]))
"""


@pytest.mark.parametrize(
    ("deaf", "delay", "rest"), [(False, 0.05, 1.0), (True, 0.15, 0.1)], ids=["with signals", "without"]
)
def test_a_write_is_noticed_at_once_and_without_one_it_rests(tmp_path, deaf, delay, rest):
    program = PROGRAM.format(
        files=str(ROLE / "files"),
        library=str(ROOT / "roles" / "ibc" / "files"),
        database=str(tmp_path / "alerting.sqlite"),
        deaf=deaf,
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    usual, longest = json.loads(done.stdout)
    assert usual < delay
    assert rest * 0.9 < longest < rest + 0.5
