"""A container with Java, an X server and pytest, in which real IBC drives the simulated Gateway.

It is the builder's image: whatever machine runs the tests needs no Java and no X server of its own.
It has Prometheus's promtool, too, which judges what docs/ gives to Prometheus and Grafana.
"""

import os
from pathlib import Path

from testbed.lib import docker, image
from testbed.lib.paths import ROOT
from testbed.lib.progress import run_step

# These tests wait most of their time; each fork has an X server of its own, and a Gateway takes 0.15 GB.
FORKS = 8
FOLDERS = ("tests/launcher", "tests/simulator", "tests/ctl", "tests/prometheus")


def command(builder: str, box: str, report: Path) -> list[str]:
    """Write the command that runs the tests.

    Args:
        builder: the image.
        box: the container's name.
        report: where the junit xml goes; its folder exists.

    Returns:
        What follows `docker`. The project is mounted read-only, and there is no network but loopback.
    """
    return [
        "run",
        "--rm",
        "--init",
        f"--name={box}",
        "--label=ibgw=test",
        "--network=none",
        "--env=LC_ALL=C.UTF-8",
        # In memory, where thousands of small files cost next to nothing; they may be programs.
        "--tmpfs=/tmp:exec,mode=1777",
        "--env=HOME=/tmp",
        "--env=PYTHONDONTWRITEBYTECODE=1",
        f"--user={os.getuid()}:{os.getgid()}",
        f"--volume={ROOT}:/project:ro",
        f"--volume={report.parent}:/results",
        "--workdir=/project",
        builder,
        "python3",
        "-m",
        "scripts.lib.pytest_forks",
        str(FORKS),
        "1",  # so that a long test holds up none
        *FOLDERS,
        "-q",
        "-m",
        "workshop",
        "--durations=15",
        f"--junitxml=/results/{report.name}",
    ]


def run_tests(title: str, report: Path, log: Path) -> int:
    """Run them.

    Args:
        title: what the step is called.
        report: where the junit xml goes.
        log: where the output goes.

    Returns:
        pytest's exit code.

    Raises:
        UserError: no engine, or the image cannot be built.
    """
    builder = image.ensure(image.BUILDER_RELEASE, image.BUILDER)
    box = f"ibgw-test-{os.getpid()}"
    try:
        return run_step(title, [*docker.command(), *command(builder, box, report)], log, show=True)
    except BaseException:
        docker.run("rm", "-f", box, check=False)
        raise
