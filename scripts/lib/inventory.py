"""An inventory as the roles see it, read on the controller: no host is asked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ibgateway_instances
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

from scripts.lib.refused import Refused

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("ibgateway", "ibc")

# By the names the roles use for an instance's keys; the schedule needs no other.
KEYS = {
    "restart": "ibgateway_restart",
    "settings": "ibc_settings",
    "timezone": "ibc_timezone",
    "region": "ibc_region",
    "daily_restart": "ibc_daily_restart",
    "weekly_login": "ibc_weekly_login",
    "login": "ibc_login",
    "login_budget": "ibc_login_budget",
    "market_hours": "ibc_market_hours",
}


class InventoryError(Refused):
    """The inventory cannot be used; the text is one sentence a line, with the remedy."""


def read(inventory: str, limit: str, vault: list[str]) -> dict[str, dict[str, Any]]:
    """Return the gateways of an inventory.

    Args:
        inventory: as ansible takes it; empty for the default of ansible.cfg.
        limit: a pattern of hosts; empty for all.
        vault: ansible's options about vault passwords.

    Returns:
        Host to `instances` (complete but for credentials) and `reset_windows`.

    Raises:
        InventoryError: it cannot be read, has no gateway, or an instance is refused.
    """
    command = ["ansible-inventory", "--list", *vault]
    command += ["--inventory", inventory] if inventory else []
    command += ["--limit", limit] if limit else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise InventoryError("\n".join(said) or "ansible-inventory failed")
    found = json.loads(done.stdout)
    hosts = found.get("gateways", {}).get("hosts", [])
    if not hosts:
        wanted = f" that matches {limit}" if limit else ""
        raise InventoryError(
            f"the inventory{f' {inventory}' if inventory else ''} has no host in the group gateways{wanted}: "
            "copy inventories/example and name yours with -i"
        )
    if AnsibleCollectionConfig.collection_finder is None:  # once a process
        init_plugin_loader()
    return {host: _host(host, found["_meta"]["hostvars"].get(host, {})) for host in hosts}


def _host(host: str, given: Mapping[str, Any]) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    for role in ROLES:
        variables |= DataLoader().load_from_file(str(ROOT / "roles" / role / "defaults/main.yml"))
    variables |= given | {"inventory_hostname": host}
    templar = Templar(
        loader=DataLoader(), variables={key: _trusted(value) for key, value in variables.items()}
    )
    try:
        instances = variables.get("ibgateway_instances", [])
        if isinstance(instances, str):
            instances = templar.template(trust_as_template(instances))
        complete = [_complete(templar, entry, number) for number, entry in enumerate(instances)]
        defaults = {short: templar.template(_trusted(variables[full])) for short, full in KEYS.items()}
        return {
            "instances": ibgateway_instances.ibgateway_public(
                ibgateway_instances.ibgateway_resolve(complete, defaults)
            ),
            "reset_windows": templar.template(_trusted(variables["ibc_reset_windows"])),
        }
    except AnsibleError as error:
        raise InventoryError(f"{host}: {error.message}") from None


def _complete(templar: Templar, entry: Any, number: int) -> Any:
    """Render an instance, but for its credentials: the vault may stay closed."""
    if not isinstance(entry, Mapping):
        return entry
    hidden = {key: f"{key} {number}" for key in ("username", "password") if key in entry}
    return (
        templar.template(_trusted({key: value for key, value in entry.items() if key not in hidden})) | hidden
    )


def _trusted(value: Any) -> Any:
    """Let the operator's own texts be templates, as they are in a playbook."""
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, Mapping):
        return {key: _trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    return value
