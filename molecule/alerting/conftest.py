"""Each file's tests begin outside the reset windows, all instances ready, budgets unused, nothing open.

A test says by its mark `kinds` which kinds of the catalogue it provokes on the host. It has to look at the
messages of each (`News.exactly`), and tests/alerting/test_provoked.py sees that none is left out.
"""

import json
import shlex
from collections.abc import Callable, Iterator

import pytest
from harness import news, seams, words
from harness.instance import Instance
from harness.news import News
from harness.phone import Phone
from harness.wait import wait_until
from testinfra.host import Host

AT_REST = ("parked", "stopped", "failed")
"""States in which nothing runs."""
WAITING = """
import sqlite3
store = sqlite3.connect("file:/var/lib/ibgateway-alerting/alerting.sqlite?mode=ro", uri=True)
print(store.execute("SELECT count(*) FROM outbox WHERE done IS NULL").fetchone()[0])
"""
"""Prints how many messages wait."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument `kind` runs once for each kind that it is marked with."""
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", metafunc.definition.get_closest_marker("kinds").args)


@pytest.fixture(scope="module", autouse=True)
def everything_is_ready(host: Host, instances: dict[str, Instance]) -> None:
    """Each file's tests begin alike."""
    seams.reset_now(host, False)
    for one in instances.values():
        give_up_login(one)
    seams.ready(instances)
    wait_until(lambda: host.check_output("python3 -c %s", WAITING) == "0", "every channel to have all of it")


@pytest.fixture(scope="module")
def phone(host: Host) -> Phone:
    """The operator's phone, being honest."""
    shown = Phone(host)
    shown.script()
    return shown


@pytest.fixture
def hear(phone: Phone, request: pytest.FixtureRequest) -> Iterator[Callable[[str], News]]:
    """Begin to hear what is told of an instance, by its name, or of the host, without one."""
    begun: list[News] = []

    def begin(who: str = news.HOST) -> News:
        begun.append(News(phone, who))
        return begun[-1]

    yield begin
    mark = request.node.get_closest_marker("kinds")
    kinds = request.node.callspec.params["kind"] if "kind" in request.fixturenames else mark and mark.args
    missing = {*([kinds] if isinstance(kinds, str) else kinds or ())} - {
        kind for one in begun for kind in one.seen
    }
    if missing and not request.node.stash.get(FAILED, False):
        pytest.fail(f"marked with {', '.join(sorted(missing))}, but did not look at the messages of it")


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Note which tests have failed already."""
    report = yield
    if call.when == "call":
        item.stash[FAILED] = report.failed
    return report


STAY = {
    "logins_too_often",
    "market_data_competing",
    "password_expiring",
    "restart_missed",
    "settings_differ",
    "unknown_dialog",
    "unknown_event",
}
"""Kinds that last although Gateway is ready."""


def open_kinds(instance: Instance) -> set[str]:
    """The kinds of incident that are open, but for those that stay."""
    shown = json.loads(instance.host.check_output("ibgatewayctl incidents %s --json", instance.name))
    return {one["kind"] for one in shown["incidents"]} - STAY


def give_up_login(instance: Instance) -> None:
    """Stop an instance if a login is under way, which the test before has left."""
    if instance.status()["state"] not in (*AT_REST, "ready"):
        instance.host.check_output("ibgatewayctl stop %s", instance.name)


def all_over(instance: Instance) -> None:
    """Bring an instance to ready, honestly, and wait until nothing is wrong with it."""
    give_up_login(instance)
    seams.plan(instance)
    seams.log_in(instance)
    wait_until(lambda: not open_kinds(instance), "everything to be over")


def happen(instance: Instance, kind: str, **detail: str) -> None:
    """Let the launcher's file say that something happened, as the launcher writes it.

    Args:
        instance: to which.
        kind: the event's type.
        **detail: what it says of it.
    """
    now = instance.host.check_output("date --utc --iso-8601=ns")[:23].replace(",", ".") + "Z"
    event = {"time": now, "instance": instance.name, "type": kind, "detail": detail}
    line = json.dumps(event, separators=(",", ":"))
    instance.host.check_output(
        "runuser -u ibgateway -- sh -c %s",
        f"printf '%s\\n' '{line}' >> /var/lib/ibgateway/{instance.name}/events.jsonl",
    )


def begin_login(instance: Instance) -> None:
    """Consent to a login, and do not wait for it."""
    instance.host.check_output("ibgatewayctl budget %s --reset", instance.name)
    instance.host.check_output("systemctl start --no-block ibgateway-consent@%s.service", instance.name)


def provoke(instance: Instance, kind: str, number: int = 0) -> list[list[str]]:
    """Stop an instance, and do the first step of a scenario of the catalogue.

    Args:
        instance: which.
        kind: of the catalogue.
        number: which of its scenarios.

    Returns:
        The steps that are left, as arguments of `simulate`.
    """
    if kind in open_kinds(instance):
        all_over(instance)
    if instance.status()["state"] not in AT_REST:
        instance.host.check_output("ibgatewayctl stop %s", instance.name)
    seams.plan(instance)
    first, *others = map(shlex.split, words.scenario(kind, number))
    instance.simulate(*first)
    return others
