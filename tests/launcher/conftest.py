"""Fixtures of the launcher's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2] / "roles" / "ibc" / "files"), str(Path(__file__).parent)]

from launcher_box import Box  # noqa: E402 - needs the paths above


@pytest.fixture
def box(tmp_path):
    """An instance nobody else uses."""
    made = Box(tmp_path)
    yield made
    made.close()
