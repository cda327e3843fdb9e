"""What speaks against restarting an instance now? Asked before any restart that somebody wants at once.

What the machine does on its own (the daily restart, the check after a reset) has rules of its own.
"""

from __future__ import annotations

from collections import Counter

from . import api_account, api_clients, ctl_history, ctl_plan
from .ctl_host import Host
from .schedule import market, zones

BLOCKS, NOTE = "blocks", "note"


class Finding:
    """One thing that was found.

    Args:
        kind: clients, orders, positions, window, market, login, or unknown.
        text: for people.
        level: BLOCKS, or NOTE for what is only worth knowing.
    """

    __slots__ = ("kind", "level", "text")

    def __init__(self, kind: str, text: str, level: str = BLOCKS) -> None:
        self.kind, self.text, self.level = kind, text, level

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {"kind": self.kind, "level": self.level, "text": self.text}


def examine(host: Host, name: str) -> list[Finding]:
    """Find what speaks against a restart now; an instance that does not run has nothing to lose.

    Needs root, or the service's user: nobody else may ask the API.

    Args:
        host: this host.
        name: a known instance.

    Raises:
        CtlError: the instance or its reset windows cannot be read.
    """
    status = host.status(name)
    if status["unit"]["active_state"] in ("inactive", "failed"):
        return []
    instance = host.instance(name)
    now = ctl_history.now()
    found = []
    if end := ctl_plan.windows(instance).window_end(now):
        until = end.astimezone(zones.find(instance.timezone))
        found.append(Finding("window", f"IBKR's servers reset until {until:%H:%M} {instance.timezone}"))
    if status["state"] in ("login", "two_factor"):
        found.append(Finding("login", "a login is under way, and another one may cost another tap"))
    if closes := market.closing(instance.market_hours, now):
        found.append(Finding("market", f"the market is open until {closes:%a %H:%M} {closes.tzinfo}"))
    if clients := api_clients.connected(instance.api_port):
        who = f"{_counted(len(clients), 'API client')} connected: {_by_user(clients)}"
        found.append(Finding("clients", who))
    if status["state"] == "ready":
        found += _at_the_broker(instance.api_port)
    return found


def _at_the_broker(port: int) -> list[Finding]:
    account = api_account.ask(port)
    found = []
    if account.orders:
        found.append(Finding("orders", _counted(account.orders, "open order")))
    if account.positions:
        found.append(Finding("positions", _counted(account.positions, "open position")))
    if account.problem:
        found.append(Finding("unknown", account.problem, NOTE))
    return found


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _by_user(clients: list[str]) -> str:
    return ", ".join(f"{user} ({count})" if count > 1 else user for user, count in Counter(clients).items())
