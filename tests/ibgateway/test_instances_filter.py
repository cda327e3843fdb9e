"""The instance list: completed, checked, and never printing a secret."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location(
    "ibgateway_instances", ROOT / "plugins" / "filter" / "ibgateway_instances.py"
)
plugin = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(plugin)

DEFAULTS = {"version": "10.45.1", "java_source": "installer", "heap": 768}
CANARY = "canary-pass-word"


def instance(**changes: Any) -> dict[str, Any]:
    """A valid live instance with the given keys changed; None removes a key."""
    base = {"name": "live", "mode": "live", "username": "canary-user", "password": CANARY, "api_port": 4001}
    return {key: value for key, value in (base | changes).items() if value is not None}


def resolve_one(defaults: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Resolve a list of one instance."""
    return plugin.ibgateway_resolve([instance(**changes)], DEFAULTS if defaults is None else defaults)[0]


def refusal(instances: Any, defaults: dict[str, Any] | None = None) -> str:
    """The sentence a list is refused with; it must hold no secret."""
    with pytest.raises(AnsibleFilterError) as caught:
        plugin.ibgateway_resolve(instances, DEFAULTS if defaults is None else defaults)
    message = str(caught.value)
    assert "canary" not in message
    return message


def test_fills_ports_display_and_role_values() -> None:
    assert resolve_one() == instance() | DEFAULTS | {"command_port": 7462, "vnc_port": 5900, "display": 4001}


def test_own_values_win_over_defaults() -> None:
    own = resolve_one(heap=1024, version="10.37.1", display=7, command_port=9001, vnc_port=9002)
    assert (own["heap"], own["version"], own["display"]) == (1024, "10.37.1", 7)
    assert (own["command_port"], own["vnc_port"]) == (9001, 9002)


def test_full_names_mean_the_same_as_short_ones() -> None:
    own = resolve_one(ibgateway_heap=1024, ibc_timezone="Europe/Berlin", ibc_version="3.25.0")
    assert (own["heap"], own["timezone"], own["ibc_version"]) == (1024, "Europe/Berlin", "3.25.0")
    assert not any(key.startswith("ibgateway_") for key in own)


def test_keys_of_other_roles_are_kept_without_a_default() -> None:
    assert resolve_one(daily_restart="17:15")["daily_restart"] == "17:15"


@pytest.mark.parametrize(
    ("mode", "default", "own", "expected"),
    [
        ("live", "", None, "consent"),
        ("paper", "", None, "auto"),
        ("live", "auto", None, "auto"),
        ("live", "auto", "consent", "consent"),
        ("paper", "consent", "", "auto"),
    ],
)
def test_who_decides_about_a_login_follows_from_the_mode_unless_said(
    mode: str, default: str, own: str | None, expected: str
) -> None:
    assert resolve_one(DEFAULTS | {"login": default}, mode=mode, login=own)["login"] == expected


BUDGET = {"logins": 3, "hours": 6, "minutes_apart": 5}


def test_the_login_budget_is_merged_over_the_default() -> None:
    own = resolve_one(DEFAULTS | {"login_budget": BUDGET}, login_budget={"logins": "4"})
    assert own["login_budget"] == BUDGET | {"logins": 4}
    assert resolve_one(DEFAULTS | {"login_budget": BUDGET})["login_budget"] == BUDGET


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        (5, "'login_budget' must be a mapping with some of the keys logins, hours, minutes_apart"),
        ({"logins": 3, "days": 1}, "some of the keys"),
        ({"logins": 0}, "'login_budget.logins' must be a whole number from 1 to 100, not '0'"),
        ({"hours": 169}, "'login_budget.hours' must be a whole number from 1 to 168"),
        ({"minutes_apart": True}, "'login_budget.minutes_apart' must be a whole number from 0 to 1440"),
    ],
)
def test_a_bad_login_budget_is_refused(budget: Any, sentence: str) -> None:
    assert sentence in refusal([instance(login_budget=budget)], DEFAULTS | {"login_budget": BUDGET})


