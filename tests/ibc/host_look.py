"""The role's look at the host, loaded by its path: role alerting has a file of the same name."""

from __future__ import annotations

import importlib.util

from render import ROOT

_spec = importlib.util.spec_from_file_location("ibc_look", ROOT / "roles" / "ibc" / "files" / "look.py")
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
look = _module.look
