"""Every kind of the catalogue is provoked on a host, and the messages it makes are looked at there.

Tests on hosts say so by the mark `kinds`. In the scenario `alerting` the fixture `hear` sees that a marked
kind was really looked at; the scenario `upgrade` has its own hosts, with another release at hand.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ibgateway_alerting.catalogue import catalogue

MOLECULE = Path(__file__).resolve().parents[2] / "molecule"
NOT_PROVOKED: dict[str, str] = {}
"""Kinds that no test host can be brought to, and why."""


def marked() -> Iterator[tuple[Path, ast.FunctionDef, list[str]]]:
    """Each marked test, with the kinds it names."""
    for file in sorted(MOLECULE.glob("*/tests/test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.kinds":
                        yield file, node, [ast.literal_eval(kind) for kind in mark.args]


def test_each_kind_is_provoked_on_a_host_or_it_is_said_why_not():
    provoked = {kind for _, _, kinds in marked() for kind in kinds}
    assert provoked | set(NOT_PROVOKED) == set(catalogue())
    assert provoked.isdisjoint(NOT_PROVOKED)


def test_a_marked_test_of_the_scenario_hears_what_is_told():
    deaf = [
        f"{file.name}: {test.name}"
        for file, test, _ in marked()
        if file.parts[-3] == "alerting" and "hear" not in {argument.arg for argument in test.args.args}
    ]
    assert deaf == []
