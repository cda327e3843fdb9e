"""What a test turns instead of the clock: reset windows around or far from now, and an instance's limits."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from testinfra.host import Host

from harness.instance import Instance

WINDOWS = "/etc/ibgateway/reset-windows.json"
RULES = "/opt/ibgateway-alerting/ibgateway_alerting/rules.toml"
LIMITS = "/usr/local/lib/ibgateway/ibgatewaylib/limits.py"
QUICK = {
    "startup.delay": 0.1,
    "login.delay": 0.2,
    "push.delay": 0.3,
    "loading.delay": 0.3,
    "shutdown.delay": 0.1,
}


def put(host: Host, path: str, text: str) -> None:
    """Give an existing file another content, and leave its owner and mode.

    Args:
        host: the test host.
        path: the file.
        text: the content.
    """
    host.check_output("printf '%%s' %s > %s", text, path)


@contextmanager
def edited(host: Host, path: str, change: Callable[[str], str]) -> Iterator[None]:
    """Give a file of the host other content for a while.

    Args:
        host: the test host.
        path: the file; its owner and mode stay.
        change: makes the new content from the old.

    Raises:
        AssertionError: there was nothing to change.
    """
    before = host.check_output("cat %s", path) + "\n"
    after = change(before)
    if after == before:
        raise AssertionError(f"{path} has nothing to change")
    put(host, path, after)
    try:
        yield
    finally:
        put(host, path, before)


@contextmanager
def impatient(host: Host, **seconds: int) -> Iterator[None]:
    """A watcher that tells of some kinds sooner than its rules say. It is started anew before and after.

    Args:
        host: the test host.
        **seconds: by kind, how long it must last before it is told; later steps of the same kind stay.
    """

    def change(text: str) -> str:
        for kind, delay in seconds.items():
            text, found = re.subn(
                rf'(?m)^(kind = "{kind}"\nseverity = .*\ndelay = )\d+$', rf"\g<1>{delay}", text, count=1
            )
            if not found:
                raise AssertionError(f"{kind} is told without a delay")
        return text

    try:
        with edited(host, RULES, change):
            host.check_output("systemctl restart ibgateway-watch.service")
            yield
    finally:
        host.check_output("systemctl restart ibgateway-watch.service")


@contextmanager
def limits(host: Host, **seconds: float) -> Iterator[None]:
    """Launchers that wait less long; those that begin meanwhile have it.

    Args:
        host: the test host.
        **seconds: by the name in `ibgatewaylib/limits.py`.
    """

    def change(text: str) -> str:
        for name, limit in seconds.items():
            text, found = re.subn(rf"(?m)^    {name} = [\d.]+$", f"    {name} = {float(limit)}", text)
            if not found:
                raise AssertionError(f"there is no limit {name}")
        return text

    with edited(host, LIMITS, change):
        yield


# When the inventory's daily restart (23:10) and its weekly login (09:30) are in UTC, in winter and in summer.
APPOINTMENTS = (22 * 60 + 10, 21 * 60 + 10, 8 * 60 + 30, 7 * 60 + 30)


def _far_from_everything(now: datetime) -> datetime:
    """Return an instant hours away from now at which no appointment of the inventory is near."""
    for hours in (12, 10, 14, 8, 16):
        moment = now + timedelta(hours=hours)
        minute = moment.hour * 60 + moment.minute
        apart = (min(abs(minute - one), 1440 - abs(minute - one)) for one in APPOINTMENTS)
        if all(minutes >= 90 for minutes in apart):
            return moment
    raise AssertionError("there is no hour that is far from every appointment")


def reset_now(host: Host, now: bool) -> None:
    """Have IBKR's servers reset now, or at an hour that is far away.

    Args:
        host: the test host; it has this machine's clock.
        now: whether logins and restarts are forbidden at this moment.
    """
    middle = datetime.now(UTC) if now else _far_from_everything(datetime.now(UTC))
    first, last = (f"{middle + timedelta(minutes=minutes):%H:%M}" for minutes in (-20, 20))
    day = f"{datetime.now(UTC) + timedelta(days=3):%a}"
    daily = [{"zone": "Etc/UTC", "from": first, "to": last}]
    weekly = {"zone": "Etc/UTC", "from": f"{day} 03:00", "to": f"{day} 03:01"}
    table = {
        "checked_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "daily": dict.fromkeys(("america", "europe", "asia"), daily),
        "weekend": {"closed": weekly, "quiet": weekly},
    }
    put(host, WINDOWS, json.dumps(table))


def configure(instance: Instance, **keys: str | int) -> None:
    """Change keys of an instance's `instance.toml`; its next start has them.

    Args:
        instance: whose.
        **keys: such as `login="auto"`.
    """
    path = f"/etc/ibgateway/{instance.name}/instance.toml"
    text = instance.host.check_output("cat %s", path) + "\n"
    for key, value in keys.items():
        text, found = re.subn(rf"(?m)^{key} = .*$", f"{key} = {json.dumps(value)}", text)
        if found != 1:
            raise AssertionError(f"{key} is not in {path}")
    put(instance.host, path, text)


def plan(instance: Instance, *assignments: str) -> None:
    """Tell the simulated IBKR what happens next, and to waste no time over it.

    Args:
        instance: whose Gateway.
        *assignments: KEY=VALUE of its scenario.
    """
    instance.simulate("reset")
    instance.simulate("set", *(f"{key}={value}" for key, value in QUICK.items()), *assignments)


def log_in(instance: Instance) -> None:
    """Bring an instance to ready by a login, whatever it does now, and begin its login budget anew.

    Args:
        instance: which; its scenario must let a login through.
    """
    host, name = instance.host, instance.name
    host.check_output("ibgatewayctl budget %s --reset", name)
    if instance.status()["state"] != "ready":
        host.check_output("timeout 90 ibgatewayctl login %s", name)
    instance.wait_for("ready")
    host.check_output("ibgatewayctl budget %s --reset", name)


def ready(instances: Mapping[str, Instance]) -> None:
    """Have instances ready, quick, and with unused login budgets.

    Args:
        instances: by their names.
    """
    for instance in instances.values():
        plan(instance)
        log_in(instance)
