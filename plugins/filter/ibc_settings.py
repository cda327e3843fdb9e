"""Filters over IBC's settings; the catalogue they use is the one that also goes to the host."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles" / "ibc" / "files"))
from ibgatewaylib import ibc_settings


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
    """Return what is wrong with the settings of resolved instances, one sentence each."""
    return ibc_settings.problems_of(instances)


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {"ibc_render_settings": ibc_render_settings, "ibc_settings_problems": ibc_settings_problems}
