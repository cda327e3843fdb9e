"""The product's own tables, for the tests on hosts: which kinds there are, and how each is told."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles" / "alerting" / "files"))

from ibgateway_alerting import rules  # noqa: E402 - needs the path above
from ibgateway_alerting.catalogue import catalogue  # noqa: E402

KINDS = catalogue()
_RULES = rules.load()


def title(kind: str) -> str:
    """What a message about a kind is called."""
    return KINDS[kind].title


def severities(kind: str) -> set[str]:
    """How urgent a message about a kind may be."""
    return {rule.severity for rule in _RULES.of(kind)}


def scenario(kind: str, number: int = 0) -> list[str]:
    """The `gateway-sim INSTANCE …` commands that provoke a kind, in their order.

    Args:
        kind: of the catalogue.
        number: which of its scenarios; each provokes it by itself.
    """
    return [step.strip() for step in KINDS[kind].scenarios[number].split(";")]
