"""Each test begins outside the reset windows, with the old release, all ready and nothing pending."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO

import pytest
from harness import seams
from harness.instance import Instance
from harness.phone import Phone
from harness.site import ROOT, Run, environment
from testinfra.host import Host

OLD, NEW = "10.37.1", "10.45.1"
INVENTORY = Path(__file__).parent / "inventory"


def record(instance: Instance) -> dict:
    """What the host has noted of the instance's releases."""
    result = instance.host.run("cat /etc/ibgateway/%s/upgrade.json", instance.name)
    return json.loads(result.stdout) if result.rc == 0 else {}


def judged(instance: Instance) -> None:
    """What the timer does ten minutes after the daily restart, now."""
    instance.host.check_output("systemctl start ibgateway-restart@%s.service", instance.name)


def back_to_old(instance: Instance) -> None:
    """Have an instance run the old release, with nothing pending and nothing remembered."""
    host, name = instance.host, instance.name
    seams.plan(instance)
    status = instance.status()
    if status["gateway_version"] != OLD or status["pending"] or status["state"] != "ready":
        host.check_output("ibgatewayctl stop %s", name)
        host.check_output(
            f"ibgatewayctl upgrade begin {name} --gateway-version {OLD} --ibc-version 3.25.0 --again"
        )
    host.check_output("rm -f /etc/ibgateway/%s/upgrade.json", name)
    seams.log_in(instance)


def kill_at(task: str, playbook: str, **variables: object) -> None:
    """Run a playbook, and kill it without mercy when a task begins.

    Args:
        task: the task's name.
        playbook: its path from the project's root.
        **variables: extra variables.

    Raises:
        AssertionError: it ended before that task.
    """
    said = []
    with _begun(playbook, variables, environment(), subprocess.PIPE) as run:
        for line in run.stdout or ():
            said.append(line)
            if line.startswith("TASK [") and task in line:
                os.killpg(run.pid, signal.SIGKILL)
                return
    raise AssertionError(f"{playbook} ended before {task!r}:\n{''.join(said)}")


def kill_after_each_change(playbook: str, passed: Path, **variables: object) -> Iterator[str]:
    """Run a playbook again and again, and kill it after a change after which it was not killed yet.

    Between two changes its tasks only look: the host is the same wherever the run ends, and one kill stands
    for all of these boundaries.

    Args:
        playbook: its path from the project's root.
        passed: where the tasks are noted after which it was killed.
        **variables: extra variables.

    Yields:
        The task, once the run is killed. The last run comes to its end, and yields nothing.

    Raises:
        AssertionError: the last run failed.
    """
    while True:
        log = passed.with_suffix(".log")
        with log.open("w") as said, _begun(playbook, variables, environment(passed, kill=True), said) as run:
            code = run.wait(timeout=300)
        if code != -signal.SIGKILL:
            break
        yield passed.read_text().splitlines()[-1]
    if code:
        raise AssertionError(f"{playbook} failed after it was killed:\n{log.read_text()}")


def _begun(
    playbook: str, variables: Mapping[str, object], environment: Mapping[str, str], said: IO[str] | int
) -> "subprocess.Popen[str]":
    """Begin to run a playbook, in a process group of its own."""
    command = [Path(sys.executable).parent / "ansible-playbook", f"--inventory={INVENTORY}", playbook]
    return subprocess.Popen(
        [*command, "--extra-vars", json.dumps(variables)],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def upgrade(site: Callable[..., Run]) -> Callable[..., Run]:
    """`upgrade.yml` to the new release."""
    return partial(site, playbook="playbooks/upgrade.yml", version=NEW)


@pytest.fixture(scope="session")
def rollback(site: Callable[..., Run]) -> Callable[..., Run]:
    """`rollback.yml`."""
    return partial(site, playbook="playbooks/rollback.yml")


@pytest.fixture(scope="module")
def phone(host: Host) -> Phone:
    """The operator's phone."""
    return Phone(host)


@pytest.fixture(autouse=True)
def everything_is_old_and_ready(host: Host, live: Instance, paper: Instance) -> None:
    """Each test begins alike."""
    seams.reset_now(host, False)
    for instance in (live, paper):
        back_to_old(instance)
