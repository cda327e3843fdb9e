"""Each test begins outside the reset windows, with the old release, all ready and nothing pending."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from harness import seams
from harness.instance import Instance
from harness.phone import Phone
from harness.site import ROOT, Run
from testinfra.host import Host

OLD, NEW = "10.37.1", "10.45.1"
INVENTORY = Path(__file__).parent / "inventory"
# What takes the host and gives it back does not count as a change.
HOLDS = re.compile(r" : (Take|Give) the host")


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
    code, said = _run_until(lambda line: line.startswith("TASK [") and task in line, playbook, variables)
    if code != -signal.SIGKILL:
        raise AssertionError(f"{playbook} ended before {task!r}:\n{said}")


def kill_after_every_change(playbook: str, **variables: object) -> Iterator[str]:
    """Run a playbook again and again, and kill it after a task that changed something and was not killed yet.

    Between two of them its tasks only look: the host is the same wherever the run ends, and one kill stands
    for all of these boundaries.

    Args:
        playbook: its path from the project's root.
        **variables: extra variables.

    Yields:
        The task, once the run is killed. The last run comes to its end, and yields nothing.

    Raises:
        AssertionError: the last run failed.
    """
    killed, task = [], ""

    def has_changed(line: str) -> bool:
        nonlocal task
        if line.startswith("TASK ["):
            task = line
        changed = line.startswith("changed: [") or (line.startswith("ok: [") and HOLDS.search(task))
        if not changed or task in killed:
            return False
        killed.append(task)
        return True

    while True:
        code, said = _run_until(has_changed, playbook, variables)
        if code != -signal.SIGKILL:
            break
        yield killed[-1]
    if code:
        raise AssertionError(f"{playbook} failed after it was killed after {killed[-1]!r}:\n{said}")


def _run_until(
    stop: Callable[[str], bool], playbook: str, variables: Mapping[str, object]
) -> tuple[int, str]:
    """Run a playbook until it prints a line to stop at; return its exit code and what it said."""
    environment = {key: value for key, value in os.environ.items() if key != "ANSIBLE_BECOME"}
    environment |= {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "PYTHONUNBUFFERED": "1",
        "ANSIBLE_NOCOLOR": "1",
    }
    environment.pop("ANSIBLE_FORCE_COLOR", None)
    command = [Path(sys.executable).parent / "ansible-playbook", f"--inventory={INVENTORY}", playbook]
    said = []
    with subprocess.Popen(
        [*command, "--extra-vars", json.dumps(variables)],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            said.append(line)
            if stop(line):
                os.killpg(process.pid, signal.SIGKILL)
                break
    return process.returncode, "".join(said)


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
