"""`ibgatewayctl schedule`: the coming two weeks, for people and for programs."""

from __future__ import annotations

from . import ctl_history, ctl_plan
from .ctl_host import CtlError, Host
from .schedule.agenda import described
from .schedule.table import table
from .schedule.zones import UnknownZoneError

DAYS = 14


def show(host: Host, names: list[str], *, zone: str, days: int) -> tuple[str, list[dict]]:
    """The schedules.

    Args:
        host: this host.
        names: known instances.
        zone: in which to show them; each instance's own when empty.
        days: how many.

    Returns:
        the tables to print, and the same for scripts.

    Raises:
        CtlError: a schedule cannot be kept, or there is no such zone.
    """
    tables, results = [], []
    now = ctl_history.now()
    for name in names:
        schedule, entries = ctl_plan.coming(host.instance(name), now, days)
        try:
            text = table(schedule, entries, zone)
        except UnknownZoneError as error:
            raise CtlError(f"--zone {error}", 2) from None
        tables.append(f"{name}: {text}" if text else "")
        results.append({"instance": name, **described(schedule, entries)})
    return "\n".join(tables), results
