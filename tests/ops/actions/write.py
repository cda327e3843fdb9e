"""An action that writes a file from within ansible-playbook, where a module would be a process, or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Write `content` to `dest` on the controller; with check mode and difference, as copy has them."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what copy would, as far as scripts/ops reads it."""
        result = super().run(tmp, task_vars)
        file, then = Path(self._task.args["dest"]), str(self._task.args["content"])
        now = file.read_text() if file.exists() else ""
        if (changed := not file.exists() or now != then) and not self._task.check_mode:
            file.write_text(then)
        headers = {"before_header": str(file), "after_header": str(file)} if changed else {}
        diff = {"before": now, "after": then, **headers} if changed else {}
        return result | {"changed": changed, "dest": str(file), "diff": diff}
