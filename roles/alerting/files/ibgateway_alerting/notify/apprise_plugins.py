"""Load only those of Apprise's plug-ins that the channels need: all of them cost some 20 MiB of memory."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from apprise.manager_plugins import NotificationManager

_SCHEMES = re.compile(r'^    (?:secure_)?protocol = (\([^)]*\)|"[^"]*")', re.MULTILINE)
"""A plug-in names its URL scheme, or several, as an attribute of its class."""


def load(urls: Iterable[str]) -> None:
    """Make the plug-ins for these URLs known to Apprise, or all where one is not found by its scheme.

    To be called once, before the first URL is added: Apprise loads everything when it is asked while it knows
    nothing.
    A service's own `https://` address is such a case: every plug-in must be asked whether it knows it.
    """
    schemes = {url.partition("://")[0].lower() for url in urls}
    plugins = Path(NotificationManager.module_path)
    wanted: set[str] = set()
    for scheme in schemes:
        found = _modules_with(scheme, plugins) if scheme not in ("http", "https") else set()
        if not found:
            return
        wanted |= found
    if not wanted:
        return
    # The manager loads what has a file's name in a folder; the folder may be ours, with empty files.
    with tempfile.TemporaryDirectory() as names:
        for name in wanted:
            Path(names, f"{name}.py").touch()
        NotificationManager().load_modules(path=names, name=NotificationManager.module_name_prefix)


def _modules_with(scheme: str, plugins: Path) -> set[str]:
    """Names of the plug-ins whose source says that they speak the scheme."""
    found = set()
    for file in plugins.rglob("*.py"):
        for spoken in _SCHEMES.findall(file.read_text(encoding="utf-8", errors="replace")):
            if f'"{scheme}"' in spoken:
                found.add(file.relative_to(plugins).parts[0].removesuffix(".py"))
    return found
