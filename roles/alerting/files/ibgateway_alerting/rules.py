"""The rules: which condition becomes which incident, when, how urgent. `rules.toml` is the table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model import SEVERITIES

SHIPPED = Path(__file__).with_name("rules.toml")
TELL, HOLD = "tell", "hold"
RESET = "reset"
ALWAYS, CHANGED = "always", "changed"
LOGIN_RUNNING, PLANNED_RESTART = "login_running", "planned_restart"
PSEUDO = (LOGIN_RUNNING, PLANNED_RESTART)
"""What inhibits without being an incident."""


class BadRulesError(ValueError):
    """The table cannot be used; the text names the rule and what is wrong with it."""


@dataclass(frozen=True)
class Flap:
    """From `times` openings within `within` seconds on, it is over only when it was for `within` seconds."""

    times: int
    within: float


@dataclass(frozen=True)
class Rule:
    """One row; see the head of rules.toml. Times in seconds, or hours where the name says so."""

    condition: str
    kind: str
    severity: str
    delay: float = 0.0
    window: str = TELL
    inhibited_by: tuple[str, ...] = ()
    repeat_hours: float | None = None
    remedy: str = ""
    flap: Flap | None = None
    quiet_end: bool = False
    anew: str = ""
    expires_hours: float = 0.0


class Rules:
    """The whole table.

    Args:
        rules: in the order of the file.
        grace: seconds by which a held condition must outlive a window.
        remedy_apart: seconds between two remedies of one instance.
    """

    def __init__(self, rules: tuple[Rule, ...], grace: float, remedy_apart: float) -> None:
        self.grace = grace
        self.remedy_apart = remedy_apart
        self._of_kind: dict[str, tuple[Rule, ...]] = {}
        self._kind_of: dict[str, str] = {}
        self._expires: dict[str, float] = {}
        self._anew = {rule.condition: rule.anew for rule in rules}
        for rule in rules:
            self._of_kind[rule.kind] = (*self._of_kind.get(rule.kind, ()), rule)
            self._kind_of[rule.condition] = rule.kind
            if rule.expires_hours:
                self._expires[rule.condition] = rule.expires_hours * 3600.0

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of incident, in the order of the file."""
        return tuple(self._of_kind)

    def of(self, kind: str) -> tuple[Rule, ...]:
        """The rules that make a kind; none for one that only another release knows."""
        return self._of_kind.get(kind, ())

    def kind_of(self, condition: str) -> str | None:
        """The kind that a condition makes; None when no rule names it."""
        return self._kind_of.get(condition)

    def expires(self, condition: str) -> float | None:
        """After how many seconds a condition ends by age."""
        return self._expires.get(condition)

    def tells_anew(self, condition: str, before: Mapping[str, Any], detail: Mapping[str, Any]) -> bool:
        """Whether a condition that comes again ends what it has opened before, so that it is told anew.

        Args:
            condition: which.
            before: the detail of what is open.
            detail: the detail of what comes.
        """
        anew = self._anew.get(condition, "")
        return anew == ALWAYS or (anew == CHANGED and before.get("text") != detail.get("text"))


def load(path: Path = SHIPPED) -> Rules:
    """Read and check the table.

    Raises:
        BadRulesError: it cannot be read, or a rule is wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRulesError(f"{path} is unusable ({error}): run the playbook again") from error
    try:
        return parse(content)
    except BadRulesError as error:
        raise BadRulesError(f"{path}: {error}") from None


def parse(content: dict[str, Any]) -> Rules:
    """Check the table's content.

    Raises:
        BadRulesError: the first thing that is wrong.
    """
    if unknown := sorted(set(content) - {"grace", "remedy_apart", "rule"}):
        raise BadRulesError(f"{unknown[0]} is unknown")
    rules = tuple(_rule(table) for table in content.get("rule", []))
    if not rules:
        raise BadRulesError("there is no rule")
    kinds = {rule.kind for rule in rules}
    seen: dict[str, Rule] = {}
    for rule in rules:
        if unknown := [kind for kind in rule.inhibited_by if kind not in kinds and kind not in PSEUDO]:
            raise BadRulesError(f"{rule.condition}: inhibited_by names {unknown[0]}, which no rule makes")
        if rule.kind in rule.inhibited_by:
            raise BadRulesError(f"{rule.condition}: it cannot be inhibited by itself")
        if before := seen.get(rule.condition):
            _check_second(before, rule)
        seen[rule.condition] = rule
    return Rules(rules, _number(content, "grace", "the table"), _number(content, "remedy_apart", "the table"))


def _check_second(before: Rule, rule: Rule) -> None:
    worse = SEVERITIES.index(rule.severity) > SEVERITIES.index(before.severity)
    if rule.kind != before.kind or rule.delay <= before.delay or not worse:
        raise BadRulesError(
            f"{rule.condition}: a second rule must have the same kind, a longer delay and a higher severity"
        )


def _rule(table: Any) -> Rule:
    if not isinstance(table, dict) or not isinstance(table.get("condition"), str):
        raise BadRulesError("a rule has no condition")
    name = table["condition"]
    if unknown := sorted(set(table) - set(Rule.__dataclass_fields__)):
        raise BadRulesError(f"{name}: {unknown[0]} is unknown")
    if not isinstance(table.get("kind"), str) or not table["kind"]:
        raise BadRulesError(f"{name}: kind is missing")
    repeat = table.get("repeat_hours")
    return Rule(
        condition=name,
        kind=table["kind"],
        severity=_choice(table, "severity", SEVERITIES, name),
        delay=_number(table, "delay", name, 0.0),
        window=_choice(table, "window", (TELL, HOLD), name, TELL),
        inhibited_by=_names(table, "inhibited_by", name),
        repeat_hours=None if repeat is None else _number(table, "repeat_hours", name),
        remedy=_choice(table, "remedy", ("", RESET), name, ""),
        flap=_flap(table["flap"], name) if "flap" in table else None,
        quiet_end=_flag(table, "quiet_end", name),
        anew=_choice(table, "anew", ("", ALWAYS, CHANGED), name, ""),
        expires_hours=_number(table, "expires_hours", name, 0.0),
    )


def _flap(table: Any, name: str) -> Flap:
    if not isinstance(table, dict) or set(table) != {"times", "within"}:
        raise BadRulesError(f"{name}: flap needs times and within")
    times, within = _number(table, "times", name), _number(table, "within", name)
    if times < 2 or times != int(times) or within <= 0:
        raise BadRulesError(f"{name}: flap needs two times or more, within some seconds")
    return Flap(int(times), within)


def _number(table: dict[str, Any], key: str, name: str, usual: float | None = None) -> float:
    value = table.get(key, usual)
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise BadRulesError(f"{name}: {key} must be a number, 0 or more, not {value!r}")
    return float(value)


def _choice(table: dict[str, Any], key: str, known: tuple[str, ...], name: str, usual: Any = None) -> str:
    return _known(table.get(key, usual), known, f"{name}: {key}")


def _known(value: Any, known: tuple[str, ...], where: str) -> str:
    if value not in known:
        raise BadRulesError(f"{where}: {value!r} is none of {', '.join(word or 'nothing' for word in known)}")
    return value


def _flag(table: dict[str, Any], key: str, name: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise BadRulesError(f"{name}: {key} must be true or false, not {value!r}")
    return value


def _names(table: dict[str, Any], key: str, name: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise BadRulesError(f"{name}: {key} must be a list of names, not {value!r}")
    return tuple(value)
