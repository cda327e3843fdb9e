"""Write a file as ansible.builtin.copy would, on the controller: two modules a host fewer.

What real copy tells is tests/ops/test_runner.py's matter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Has `content` and `dest`."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write it where it differs; not in check mode."""
        result = super().run(tmp, task_vars)
        file, after = Path(self._task.args["dest"]), str(self._task.args["content"])
        before = file.read_text() if file.exists() else ""
        changed = before != after
        if changed and not self._task.check_mode:
            file.write_text(after)
        diff = {"before": before, "after": after, "before_header": str(file), "after_header": str(file)}
        return result | {"changed": changed, "dest": str(file), "diff": diff if changed else {}}
