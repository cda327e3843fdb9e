"""Tell what became of an upgrade or a rollback, instance by instance, for scripts/ops."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles" / "ibc" / "files"))
from ibgatewaylib import ctl_codes, releases

DOWN = ("inactive", "failed")
UNCHANGED = "unchanged"
DONE = "done"
WAITS = "waits"
LEFT = "left"

States = Iterable[Mapping[str, Any]]
Switched = Mapping[str, Mapping[str, Mapping[str, str]]]


def ibc_would_switch(states: States, instances: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what an upgrade would switch, as `ibgatewayctl upgrade begin --json` tells it afterwards.

    Args:
        states: the `instances` of `ibgatewayctl status --json`.
        instances: the resolved instances, with the versions they are to have; one that is not on the host is
            left out.

    Returns:
        instance to `from` and `to`, each with `gateway_version` and `ibc_version`.
    """
    found = {state["instance"]: state for state in states}
    return {
        instance["name"]: {
            "from": releases.said_by(found[instance["name"]]),
            "to": {"gateway_version": instance["version"], "ibc_version": instance["ibc_version"]},
        }
        for instance in instances
        if instance["name"] in found
    }


def ibc_as_switched(states: States, switched: Switched) -> list[dict[str, Any]]:
    """Return the states as they would be after the switch: what differs is pending.

    Args:
        states: the `instances` of `ibgatewayctl status --json`.
        switched: as `ibc_would_switch` gives it.
    """
    return [
        {**state, "pending": sorted({*state["pending"], *_differing(switched.get(state["instance"]))})}
        for state in states
    ]


def ibc_renewed(
    switched: Switched,
    before: States,
    now: States,
    followed: Iterable[Mapping[str, Any]] = (),
    restarts: Iterable[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Return what became of each instance whose versions were switched.

    Args:
        switched: instance to what `ibgatewayctl upgrade begin` or `rollback` said, of which `from` and `to`
            are read.
        before: the `instances` of `ibgatewayctl status --json`, before any restart.
        now: the same after all of them.
        followed: results of the task that ran `ibgatewayctl upgrade wait` for those that were restarted.
        restarts: what is pending now, as `ibc_restarts` gives it.

    Returns:
        for each `instance`, `from` and `to` (versions), `outcome` ("unchanged"; "done", it runs them;
        "waits", for a restart or for the verdict; "left", it has gone back), `at` (when it restarts by
        itself, RFC 3339 in UTC, where that is known) and `text`, all of it in a sentence.
    """
    ran, runs = ({state["instance"]: state for state in states} for states in (before, now))
    verdicts = {result["item"]: result for result in followed if "rc" in result}
    pending = {restart["instance"]: restart for restart in restarts}
    found = []
    for name, answer in switched.items():
        old, new = _from(answer, ran[name]), dict(answer["to"])
        row = {"instance": name, "from": old, "to": new, "at": None}
        if old == new:
            row |= {"outcome": UNCHANGED, "text": f"{name}: {releases.words(new)}, as before"}
        elif name in verdicts:
            row |= _judged(name, new, verdicts[name], runs[name])
        elif name in pending:
            restart = pending[name]
            row |= {"outcome": WAITS, "at": restart["at"], "text": f"{name}: {restart['text']}"}
        else:
            row |= _not_followed(name, releases.step(old, new), runs[name])
        found.append(row)
    return found


def _differing(answer: Mapping[str, Mapping[str, str]] | None) -> list[str]:
    step = releases.step(dict(answer["from"]), dict(answer["to"])) if answer else ""
    return step.split(", ") if step else []


def _from(answer: Mapping[str, Mapping[str, str]], state: Mapping[str, Any]) -> dict[str, str]:
    """What an instance ran; where nothing is left to tell that, what its next start would have used."""
    ran = releases.said_by(dict(state))
    silent = state["unit"]["active_state"] in DOWN and ran == answer["to"]
    return dict(answer["from"]) if silent else ran


def _judged(
    name: str, new: dict[str, str], verdict: Mapping[str, Any], state: Mapping[str, Any]
) -> dict[str, str]:
    said = str(verdict.get("stdout") or "").strip()
    if verdict["rc"] == ctl_codes.FAILED:
        return {"outcome": LEFT, "text": said}
    if verdict["rc"] != ctl_codes.DONE:
        return {"outcome": WAITS, "text": said}
    here = releases.said_by(dict(state))
    if here == new:
        return {"outcome": DONE, "text": said}
    # Its own unit has judged it meanwhile, and nothing was pending any more.
    text = f"{name}: left {releases.words(new)} for {releases.words(here)}; why: ibgatewayctl timeline {name}"
    return {"outcome": LEFT, "text": text}


def _not_followed(name: str, step: str, state: Mapping[str, Any]) -> dict[str, str]:
    if state["unit"]["active_state"] not in DOWN:
        return {"outcome": DONE, "text": f"{name}: {step}; it is {state['state']}"}
    command = "login" if state.get("login") == "consent" else "start"
    return {
        "outcome": WAITS,
        "text": f"{name}: {step} at its next start; it is {state['state']}, until you run: "
        f"ibgatewayctl {command} {name}",
    }


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {
            "ibc_would_switch": ibc_would_switch,
            "ibc_as_switched": ibc_as_switched,
            "ibc_renewed": ibc_renewed,
        }
