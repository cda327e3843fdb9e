"""Fixtures for the simulator's tests: the built program, a display, real IBC, and a Gateway under it."""

from __future__ import annotations

import subprocess
import zipfile

import pytest
from ibc_run import IbcRun
from simulator_source import FOLDER, artifact

BUILD = FOLDER / "build"


def pytest_collection_modifyitems(items):
    """What takes longest goes first, so that the rest runs beside it; it has a group of its own for that."""
    items.sort(key=lambda item: item.get_closest_marker("together") is None)


@pytest.fixture(scope="session")
def installers(tmp_path_factory):
    """One installer of each layout, by layout."""
    out = tmp_path_factory.mktemp("installers")
    wanted = {"program": "10.37.1", "inst": "10.45.1", "pref": "10.46.1", "none": "10.47.1"}
    words = [w for layout, version in wanted.items() for w in ("--version", version, "--jre-layout", layout)]
    subprocess.run([BUILD, out, *words], check=True)
    return {
        layout: out / f"ibgateway-{version}-standalone-linux-x64.sh" for layout, version in wanted.items()
    }


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The folder to give IBC as --tws-path, with 10.37.1 installed in it."""
    programs = tmp_path_factory.mktemp("programs")
    target = programs / "ibgateway" / "10.37.1"
    installer = artifact("ibgateway-10.37.1-standalone-linux-x64.sh")
    subprocess.run(["sh", installer, "-q", "-dir", target], check=True, stdout=subprocess.DEVNULL)
    return programs


@pytest.fixture(scope="session")
def ibc(tmp_path_factory):
    """The folder of real IBC."""
    folder = tmp_path_factory.mktemp("ibc")
    with zipfile.ZipFile(artifact("ibc2-0.1.0-py3-none-any.whl")) as archive:
        archive.extractall(folder)
    return folder / "ibc2" / "_ibc"


@pytest.fixture(scope="session")
def display():
    """The name of an X display of our own."""
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield f":{process.stdout.readline().strip()}"
    process.terminate()
    process.wait()
    process.stdout.close()


@pytest.fixture
def run(programs, ibc, display, tmp_path):
    """A function that starts IBC, and so the Gateway, and gives the IbcRun; everything ends with the test."""
    started = []

    def start(mode="live", scenario=(), **ibc_settings):
        made = IbcRun(tmp_path / f"run{len(started)}", programs, ibc, display)
        started.append(made)
        made.scenario(*scenario)
        made.start(mode, ibc_settings)
        return made

    yield start
    for made in started:
        made.end()