def test_a_part_of_a_login_budget_is_no_matter_where_no_budget_is_needed() -> None:
    assert resolve_one({}, login_budget={"logins": 2})["login_budget"] == {"logins": 2}


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("login", "ask", "'login' must be consent or auto, not 'ask'"),
        ("region", "us", "'region' must be auto or america or europe or asia, not 'us'"),
        ("weekly_logn", "Sun 09:30", "unknown key 'weekly_logn': did you mean 'weekly_login'?"),
    ],
)
def test_a_wrong_appointment_key_is_refused(key: str, value: str, sentence: str) -> None:
    assert sentence in refusal([instance(**{key: value})])


def test_settings_are_merged_over_the_default() -> None:
    defaults = DEFAULTS | {"settings": {"ReadOnlyApi": True, "FIX": False}}
    assert resolve_one(defaults, settings={"ReadOnlyApi": False})["settings"] == {
        "ReadOnlyApi": False,
        "FIX": False,
    }
    assert defaults["settings"]["ReadOnlyApi"] is True


def test_numbers_given_as_text_become_numbers() -> None:
    assert resolve_one(api_port="4001")["api_port"] == 4001


def test_public_drops_the_secrets_only() -> None:
    public = plugin.ibgateway_public([resolve_one()])
    assert "canary" not in repr(public)
    assert public[0]["api_port"] == 4001


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "Live"}, "needs a 'name'"),
        ({"name": "a" * 32}, "needs a 'name'"),
        ({"name": "../etc"}, "needs a 'name'"),
        ({"name": "live\n"}, "needs a 'name'"),
        ({"mode": "demo"}, "'mode' must be live or paper, not 'demo'"),
        ({"mode": None}, "lacks 'mode'"),
        ({"password": None}, "lacks 'password'"),
        ({"password": ""}, "'password' must be a non-empty text"),
        ({"password": 12345678}, "'password' must be a non-empty text: put it in quotes"),
        ({"password": "canary\n"}, "line break"),
        ({"api_port": 80}, "'api_port' must be a whole number from 1024 to 65535, not '80'"),
        ({"api_port": True}, "'api_port' must be a whole number"),
        ({"api_port": "4001 "}, "'api_port' must be a whole number"),
        ({"api_port": 64000}, "'command_port' must be a whole number"),
        ({"display": 0}, "'display' must be a whole number"),
        ({"heap": 100}, "'heap' must be a whole number from 256 to 1048576 MiB, not '100'"),
        ({"version": 10.45}, "'version' must be a version in quotes"),
        ({"version": "../10"}, "'version' must be a version in quotes"),
        ({"java_source": "sun"}, "'java_source' must be installer or debian"),
        ({"settings": ["FIX"]}, "'settings' must be a mapping"),
        ({"pasword": "canary"}, "unknown key 'pasword': did you mean 'password'?"),
        ({"port": 4001}, "unknown key 'port': did you mean 'api_port'?"),
        ({"heap": 512, "ibgateway_heap": 512}, "sets 'heap' and 'ibgateway_heap': keep one"),
        ({"vnc_port": 4001}, "both use the port '4001'"),
    ],
)
def test_refuses_a_bad_entry_with_a_remedy(changes: dict[str, Any], expected: str) -> None:
    assert expected in refusal([instance(**changes)])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "live"}, "both use the name 'live'"),
        (
            {"api_port": 4001, "display": 5, "command_port": 9001, "vnc_port": 9002},
            "both use the port '4001'",
        ),
        ({"command_port": 4001}, "both use the port '4001'"),
        ({"vnc_port": 7462}, "'command_port' of instance 'live' and 'vnc_port' of instance 'paper'"),
        ({"display": 4001}, "both use the display '4001'"),
        ({"username": "canary-user"}, "both use the same user name"),
    ],
)
def test_refuses_collisions_between_instances(changes: dict[str, Any], expected: str) -> None:
    paper = {"name": "paper", "mode": "paper", "username": "canary-other", "api_port": 4002} | changes
    assert expected in refusal([instance(), instance(**paper)])


@pytest.mark.parametrize("instances", [None, "live", {"name": "live"}, 7])
def test_refuses_what_is_not_a_list(instances: Any) -> None:
    assert "must be a list" in refusal(instances)


def test_refuses_an_empty_list_and_a_bare_entry() -> None:
    assert "is empty" in refusal([])
    assert "must be a mapping" in refusal(["live"])
