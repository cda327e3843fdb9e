"""What is taken over from an event of ansible-runner, and what is not."""

from __future__ import annotations

from typing import Any

from scripts.lib import run_events
from scripts.lib.runner import ROOT, HostResult


def event(name: str, result: dict | None = None, **more: Any) -> dict[str, Any]:
    data = {"host": "vps1", "task": "Do it", "task_action": more.pop("action", "ansible.builtin.copy")}
    data |= {"task_args": "canary", "res": {"invocation": {"module_args": "canary"}} | (result or {})} | more
    return {"event": name, "stdout": "changed: [vps1]\r\nmore", "event_data": data}


def test_arguments_and_items_are_left_behind() -> None:
    found = run_events.read(event("runner_item_on_ok", {"item": {"password": "canary"}, "changed": True}))
    assert "canary" not in repr(found)
    assert (found.kind, found.host, found.task, found.changed) == ("item_ok", "vps1", "Do it", True)
    assert found.text == "changed: [vps1]\nmore"


def test_a_label_stands_for_its_item() -> None:
    result = {"item": {"name": "live"}, "_ansible_item_label": "live", "changed": True}
    assert run_events.read(event("runner_item_on_ok", result)).item == "live"
    assert run_events.read(event("runner_item_on_ok", {"item": "10.45.1"})).item == "10.45.1"


def test_what_is_hidden_still_counts() -> None:
    raw = event("runner_item_on_ok")
    raw["event_data"]["res"] = {"censored": "hidden"}
    assert run_events.read(raw).changed
    raw["stdout"] = "ok: [vps1] => (item=(censored due to no_log))"
    assert not run_events.read(raw).changed
    raw["event"] = "runner_on_failed"
    assert run_events.read(raw).reason == "its output is hidden, for it holds a secret"


def test_the_file_on_the_host_is_named_not_the_one_on_the_controller() -> None:
    there = {
        "before_header": "/etc/x",
        "after_header": f"{ROOT}/roles/a/files/x",
        "before": "a\n",
        "after": "b\n",
    }
    found = run_events.read(event("runner_on_ok", {"changed": True, "diff": [there]}))
    assert found.paths == ("/etc/x",)
    assert found.diff == "--- /etc/x (now)\n+++ /etc/x (then)\n@@ -1 +1 @@\n-a\n+b\n"
    new = {"after_header": "/root/.ansible/tmp/ansible-local-1/x.j2", "before": "", "after": "b"}
    found = run_events.read(event("runner_item_on_ok", {"diff": [new], "item": "/etc/y"}))
    assert found.paths == ("/etc/y",)
    assert found.diff.splitlines() == ["--- /etc/y (now)", "+++ /etc/y (then)", "@@ -0,0 +1 @@", "+b"]
    content = {"after_header": "/etc/z", "before": "", "after": "b\n"}
    assert run_events.read(event("runner_on_ok", {"diff": content})).paths == ("/etc/z",)


def test_a_folder_and_a_prepared_difference_are_shown_too() -> None:
    folder = {"before": {"path": "/a", "state": "absent"}, "after": {"path": "/a", "state": "directory"}}
    found = run_events.read(event("runner_on_ok", {"diff": folder, "path": "/a"}))
    assert found.paths == ("/a",)
    assert '+  "state": "directory"' in found.diff
    assert run_events.read(event("runner_on_ok", {"diff": {"prepared": "package x\n"}})).diff == "package x\n"
    assert run_events.read(event("runner_on_ok", {"diff": {"before_header": "/a"}})).diff == ""


def test_only_messages_and_facts_of_the_playbook_are_kept() -> None:
    said = event("runner_on_ok", {"msg": ["one\ntwo", ["three"], {"a": 1}]}, action="ansible.builtin.debug")
    assert run_events.read(said).said == ("one", "two", "three", '{"a": 1}')
    assert run_events.read(event("runner_on_ok", {"msg": "noise"})).said == ()
    summed = event(
        "runner_on_ok", {"msg": "All items completed", "results": []}, action="ansible.builtin.debug"
    )
    assert run_events.read(summed).said == ()
    kept = event("runner_on_ok", {"ansible_facts": {"_x": 1}}, action="ansible.builtin.set_fact")
    assert run_events.read(kept).facts == {"_x": 1}
    assert run_events.read(event("runner_on_ok", {"ansible_facts": {"_x": 1}})).facts == {}


def test_the_reason_is_what_the_command_said() -> None:
    def reason(**result: str) -> str:
        return run_events.read(event("runner_on_failed", result)).reason

    assert reason(msg="non-zero return code", stderr="Traceback\nE: no space") == "E: no space"
    assert reason(msg="It is wrong.\nVery.", stderr="x") == "It is wrong.\nVery."
    failed = (
        "Task failed: Finalization …: The filter plugin 'ibc_choose' failed: There is no instance 'lvie'."
    )
    assert reason(msg=failed) == "There is no instance 'lvie'."
    assert reason(msg="Task failed: Failed to connect") == "Failed to connect"
    assert reason() == "no reason was given"


def tell(*raws: dict) -> HostResult:
    host = HostResult()
    for raw in raws:
        host.add(run_events.read(raw))
    return host


def test_a_loop_is_counted_by_its_items() -> None:
    host = tell(
        event("runner_item_on_ok", {"changed": True, "item": "a"}),
        event("runner_item_on_ok", {"changed": False, "item": "b"}),
        event("runner_on_ok", {"changed": True, "results": [{}, {}]}),
    )
    assert (host.ok, host.changed, [task.item for task in host.tasks]) == (1, 1, ["a"])


def test_the_item_that_failed_gives_the_reason() -> None:
    host = tell(
        event("runner_item_on_failed", {"msg": "no space", "item": "b"}),
        event("runner_on_failed", {"msg": "One or more items failed", "results": [{}]}),
    )
    assert (host.failed, host.reason, host.well) == (1, "Do it: no space", False)


def test_a_failure_that_the_playbook_ignores_is_none() -> None:
    host = tell(event("runner_on_failed", {"msg": "never mind"}, ignore_errors=True))
    assert (host.failed, host.tasks, host.well) == (0, [], True)


def test_unreachable_stays_so_even_where_the_playbook_goes_on() -> None:
    host = tell(event("runner_on_unreachable", {"msg": "timed out", "unreachable": True}))
    assert (host.unreachable, host.reason, host.well) == (True, "Do it: timed out", False)


def test_what_is_not_known_is_only_logged() -> None:
    found = run_events.read(
        {"event": "verbose", "stdout": "[WARNING]: x", "event_data": {"res": {"msg": "c"}}}
    )
    assert found == run_events.Event("other", "[WARNING]: x")
    assert run_events.read({"event": "EOF"}) == run_events.Event("other")
    stats = run_events.read({"event": "playbook_on_stats", "stdout": "", "event_data": {"ok": {"vps1": 3}}})
    assert (stats.kind, stats.host) == ("end", "")
