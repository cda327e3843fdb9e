"""Filters that turn the operator's instance list into complete, checked instances.

Every role reads `ibgateway_instances` through these, so a mistake in the list is refused
once, in the same words, before any host is touched.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from jinja2 import Undefined

REQUIRED = ("name", "mode", "username", "password", "api_port")
SECRETS = ("username", "password")

# Offsets from the API port: 4001 gives IBC's customary command port 7462 and VNC's 5900.
PORT_OFFSETS = {"command_port": 3461, "vnc_port": 1899}
PORTS = ("api_port", *PORT_OFFSETS)

# Role variables an instance may override, by their short name, and their full names.
OVERRIDES = {
    "version": "ibgateway_version",
    "java_source": "ibgateway_java_source",
    "heap": "ibgateway_heap",
    "restart": "ibgateway_restart",
    "ibc_version": "ibc_version",
    "settings": "ibc_settings",
    "timezone": "ibc_timezone",
    "daily_restart": "ibc_daily_restart",
    "weekly_login": "ibc_weekly_login",
    "region": "ibc_region",
    "login": "ibc_login",
    "login_budget": "ibc_login_budget",
    "market_hours": "ibc_market_hours",
}
FULL_NAMES = {full: short for short, full in OVERRIDES.items()}
# In the order of how likely each is meant: of equally near names the first is suggested.
KNOWN_KEYS = (*REQUIRED, *OVERRIDES, "display", *PORT_OFFSETS, *FULL_NAMES)

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
# A version becomes a directory name, so nothing that could leave the directory.
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")
CHOICES = {
    "mode": ("live", "paper"),
    "java_source": ("installer", "debian"),
    "restart": ("planned", "now", "never"),
    "region": ("auto", "america", "europe", "asia"),
    "login": ("consent", "auto"),
}
# Who may say when a login starts, where nothing else is said: only a live account's login needs a tap.
LOGIN_OF_MODE = {"live": "consent", "paper": "auto"}
# From and to, as the launcher accepts them (ibgatewaylib/instance.py).
BUDGET = {"logins": (1, 100), "hours": (1, 168), "minutes_apart": (0, 1440)}
SMALLEST_HEAP = 256


def ibgateway_resolve(instances: Any, defaults: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the instances with every key filled in, or refuse the list.

    Args:
        instances: the operator's list (`ibgateway_instances`).
        defaults: values for overridable keys an instance leaves out, by short name
            (`version`, `heap` in MiB, …). `settings` of an instance is merged over the default.

    Raises:
        AnsibleFilterError: one sentence with the instance, the key and the remedy. It never
            contains a user name or password.
    """
    if isinstance(instances, str | Mapping) or not hasattr(instances, "__iter__"):
        raise AnsibleFilterError("ibgateway_instances must be a list: start each instance with '- name: …'.")
    resolved = [_resolve_one(instance, index, defaults) for index, instance in enumerate(instances, 1)]
    if not resolved:
        raise AnsibleFilterError("ibgateway_instances is empty: list at least one instance.")
    _refuse_collisions(resolved)
    return resolved


