"""Read `ibgatewayctl status --json`: what the role starts, what it restarts, what it tells the operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DOWN = ("inactive", "failed")

States = Iterable[Mapping[str, Any]]
Instances = Iterable[Mapping[str, Any]]


def ibc_to_start(states: States, instances: Instances) -> list[str]:
    """Return the names of the instances that are down, but neither stopped by somebody nor parked.

    Starting a parked one may ask for a tap, or submit a refused password again: the operator decides that.

    Args:
        states: the `instances` of `ibgatewayctl status --json`.
        instances: the resolved instances; others on the host are left alone.
    """
    ours = {instance["name"] for instance in instances}
    return [
        state["instance"]
        for state in states
        if state["instance"] in ours
        and state["unit"]["active_state"] in DOWN
        and state["unit"]["result"] != "start-limit-hit"
        and state["state"] != "parked"
        # Without a time it is not stopped, but was never started.
        and (state["state"] != "stopped" or state["since"] is None)
    ]


def ibc_to_restart(states: States, instances: Instances) -> list[str]:
    """Return the names of the instances whose pending change the operator wants now.

    Args:
        states: the `instances` of `ibgatewayctl status --json`.
        instances: the resolved instances, of which `restart` is read.
    """
    now = {instance["name"] for instance in instances if instance["restart"] == "now"}
    return [
        state["instance"]
        for state in states
        if state["instance"] in now and state["pending"] and state["unit"]["active_state"] not in DOWN
    ]


def ibc_report(states: States) -> list[str]:
    """Return one line for each instance: its state, what is pending, and what the operator can do.

    Args:
        states: the `instances` of `ibgatewayctl status --json`.
    """
    return [_line(state) for state in states]


def _line(state: Mapping[str, Any]) -> str:
    name = state["instance"]
    line = f"{name}: {state['state']}"
    if state["status"] != state["state"]:
        line += f", {state['status']}"
    if state["unit"]["active_state"] in DOWN:
        line += f". It stays down until you run: ibgatewayctl start {name}"
    elif state["pending"]:
        line += (
            f". Restart pending ({', '.join(state['pending'])}): it happens at the next daily restart, "
            "or now with -e ibgateway_restart=now"
        )
    return line


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {"ibc_to_start": ibc_to_start, "ibc_to_restart": ibc_to_restart, "ibc_report": ibc_report}
