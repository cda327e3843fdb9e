"""The failure catalogue: every kind of incident, in words. The table is `catalogue.toml`; this reads it."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("catalogue.toml")
UNKNOWN = "unknown_event"
"""The kind that stands in for one that is not in the table."""
_ID = re.compile(r"[a-z][a-z_]*")
_PLACE = re.compile(r"\{([^}]*)\}")
_PLACES = {"name"}


class CatalogueError(ValueError):
    """The table is wrong; the text says where."""


@dataclass(frozen=True)
class Variant:
    """Other words where the evidence tells more.

    Attributes:
        when: what must be so in the incident's detail or in the situation, by key.
        title, happened, machine, you: what replaces the entry's; empty keeps it.
    """

    when: Mapping[str, str | bool | int]
    title: str = ""
    happened: str = ""
    machine: str = ""
    you: str = ""


@dataclass(frozen=True)
class Entry:
    """One kind of incident. In `you`, `{name}` stands for the instance.

    Attributes:
        id: the kind; also the runbook's anchor.
        title: a few words for a phone's lock screen.
        happened: one or two sentences.
        machine: what the machine does about it.
        you: what the reader does now: a command, or a step.
        over: the sentence when it has ended.
        problems: numbers of the problems of the IB Key guide that show themselves like this.
        scenarios: command lines of `gateway-sim INSTANCE` that provoke it.
        no_scenario: how else it is provoked, or why it cannot be, where there is no scenario.
        variants: other words, the first that fits.
    """

    id: str
    title: str
    happened: str
    machine: str
    you: str
    over: str = "It is over."
    problems: tuple[int, ...] = ()
    scenarios: tuple[str, ...] = ()
    no_scenario: str = ""
    variants: tuple[Variant, ...] = field(default=())

    def words(self, facts: Mapping[str, Any]) -> Variant:
        """The words that fit.

        Args:
            facts: the incident's detail and the situation, by key.

        Returns:
            title, happened, machine and you, none of them empty.
        """
        for variant in self.variants:
            # What is foreign may be anything: a list equals no word.
            if all(facts.get(key) == value for key, value in variant.when.items()):
                return Variant(
                    variant.when,
                    variant.title or self.title,
                    variant.happened or self.happened,
                    variant.machine or self.machine,
                    variant.you or self.you,
                )
        return Variant({}, self.title, self.happened, self.machine, self.you)


@functools.cache
def catalogue() -> dict[str, Entry]:
    """Every entry, by its id, in the table's order."""
    return load(FILE)


def entry(kind: str) -> Entry:
    """An entry; for a kind that this release does not know, the one that says so."""
    known = catalogue()
    return known.get(kind) or known[UNKNOWN]


def load(path: Path) -> dict[str, Entry]:
    """Read and check a table.

    Raises:
        CatalogueError: a key is missing, unknown or wrong.
    """
    with path.open("rb") as stream:
        content = tomllib.load(stream)
    return {kind: _entry(kind, table) for kind, table in content.items()}


def _entry(kind: str, table: dict[str, Any]) -> Entry:
    if not _ID.fullmatch(kind):
        raise CatalogueError(f"{kind!r} is no id")
    fields = dict(table)
    variants = tuple(_variant(kind, variant) for variant in fields.pop("variants", []))
    for key in ("problems", "scenarios"):
        fields[key] = tuple(fields.get(key, ()))
    try:
        made = Entry(id=kind, variants=variants, **fields)
    except TypeError as error:
        raise CatalogueError(f"{kind}: {error}") from None
    if bool(made.scenarios) == bool(made.no_scenario):
        raise CatalogueError(f"{kind}: name scenarios, or say in no_scenario why there are none")
    _check_places(kind, made.title, made.happened, made.machine, made.over, allowed=set())
    _check_places(kind, made.you, *(variant.you for variant in variants), allowed=_PLACES)
    return made


def _variant(kind: str, table: dict[str, Any]) -> Variant:
    try:
        made = Variant(**table)
    except TypeError as error:
        raise CatalogueError(f"{kind}: variants: {error}") from None
    _check_places(kind, made.title, made.happened, made.machine, allowed=set())
    return made


def _check_places(kind: str, *texts: str, allowed: set[str]) -> None:
    for text in texts:
        if unknown := set(_PLACE.findall(text)) - allowed:
            raise CatalogueError(f"{kind}: {{{unknown.pop()}}} stands for nothing in {text!r}")
