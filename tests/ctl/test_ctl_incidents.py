"""incidents, explain, test-alert, and what `status` says of incidents; against the watcher's own store."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime

import pytest
from ctl_stand_ins import ROOT

sys.path.insert(0, str(ROOT / "roles" / "alerting" / "files"))

from ibgateway_alerting.model import Incident
from ibgateway_alerting.store import Store
from ibgatewaylib import ctl_alerting, ctl_explain, ctl_show, ctl_test_alert

RUNBOOK = ROOT / "docs" / "runbook.md"
NOW = datetime(2026, 11, 25, 15, tzinfo=UTC).timestamp()
HOUR = 3600.0


@pytest.fixture
def alerting(tmp_path, monkeypatch):
    """Role alerting's files on this host."""
    config = tmp_path / "config.toml"
    config.write_text(
        f'host = "vps1"\ndatabase = "{tmp_path}/alerting.sqlite"\nrunbook = "{RUNBOOK}"\n'
        'timezone = "Europe/Zurich"\n'
    )
    monkeypatch.setattr(ctl_alerting, "CONFIG", config)
    monkeypatch.setattr(ctl_alerting, "RUNBOOK", RUNBOOK)
    return config


@pytest.fixture
def store(alerting, tmp_path):
    opened = Store(tmp_path / "alerting.sqlite")
    yield opened
    opened.close()


def incident(
    kind: str, instance: str = "live", severity: str = "action", age: float = HOUR, **more
) -> Incident:
    opened = NOW - age
    return Incident(instance, kind, severity, opened, **{"told": opened, **more})


# --- incidents --------------------------------------------------------------------------------------------


def test_nothing_is_wrong(store, run):
    assert run("incidents") == (0, "nothing is wrong, as far as the watcher knows\n", "")


def test_open_incidents(store, run):
    store.save_incident(incident("push_missed", snoozed_until=NOW + HOUR))
    store.save_incident(incident("link_lost", severity="warning", acknowledged=NOW, acknowledged_by="Anna"))
    store.save_incident(incident("disk_full", "", "critical", age=60, told=None))
    store.save_incident(incident("stuck", resolved=NOW))
    code, out, _ = run("incidents")
    assert code == 0
    assert out.splitlines() == [
        "    1  action    live        IB Key request missed (push_missed)",
        "       Wed 25 Nov 15:00 CET, open for 1h00m, asks again Wed 25 Nov 17:00 CET",
        "    2  warning   live        Link to IBKR lost (link_lost)",
        "       Wed 25 Nov 15:00 CET, open for 1h00m, Anna is on it",
        "    3  critical  host        Disk nearly full (disk_full)",
        "       Wed 25 Nov 15:59 CET, open for 1m00s, not told yet",
    ]
    assert "disk_full" not in run("incidents", "live")[1]


def test_incidents_that_are_over(store, run):
    store.save_incident(incident("stuck", resolved=NOW - 60, outcome="Gateway is ready."))
    store.save_incident(incident("crashed", age=40 * 86400, resolved=NOW - 39 * 86400))
    out = run("incidents", "--all")[1]
    assert "over after 59m00s: Gateway is ready." in out
    assert "crashed" not in out


def test_incidents_as_json(store, run):
    store.save_incident(incident("push_missed"))
    [found] = json.loads(run("incidents", "--json")[1])["incidents"]
    assert found["kind"] == "push_missed"
    assert found["title"] == "IB Key request missed"
    assert found["opened"] == "2026-11-25T14:00:00+00:00"
    assert found["resolved"] is None
    assert "detail" not in found  # it may hold foreign text


def test_unknown_instance(store, run):
    assert run("incidents", "livee")[0] == 4


def test_a_host_without_alerting(tmp_path, monkeypatch, run):
    monkeypatch.setattr(ctl_alerting, "CONFIG", tmp_path / "none.toml")
    for command in (("incidents",), ("test-alert",)):
        code, _, err = run(*command)
        assert code == 1
        assert "this host has no alerting: run the playbook" in err


