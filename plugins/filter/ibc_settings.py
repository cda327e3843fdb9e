"""Filters over IBC's settings; the catalogue they use is the one that also goes to the host."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles" / "ibc" / "files"))
from ibgatewaylib import ibc_settings

BUDGET = ("logins", "hours", "minutes_apart")


def ibc_render_settings(instance: Mapping[str, Any]) -> str:
    """Return the lines of ibc.ini for a resolved instance, without credentials.

    Raises:
        AnsibleFilterError: one sentence a line about every setting that is wrong.
    """
    try:
        return ibc_settings.render(instance)
    except ibc_settings.BadSettingsError as refused:
        raise AnsibleFilterError(str(refused)) from None


def ibc_settings_problems(instances: list[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the settings and login budgets of resolved instances, one sentence each."""
    return [*_budget_problems(instances), *ibc_settings.problems_of(instances)]


def _budget_problems(instances: list[Mapping[str, Any]]) -> list[str]:
    """Name what a login budget lacks; `ibc_login_budget` replaces the role's default as a whole."""
    found = []
    for instance in instances:
        budget = instance.get("login_budget") or {}
        if missing := [key for key in BUDGET if key not in budget]:
            found.append(
                f"Instance '{instance['name']}': the login budget lacks {' and '.join(missing)}: "
                f"write all of {', '.join(BUDGET)} in ibc_login_budget."
            )
    return found


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {"ibc_render_settings": ibc_render_settings, "ibc_settings_problems": ibc_settings_problems}
