"""Catalogue, rules, runbook and simulator name the same set; the words are plain, and fit a phone."""

from __future__ import annotations

import re
import shlex
import sys
from itertools import chain
from pathlib import Path

import pytest
from ibgateway_alerting import rules
from ibgateway_alerting.catalogue import UNKNOWN, CatalogueError, catalogue, entry, load
from ibgatewaylib.ctl_help import build_parser

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "testbed" / "simulator"))
import gateway_sim  # noqa: E402 - needs the path above

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
KINDS, RECIPES = RUNBOOK.split("\n# Recipes\n")
ANCHOR = re.compile(r'^<a id="([a-z_]+)"></a>\n### (.+)$', re.MULTILINE)

TITLE = 32
"""Characters: `[critical] live on vps1: ` comes before, and a lock screen shows about sixty."""
SENTENCES = 150
COMMAND = re.compile(r"ibgatewayctl (.*?)(?: - |$)")
"""A command ends with the text, or with a dash: a full stop after it would be copied with it."""


def entries():
    return [pytest.param(found, id=found.id) for found in catalogue().values()]


def texts(found) -> list[str]:
    own = [found.title, found.happened, found.machine, found.you, found.over]
    return own + list(chain(*((v.title, v.happened, v.machine, v.you) for v in found.variants)))


# --- one set ----------------------------------------------------------------------------------------------


def test_rules_make_exactly_these_kinds():
    assert set(rules.load().kinds) == set(catalogue())


def test_the_runbook_has_exactly_these_sections():
    assert [anchor for anchor, _ in ANCHOR.findall(KINDS)] == sorted(
        catalogue(), key=lambda kind: KINDS.find(f'id="{kind}"')
    )


def test_the_runbook_calls_them_the_same():
    assert dict(ANCHOR.findall(KINDS)) == {kind: found.title for kind, found in catalogue().items()}


def test_every_heading_has_an_anchor():
    assert len(re.findall(r"^### ", RUNBOOK, re.MULTILINE)) == len(ANCHOR.findall(RUNBOOK))


def test_links_in_the_runbook_lead_somewhere():
    anchors = [anchor for anchor, _ in ANCHOR.findall(RUNBOOK)]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= set(anchors)


@pytest.mark.parametrize("found", entries())
def test_scenarios_are_the_simulators(found, capsys):
    for line in found.scenarios:
        for step in line.split(";"):
            options = gateway_sim.build_parser().parse_args(["live", *shlex.split(step)])
            if options.command == "set":
                gateway_sim.parse_assignments(options.assignments)


def test_every_trouble_the_simulator_can_make_is_in_the_catalogue():
    lines = [line for found in catalogue().values() for line in found.scenarios]
    harmless = {
        "startup": {"ok"}, "settings": {"ok"}, "login": {"ok"}, "second_factor": {"push", "none"},
        "push": {"approve"},
        # IBKR's weekly end of the token, which asks for a login: the scenario `expire-token` is the same
        "restart": {"ok", "expired", "wrong_password"},
    }  # fmt: skip
    for key, values in gateway_sim.SEQUENCES.items():
        provoked = {value for value in values if any(f"{key}={value}" in line for line in lines)}
        assert provoked | harmless[key] == set(values), key


def test_the_guides_seven_problems_are_all_there():
    assert set(chain(*(found.problems for found in catalogue().values()))) == set(range(1, 8))


# --- plain words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", entries())
def test_it_fits_a_phone(found):
    assert all(len(title) <= TITLE for title in (found.title, *(v.title for v in found.variants)))
    assert [text for text in texts(found) if len(text) > SENTENCES] == []


@pytest.mark.parametrize("found", entries())
def test_sentences_are_sentences(found):
    for text in texts(found):
        assert text == " ".join(text.split())
        assert text == "" or text[0].isupper()
    for text in (found.happened, found.machine, found.over):
        assert text.endswith((".", "?"))


@pytest.mark.parametrize("found", entries())
def test_commands_can_be_copied_and_exist(found):
    for text in texts(found):
        for words in COMMAND.findall(text):
            build_parser().parse_args(shlex.split(words.replace("{name}", "live")))


@pytest.mark.parametrize("found", entries())
def test_every_kind_says_how_it_is_provoked(found):
    assert bool(found.scenarios) != bool(found.no_scenario)


# --- reading it -------------------------------------------------------------------------------------------

WHOLE = """
[some_kind]
title = "Title"
happened = "It happened."
machine = "It waits."
you = "sudo ibgatewayctl login {name}"
no_scenario = "none"
"""


def read(tmp_path, text: str):
    file = tmp_path / "catalogue.toml"
    file.write_text(text)
    return load(file)


def test_the_first_variant_that_fits_counts(tmp_path):
    more = """
[[some_kind.variants]]
when = { action = "a", again = true }
machine = "Both."
[[some_kind.variants]]
when = { action = "a" }
machine = "One."
"""
    found = read(tmp_path, WHOLE + more)["some_kind"]
    assert found.words({"action": "a", "again": True}).machine == "Both."
    assert found.words({"action": "a", "again": False}).machine == "One."
    assert found.words({"action": ["a"]}).machine == "It waits."
    assert found.words({}).title == "Title"


def test_a_kind_of_another_release_has_words_too():
    assert entry("from_the_future") is catalogue()[UNKNOWN]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[some_kind]", "[some-kind]"), "is no id"),
        (('title = "Title"\n', ""), "title"),
        (('title = "Title"', 'tilte = "Title"'), "tilte"),
        (("{name}", "{instance}"), "{instance} stands for nothing"),
        (("It waits.", "{name} waits."), "{name} stands for nothing"),
        (('no_scenario = "none"', ""), "name scenarios"),
        (('no_scenario = "none"', 'no_scenario = "none"\nscenarios = ["wedge"]'), "name scenarios"),
        (('no_scenario = "none"', 'no_scenario = "none"\nvariants = [{ wehn = {} }]'), "wehn"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, change, words):
    with pytest.raises(CatalogueError, match=re.escape(words)):
        read(tmp_path, WHOLE.replace(*change))


# --- the documentation ------------------------------------------------------------------------------------


def test_the_documentation_has_every_kind():
    text = (ROOT / "docs" / "alerting.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]*) \| (yes)? ?\| ([^|]*) \|$", text, re.MULTILINE)
    assert [kind for kind, *_ in rows] == list(catalogue())
    table = rules.load()
    for kind, severities, held, title in rows:
        assert title == catalogue()[kind].title
        assert bool(held) == any(rule.window == rules.HOLD for rule in table.of(kind)), kind
        wanted = [
            rule.severity + (f" after {_span(rule.delay)}" if rule.delay else "") for rule in table.of(kind)
        ]
        assert severities.split(", ") == list(dict.fromkeys(wanted)), kind


def _span(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"
