"""Compile each template once a process: tests render the same ones often, and Ansible compiles anew."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment

_compile = Environment.compile
_compiled: dict[Any, Any] = {}


def _once(self: Environment, source: Any, *arguments: Any, **named: Any) -> Any:
    if not isinstance(source, str):
        return _compile(self, source, *arguments, **named)
    # Environments of one class compile alike: Ansible gives all of them the same settings.
    key = (type(self), str(source), arguments, tuple(named.items()))
    if key not in _compiled:
        _compiled[key] = _compile(self, source, *arguments, **named)
    return _compiled[key]


def install() -> None:
    """Do so from now on."""
    Environment.compile = _once  # type: ignore[method-assign]
