"""Both instances are logged in once; from then on the tests only count what they cost."""

from __future__ import annotations

import json
import re

import pytest
from harness import seams
from harness.costs import COUNTED
from harness.instance import Instance, run_probe
from harness.phone import Phone
from harness.site import Run
from testinfra.host import Host

NOTHING = dict.fromkeys(COUNTED, 0)
BY_TOKEN = NOTHING | {"token_restarts": 1}


def pids(*instances: Instance) -> list[int]:
    """The Java processes.

    Raises:
        AssertionError: the API of one does not answer.
    """
    for instance in instances:
        answer = run_probe(instance.host, "handshake", "127.0.0.1", str(instance.ports["api"]), user="ops")
        if "version" not in answer:
            raise AssertionError(f"the API of {instance.name} does not answer: {answer}")
    return [instance.wait_for("ready")["java_pid"] for instance in instances]


def restart_by_token(instance: Instance) -> None:
    """The daily restart, now, and what its timer looks at ten minutes later."""
    seen = len(instance.events())
    instance.simulate("restart-now")
    instance.wait_for_event("ready", seen, 90)
    instance.host.check_output("systemctl start ibgateway-restart@%s.service", instance.name)
    instance.wait_for("ready")


def happen(instance: Instance, kind: str, text: str) -> None:
    """Let the launcher's file say that something happened, as the launcher writes it."""
    now = instance.host.check_output("date --utc --iso-8601=ns")[:23].replace(",", ".") + "Z"
    line = json.dumps({"time": now, "instance": instance.name, "type": kind, "detail": {"text": text}})
    instance.host.check_output(
        "runuser -u ibgateway -- sh -c %s",
        f"printf '%s\\n' '{line}' >> /var/lib/ibgateway/{instance.name}/events.jsonl",
    )


def changed_tasks(run: Run) -> set[str]:
    """The tasks and handlers that changed something, `ROLE : NAME`."""
    parts = re.split(r"(?:TASK|RUNNING HANDLER) \[([^\]]+)\] \*", run.output.partition("PLAY RECAP")[0])
    return {name for name, text in zip(parts[1::2], parts[2::2], strict=True) if "changed: [" in text}


@pytest.fixture(scope="module")
def phone(host: Host) -> Phone:
    """The operator's phone."""
    return Phone(host)


@pytest.fixture(scope="module", autouse=True)
def both_are_logged_in(instances: dict[str, Instance]) -> None:
    """Each file begins with both ready."""
    seams.ready(instances)
