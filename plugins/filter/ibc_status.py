"""Read `ibgatewayctl status --json`: what the role starts and restarts, what the operator is told."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

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


def ibc_report(states: States, restarts: Iterable[Mapping[str, Any]] = ()) -> list[str]:
    """Return one line for each instance: its state, what is pending, and what the operator can do.

    Args:
        states: the `instances` of `ibgatewayctl status --json`.
        restarts: what is pending, as `ibc_restarts` gives it.
    """
    texts = {restart["instance"]: restart["text"] for restart in restarts}
    return [_line(state, texts.get(state["instance"], "")) for state in states]


def ibc_choose(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Return those of a host's instances that the operator named; all of them when none is named.

    Args:
        names: the host's instances.
        wanted: what the operator named.

    Raises:
        AnsibleFilterError: the host has none of that name.
    """
    names, wanted = list(names), list(wanted)
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
            raise AnsibleFilterError(f"There is no instance '{name}' on this host: did you mean '{near[0]}'?")
    return wanted or names


def ibc_status_rows(answer: Mapping[str, Any], host: str) -> list[dict[str, str]]:
    """Return a host's lines of the table of all hosts.

    Args:
        answer: what the task that ran `ibgatewayctl status --json` registered.
        host: its name in the inventory.

    Returns:
        One row for each instance, or one that says why there is none: host, instance, mode, state, since,
        status and `what` (host and instance in one word).
    """
    try:
        states = json.loads(answer["stdout"])["instances"]
    except (KeyError, ValueError, TypeError):
        return [_no_answer(answer, host)]
    return [
        {
            "what": f"{host}/{state['instance']}",
            "host": host,
            "instance": state["instance"],
            "mode": state.get("mode") or "",
            "state": state["state"],
            "since": (state.get("since") or "")[:16].replace("T", " "),
            "status": "; ".join(
                filter(
                    None, [state["status"] if state["status"] != state["state"] else "", *state["pending"]]
                )
            ),
        }
        for state in states
    ]


def ibc_status_table(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the lines of the table of all hosts.

    Args:
        rows: as `ibc_status_rows` gives them.
    """
    columns = ("host", "instance", "mode", "state", "since", "status")
    head = {column: column.upper() for column in columns} | {"since": "SINCE (UTC)"}
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in columns]
    return [
        "  ".join(row[column].ljust(width) for column, width in zip(columns, widths, strict=True)).rstrip()
        for row in table
    ]


def _no_answer(answer: Mapping[str, Any], host: str) -> dict[str, str]:
    if answer.get("unreachable"):
        state, why = "unreachable", "ssh does not get there: look whether the host is up"
    else:
        # The command's own sentence, or Ansible's when there is no such command.
        said = (answer.get("stderr") or answer.get("msg") or "").strip().splitlines()
        state, why = "no answer", said[-1] if said else "ibgatewayctl said nothing: run site.yml"
    return {
        "what": host,
        "host": host,
        "instance": "",
        "mode": "",
        "state": state,
        "since": "",
        "status": why,
    }


def _line(state: Mapping[str, Any], pending: str) -> str:
    name = state["instance"]
    line = f"{name}: {state['state']}"
    if state["status"] != state["state"]:
        line += f", {state['status']}"
    if state["unit"]["active_state"] in DOWN:
        # A login that waits for consent gets it from this command only.
        command = "login" if state.get("login") == "consent" else "start"
        line += f". It stays down until you run: ibgatewayctl {command} {name}"
    elif pending:
        line += f". {pending[0].upper()}{pending[1:]}"
    return line


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {
            "ibc_to_start": ibc_to_start,
            "ibc_to_restart": ibc_to_restart,
            "ibc_report": ibc_report,
            "ibc_choose": ibc_choose,
            "ibc_status_rows": ibc_status_rows,
            "ibc_status_table": ibc_status_table,
        }
