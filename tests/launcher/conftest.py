"""Fixtures of the launcher's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2] / "roles" / "ibc" / "files"), str(Path(__file__).parent)]

import real_box  # noqa: E402 - needs the paths above
from launcher_box import Box  # noqa: E402


@pytest.fixture
def box(tmp_path):
    """An instance nobody else uses."""
    made = Box(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The folders of the simulated program and of real IBC."""
    return real_box.install(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def display():
    """The name of an X display of our own."""
    with real_box.x_server() as (name, _):
        yield name


@pytest.fixture
def real(tmp_path, installed, display):
    """A function that makes an instance with real IBC; its argument is the policy for logins."""
    made = []

    def make(policy: str = "consent") -> real_box.RealBox:
        made.append(real_box.RealBox(tmp_path, installed, display, policy))
        return made[-1]

    yield make
    for box in made:
        box.close()
