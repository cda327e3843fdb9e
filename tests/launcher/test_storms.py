"""No sequence of faults, timers, commands and clock steps makes a login storm.

`STORM_SEED=… pytest tests/launcher/test_storms.py` plays the sequences of one seed again.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from ibgatewaylib import durable
from ibgatewaylib.reasons import REASONS
from storm_world import World, full_disk

SEQUENCES = 1200


@pytest.fixture
def root():
    memory = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    yield place
    shutil.rmtree(place)


def play(root: Path, seed: int, policy: str, monkeypatch) -> World:
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    world = World(root, dice, policy)
    monkeypatch.setattr(durable, "replace", full_disk(world))
    try:
        for _ in range(dice.randrange(3, 12)):
            world.happen()
        if world.state in ("stopped", "starting", "failed"):
            world.run()
        assert world.state == "ready" or (world.state in ("parked", "failed") and world.reason in REASONS)
    except AssertionError as broken:
        broken.add_note("\n".join([f"STORM_SEED={seed} ({policy})", *world.history[-60:]]))
        raise
    return world


@pytest.mark.parametrize("policy", ["consent", "auto"])
def test_no_storm(root, policy, monkeypatch):
    seed = int(os.environ.get("STORM_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"STORM_SEED={seed}")
    ends: dict[str, int] = {}
    logins = 0
    for number in range(SEQUENCES):
        world = play(root, seed + number, policy, monkeypatch)
        ends[world.reason if world.state == "parked" else world.state] = ends.get(world.state, 0) + 1
        logins += len(world.submissions)
    # The sequences do reach what they are meant to reach.
    assert logins > SEQUENCES // 4
    assert {"ready", "budget", "two_factor_missed" if policy == "consent" else "session_taken"} <= set(ends)
