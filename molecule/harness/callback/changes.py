"""Write down which tasks have changed something, and kill the run after the first that no run has passed.

CHANGES_FILE names a file with one task a line, which is read at the start and added to. With CHANGES_KILL=1
the run ends there.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: changes
type: aggregate
short_description: write changing tasks down, and die after a new one
description: For the tests of interrupted runs.
"""


class CallbackModule(CallbackBase):
    """Acts as soon as a task's result is known, before the next begins."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "changes"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file = Path(os.environ["CHANGES_FILE"])
        self._passed = self._file.read_text().splitlines() if self._file.exists() else []

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note a task that has changed something, and die if it is the first time.

        Args:
            result: what Ansible reports of it.
        """
        name = result.task.get_name()
        if not result.is_changed() or name in self._passed:
            return
        self._passed.append(name)
        with self._file.open("a") as file:
            file.write(f"{name}\n")
        if os.environ.get("CHANGES_KILL"):
            os.killpg(0, signal.SIGKILL)