def ibgateway_public(instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return resolved instances without user name and password, for loops that print items."""
    return [{key: value for key, value in item.items() if key not in SECRETS} for item in instances]


def ibgateway_credentials(instances: list[dict[str, Any]]) -> dict[str, str]:
    """Return the secrets of resolved instances by the files in which the host keeps them, encrypted."""
    return {
        f"/etc/ibgateway/{item['name']}/credentials/{key}.cred": str(item[key])
        for item in instances
        for key in ("username", "password")
    }


def ibgateway_at_version(
    instances: Any, names: Iterable[str], version: str = "", ibc_version: str = ""
) -> Any:
    """Return the operator's list with other versions for some of its instances.

    Args:
        instances: the operator's list.
        names: whose versions; none for all.
        version: of IB Gateway; empty leaves what the inventory says.
        ibc_version: of IBC; empty leaves what the inventory says.
    """
    names = list(names)
    wanted = {key: str(value) for key, value in (("version", version), ("ibc_version", ibc_version)) if value}
    if not wanted or isinstance(instances, str | Mapping) or not hasattr(instances, "__iter__"):
        return instances
    return [
        {**{key: value for key, value in entry.items() if FULL_NAMES.get(key, key) not in wanted}, **wanted}
        if isinstance(entry, Mapping) and (not names or entry.get("name") in names)
        else entry
        for entry in instances
    ]


def _resolve_one(instance: Any, index: int, defaults: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(instance, Mapping):
        raise AnsibleFilterError(
            f"Entry {index} of ibgateway_instances must be a mapping with the key 'name'."
        )
    name = instance.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise AnsibleFilterError(
            f"Entry {index} of ibgateway_instances needs a 'name' of at most 31 lower-case letters, digits "
            "and '-', beginning with a letter."
        )
    where = f"Instance '{name}'"
    given = _short_keys(instance, where)
    for key in REQUIRED:
        if key not in given or given[key] is None:
            raise AnsibleFilterError(f"{where} lacks '{key}': add it to its entry in ibgateway_instances.")
        if isinstance(given[key], Undefined):
            raise AnsibleFilterError(
                f"{where}: '{key}' uses a variable that is not defined: define it (secrets in the vault)."
            )
    result = {**defaults, **given}
    if "settings" in result:
        result["settings"] = _merge_settings(defaults.get("settings"), given.get("settings"), where)
    if "login_budget" in result:
        result["login_budget"] = _merge_budget(defaults.get("login_budget"), given.get("login_budget"), where)
    if "login" in result and not result["login"]:
        result["login"] = LOGIN_OF_MODE.get(result["mode"], "consent")
    _check_values(result, where)
    _fill_ports(result, where)
    return result


def _short_keys(instance: Mapping[str, Any], where: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key in instance:
        if key not in KNOWN_KEYS:
            near = max(KNOWN_KEYS, key=lambda known: difflib.SequenceMatcher(None, str(key), known).ratio())
            raise AnsibleFilterError(f"{where} has the unknown key '{key}': did you mean '{near}'?")
        short = FULL_NAMES.get(key, key)
        if short in given:
            raise AnsibleFilterError(f"{where} sets '{short}' and '{OVERRIDES[short]}': keep one of them.")
        given[short] = instance[key]
    return given


def _merge_settings(default: Any, own: Any, where: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for source in (default, own):
        if source is None:
            continue
        if not isinstance(source, Mapping):
            raise AnsibleFilterError(f"{where}: 'settings' must be a mapping of IBC setting to value.")
        merged.update(source)
    return merged


def _merge_budget(default: Any, own: Any, where: str) -> dict[str, int]:
    # What is missing altogether, ibc_settings_problems tells: roles that need no budget bring no default.
    merged: dict[str, Any] = {}
    for source in (default, own):
        if source is None:
            continue
        if not isinstance(source, Mapping) or set(source) - set(BUDGET):
            raise AnsibleFilterError(
                f"{where}: 'login_budget' must be a mapping with some of the keys {', '.join(BUDGET)}."
            )
        merged.update(source)
    return {key: _number(merged[key], f"login_budget.{key}", where, *BUDGET[key]) for key in merged}


def _check_values(result: dict[str, Any], where: str) -> None:
    for key in SECRETS:
        value = result[key]
        if not isinstance(value, str) or not value:
            raise AnsibleFilterError(f"{where}: '{key}' must be a non-empty text: put it in quotes.")
        if any(ord(character) < 32 for character in value):
            raise AnsibleFilterError(
                f"{where}: '{key}' contains a line break or control character: remove it."
            )
    for key, allowed in CHOICES.items():
        if key in result and result[key] not in allowed:
            raise AnsibleFilterError(f"{where}: '{key}' must be {' or '.join(allowed)}, not '{result[key]}'.")
    for key in ("version", "ibc_version"):
        value = result.get(key)
        if key in result and not (isinstance(value, str) and VERSION.fullmatch(value)):
            raise AnsibleFilterError(
                f"{where}: '{key}' must be a version in quotes, such as \"10.45.1\", not {value!r}."
            )
    if "heap" in result:
        result["heap"] = _number(result["heap"], "heap", where, SMALLEST_HEAP, 1024 * 1024, "MiB")


def _fill_ports(result: dict[str, Any], where: str) -> None:
    result["api_port"] = _number(result["api_port"], "api_port", where, 1024, 65535)
    for key, offset in PORT_OFFSETS.items():
        result[key] = _number(result.get(key, result["api_port"] + offset), key, where, 1024, 65535)
    result["display"] = _number(result.get("display", result["api_port"]), "display", where, 1, 65535)


def _number(value: Any, key: str, where: str, low: int, high: int, unit: str = "") -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
        unit = f" {unit}" if unit else ""
        raise AnsibleFilterError(
            f"{where}: '{key}' must be a whole number from {low} to {high}{unit}, not '{text}'."
        )
    return int(text)


def _refuse_collisions(instances: list[dict[str, Any]]) -> None:
    taken: dict[tuple[str, Any], str] = {}
    for item in instances:
        claims = [("name", "name", item["name"]), ("display", "display", item["display"])]
        claims += [("port", key, item[key]) for key in PORTS]
        claims.append(("username", "username", item["username"]))
        for kind, key, value in claims:
            claim = f"'{key}' of instance '{item['name']}'"
            if (kind, value) in taken:
                shown = "the same user name" if kind == "username" else f"the {kind} '{value}'"
                raise AnsibleFilterError(
                    f"{taken[kind, value]} and {claim} both use {shown}: give each its own value in "
                    "ibgateway_instances."
                )
            taken[kind, value] = claim


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names used in templates."""
        return {
            "ibgateway_resolve": ibgateway_resolve,
            "ibgateway_public": ibgateway_public,
            "ibgateway_credentials": ibgateway_credentials,
            "ibgateway_at_version": ibgateway_at_version,
        }
