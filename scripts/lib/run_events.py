"""What ansible-runner tells while a playbook runs, as the few things we show and keep.

Of a task's result only what is named here is taken over. Its arguments, its `invocation` and the items of its
loops stay behind: they hold whatever the playbook was given, passwords too.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# By the names of ansible-runner's callback (event in its documentation); what is not here is only logged.
KINDS = {
    "playbook_on_play_start": "play",
    "playbook_on_task_start": "task",
    "playbook_on_handler_task_start": "task",
    "playbook_on_no_hosts_matched": "no_hosts",
    "runner_on_start": "start",
    "runner_on_ok": "ok",
    "runner_on_skipped": "skipped",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_item_on_ok": "item_ok",
    "runner_item_on_failed": "item_failed",
    "playbook_on_stats": "end",
}
SAYS = ("debug", "ansible.builtin.debug")
KEEPS = ("set_fact", "ansible.builtin.set_fact")


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: a value of KINDS, or "other".
        text: what ansible-playbook prints for it.
        host: in the inventory; empty where it is about all.
        task: its name.
        changed: something was changed, or would be in check mode.
        ignored: it failed, and the playbook goes on as if not.
        looped: the sum of a loop, whose items were told before.
        item: the label of a loop's item.
        paths: files on the host that the task is about.
        diff: unified diffs, as text; empty without --diff.
        said: the lines of a message to the operator.
        reason: why it failed.
        output: what a command printed.
        facts: what the playbook keeps by set_fact.
        failures: at the end, the hosts that failed for good; what a playbook rescued is none.
    """

    kind: str
    text: str = ""
    host: str = ""
    task: str = ""
    changed: bool = False
    ignored: bool = False
    looped: bool = False
    item: str = ""
    paths: tuple[str, ...] = ()
    diff: str = ""
    said: tuple[str, ...] = ()
    reason: str = ""
    output: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    failures: frozenset[str] = frozenset()


def read(raw: Mapping[str, Any]) -> Event:
    """Return what an event of ansible-runner means.

    Args:
        raw: as its event handler gets it.
    """
    kind = KINDS.get(str(raw.get("event")), "other")
    text = str(raw.get("stdout") or "").replace("\r\n", "\n")
    data = raw.get("event_data") or {}
    result = data.get("res") or {}
    if kind == "other":
        return Event(kind, text)
    if kind == "end":
        return Event(kind, text, failures=frozenset(data.get("failures") or ()))
    name = str(data.get("task") or (data.get("name") if kind in ("play", "task") else "") or "")
    head = {"kind": kind, "text": text, "host": str(data.get("host") or ""), "task": name}
    if "censored" in result:
        # Hidden by no_log. ansible-runner takes all of it away; whether something changed, the text tells.
        bad = kind in ("failed", "item_failed", "unreachable")
        return Event(
            **head,
            changed=bool(re.search(r"(?m)^changed: ", text)),
            ignored=bool(data.get("ignore_errors")),
            reason="its output is hidden, for it holds a secret" if bad else "",
        )
    entries = _entries(result.get("diff"))
    action = data.get("task_action")
    return Event(
        **head,
        changed=bool(result.get("changed")),
        ignored=bool(data.get("ignore_errors") or result.get("ignore_unreachable")),
        looped="results" in result,
        item=_label(result),
        paths=_paths(result, entries),
        diff="".join(_unified(entry, _where(entry) or _label(result)) for entry in entries),
        # The sum of a loop says only that it is one.
        said=_lines(result.get("msg")) if action in SAYS and "results" not in result else (),
        reason=_reason(result) if kind in ("failed", "item_failed", "unreachable") else "",
        output=str(result.get("stdout") or ""),
        facts=dict(result.get("ansible_facts") or {}) if action in KEEPS else {},
    )


def _entries(diff: Any) -> list[Mapping[str, Any]]:
    found = diff if isinstance(diff, list) else [diff]
    return [entry for entry in found if isinstance(entry, Mapping) and entry]


def _label(result: Mapping[str, Any]) -> str:
    label = result.get("_ansible_item_label", result.get("item", ""))
    # A whole dictionary is no label; it may hold anything.
    return str(label) if isinstance(label, str | int) else ""


def _paths(result: Mapping[str, Any], entries: list[Mapping[str, Any]]) -> tuple[str, ...]:
    found = [_where(entry) for entry in entries]
    found += [str(result[key]) for key in ("dest", "path") if isinstance(result.get(key), str)]
    # In check mode a new file's place is told by nobody but the loop's label.
    found += [_label(result)] if not any(found) else []
    return tuple(path for path in dict.fromkeys(found) if path.startswith("/"))


def _where(entry: Mapping[str, Any]) -> str:
    """Return the file on the host that a difference is about; empty where that is not told."""
    for side in ("before", "after"):
        value = entry.get(side)
        if isinstance(value, Mapping) and value.get("path"):
            return str(value["path"])
    # Before: the file there. After: where it comes from on the controller, unless the text has no file.
    if before := entry.get("before_header"):
        return str(before)
    after = str(entry.get("after_header") or "")
    return "" if after.startswith(str(ROOT)) or "/ansible-local-" in after else after


def _unified(entry: Mapping[str, Any], path: str) -> str:
    if "prepared" in entry:
        return str(entry["prepared"]).rstrip("\n") + "\n"
    if "before" not in entry and "after" not in entry:
        return ""
    before, after = (_side(entry.get(side)) for side in ("before", "after"))
    lines = difflib.unified_diff(before, after, f"{path} (now)".lstrip(), f"{path} (then)".lstrip())
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _side(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = json.dumps(value, indent=2, sort_keys=True) + "\n"
    return str(value or "").splitlines(keepends=True)


def _lines(message: Any) -> tuple[str, ...]:
    return tuple(_flat(message))


def _flat(message: Any) -> Iterator[str]:
    if isinstance(message, list):
        for entry in message:
            yield from _flat(entry)
    elif isinstance(message, str):
        yield from message.rstrip().splitlines()
    elif message is not None:
        yield json.dumps(message, ensure_ascii=False)


def _reason(result: Mapping[str, Any]) -> str:
    said = re.sub(r"^Task failed: (Action failed: )?", "", str(result.get("msg") or "").strip())
    # Where the sentence is one of our filters' own, without the path that it took through Ansible.
    said = re.sub(r"^.*The filter plugin '\w+' failed: ", "", said, flags=re.DOTALL)
    error = str(result.get("stderr") or "").strip()
    if error and said.startswith("non-zero return code"):
        return error.splitlines()[-1]
    return said or (error.splitlines()[-1] if error else "no reason was given")
