"""Count what a playbook run asks of the hosts, as JSON in the file that REMOTE_TASKS_FILE names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: remote_tasks
type: aggregate
short_description: count tasks that ran on a host
description: Writes the number of tasks, of module runs (loop items one by one), and of changes as JSON.
"""

# Actions that the controller does by itself.
LOCAL = {
    "add_host",
    "assert",
    "debug",
    "fail",
    "group_by",
    "import_role",
    "import_tasks",
    "include_role",
    "include_tasks",
    "include_vars",
    "meta",
    "pause",
    "set_fact",
    "set_stats",
    "validate_argument_spec",
}


class CallbackModule(CallbackBase):
    """Counts the results of tasks that were neither skipped nor done on the controller."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "remote_tasks"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.counts = {"remote_tasks": 0, "module_runs": 0, "changed": 0}

    def v2_runner_on_ok(self, result: Any) -> None:
        """Count one task of one host.

        Args:
            result: what Ansible reports of it.
        """
        if self._is_local(result.task):
            return
        items = [item for item in result.result.get("results", [{}]) if not item.get("skipped")]
        if not items:
            return
        self.counts["remote_tasks"] += 1
        self.counts["module_runs"] += len(items)
        self.counts["changed"] += result.is_changed()

    @staticmethod
    def _is_local(task: Any) -> bool:
        action = task.action.rsplit(".", 1)[-1]
        return action in LOCAL or task.delegate_to in ("localhost", "127.0.0.1") or task.connection == "local"

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002 - the callback's signature
        """Write the counts.

        Args:
            stats: Ansible's own, unused.
        """
        Path(os.environ["REMOTE_TASKS_FILE"]).write_text(json.dumps(self.counts))