def test_a_watcher_that_never_ran(alerting, run):
    code, _, err = run("incidents")
    assert code == 1
    assert "has not begun its database" in err


def test_a_damaged_database(alerting, tmp_path, run):
    (tmp_path / "alerting.sqlite").write_bytes(b"no database" * 1000)
    code, _, err = run("incidents")
    assert code == 1
    assert "cannot be read" in err


def test_reading_changes_nothing(store, tmp_path, run):
    store.save_incident(incident("push_missed"))
    store.close()
    before = (tmp_path / "alerting.sqlite").read_bytes()
    assert "push_missed" in run("incidents")[1]
    assert (tmp_path / "alerting.sqlite").read_bytes() == before


def test_reading_while_the_watcher_writes(store, run):
    with store.transaction():
        store.save_incident(incident("push_missed"))
        assert "nothing is wrong" in run("incidents")[1]
    assert "push_missed" in run("incidents")[1]


def reading_as_another_user(database, query: str) -> str:
    """Read as a user who may read the files and not write the directory; the answer, or the error's class."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgid(65534)
            os.setuid(65534)
            answer = repr(ctl_alerting.Alerting()._rows(query))
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as stream:
        return stream.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("runs", [True, False])
def test_operators_may_read_and_not_write(store, tmp_path, runs):
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and directory != directory.parent:
            directory.chmod(directory.stat().st_mode | 0o055)
    store.save_incident(incident("push_missed"))
    if not runs:
        store.close()
    for file in tmp_path.glob("alerting.sqlite*"):
        file.chmod(0o644)
    answer = reading_as_another_user(tmp_path, "SELECT kind FROM incidents")
    assert answer == "[('push_missed',)]"


# --- status -----------------------------------------------------------------------------------------------


def test_status_in_one_line(store, systemd, run):
    systemd.set("active", "running")
    systemd.state("ready", since="2026-11-25T15:00:00.000Z")
    store.save_incident(incident("link_lost"))
    store.save_incident(incident("disk_full", ""))
    live, host = run("status")[1].splitlines()
    assert live == (
        "live  ready  since Wed 25 Nov 10:00 EST  next: daily restart Wed 25 Nov 17:15 EST  "
        "1 open: Link to IBKR lost"
    )
    assert host.split() == ["host", "1", "open:", "Disk", "nearly", "full"]
    assert host.index("1 open") == live.index("1 open")


def test_status_without_incidents(store, systemd, run):
    systemd.ready()
    assert run("status")[1].rstrip().endswith("  no incident")


def test_status_says_what_it_waits_for(store, systemd, run):
    systemd.set("active", "running")
    systemd.state("two_factor", "waiting for IB Key, 1m12s (1m48s left)", inputs={"ibc.ini": "another"})
    last = run("status")[1].rstrip()
    assert last.endswith("  no incident; restart pending; waiting for IB Key, 1m12s (1m48s left)")


def test_status_of_a_host_without_alerting(systemd, run, tmp_path, monkeypatch):
    monkeypatch.setattr(ctl_alerting, "CONFIG", tmp_path / "none.toml")
    systemd.ready()
    assert run("status")[1].rstrip().endswith("  incidents unknown")
    assert json.loads(run("status", "--json")[1])["instances"][0]["incidents"] is None


def test_status_at_length_names_incidents(store, systemd, run):
    systemd.ready()
    store.save_incident(incident("link_lost"))
    for arguments in (("live",), ("--long",)):
        assert "  incident 1: Link to IBKR lost, see `ibgatewayctl explain 1`" in run("status", *arguments)[1]
    [status] = json.loads(run("status", "--json")[1])["instances"]
    assert [one["kind"] for one in status["incidents"]] == ["link_lost"]


def test_the_table_is_aligned_and_coloured():
    found = [
        {"instance": "live", "state": "two_factor", "since": None, "incidents": []},
        {"instance": "paper-two", "state": "ready", "since": "2026-11-25T10:00:00Z", "incidents": []},
    ]
    assert ctl_show.status_table(found, [], colour=False) == [
        "live       two factor                                no incident",
        "paper-two  ready       since Wed 25 Nov 10:00 UTC    no incident",
    ]
    assert "\033[33mtwo factor\033[0m" in ctl_show.status_table(found, [], colour=True)[0]


# --- explain ----------------------------------------------------------------------------------------------


def test_explain_lists_everything(alerting, run):
    out = run("explain")[1]
    assert "push_missed             IB Key request missed\n" in out
    assert "phone_checks" in out
    assert len(json.loads(run("explain", "--json")[1])["sections"]) == len(out.splitlines())


def test_explain(alerting, run):
    code, out, _ = run("explain", "push_missed")
    assert code == 0
    assert out.startswith("IB Key request missed\n=====================\n\nA request lives")
    assert "phone checks (ibgatewayctl explain phone_checks)" in out
    assert "<a id" not in out
    assert "IB Key does not reach you" not in out


def test_explain_without_markup(alerting, run):
    for section in ctl_explain.sections().values():
        text = ctl_explain.plain(section)
        assert not any(mark in text for mark in ("](", "**", "\n|", "<a", "\n#")), section.id
    assert (
        "- the app says that IB Key is not activated: a new phone"
        in run("explain", "push_missed_repeatedly")[1]
    )


def test_explain_an_incident_by_its_number(store, run):
    store.save_incident(incident("stuck_display", "second"))
    out = run("explain", "1")[1]
    assert "systemctl status ibgateway-display@second" in out
    assert "ibgatewayctl login second" in out
    assert run("explain", "99")[0] == 4


def test_explain_what_nobody_knows(alerting, run):
    code, _, err = run("explain", "push_mised")
    assert code == 4
    assert "did you mean push_missed?" in err


def test_explain_without_a_runbook(monkeypatch, tmp_path, run):
    monkeypatch.setattr(ctl_alerting, "RUNBOOK", tmp_path / "none.md")
    code, _, err = run("explain", "login")
    assert code == 1
    assert "run the playbook with --tags alerting" in err


# --- test-alert -------------------------------------------------------------------------------------------

GOOD = {"channel": "phone", "ok": True, "detail": ""}
BAD = {"channel": "mail", "ok": False, "detail": "no such host"}


@pytest.fixture
def channels(store, systemd):
    """What the unit leaves: `channels(result, …)`."""

    def leave(*results, failed: bool = False, age: float = 0.0) -> None:
        def send() -> None:
            if results or not failed:
                store.remember("test", {"time": NOW - age, "results": list(results)})

        systemd.on("start", send, ctl_test_alert.UNIT)
        if failed:
            systemd.fails.add(ctl_test_alert.UNIT)

    return leave


def test_all_channels_took_it(channels, run):
    channels(GOOD, {**GOOD, "channel": "mail"})
    assert run("test-alert") == (0, "phone  sent\nmail   sent\n", "")


def test_a_channel_failed(channels, run):
    channels(GOOD, BAD, failed=True)
    code, out, _ = run("test-alert")
    assert (code, out) == (1, "phone  sent\nmail   FAILED: no such host\n")
    assert json.loads(run("test-alert", "--json")[1]) == {"channels": [GOOD, BAD]}


def test_no_channel(channels, run):
    channels()
    code, _, err = run("test-alert")
    assert code == 1
    assert "set alerting_channels" in err


@pytest.mark.parametrize("failed", [True, False])
def test_nothing_came_of_it(channels, run, failed):
    channels(*([] if failed else [GOOD]), failed=failed, age=60)
    code, _, err = run("test-alert")
    assert code == 1
    assert ctl_test_alert.UNIT in err


def test_not_permitted(channels, systemd, run):
    channels(GOOD)
    systemd.denied.add(ctl_test_alert.UNIT)
    code, _, err = run("test-alert")
    assert code == 3
    assert "ibc_operators" in err
