"""The numbers for Prometheus: what they say, that they are documented, that nothing waits for a scrape."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator

import pytest
import yaml
from alerting_tools import ROOT, channel
from free_ports import free_port
from ibgateway_alerting.model import HOST, Incident
from ibgateway_alerting.watch.metrics import COUNTED, EVERY, METRICS, STAGES, STATES, Metrics
from ibgateway_alerting.watch.view import HostView, InstanceView
from ibgatewaylib import events
from ibgatewaylib import instance as instances

DOCS = ROOT / "docs"
NAME = re.compile(r"\bibgateway_[a-z0-9_]+\b")
PATHS = f"{ROOT / 'roles/alerting/files'}:{ROOT / 'roles/ibc/files'}"
OTHER_WORDS = {"ibgateway_alerting", "ibgateway_instances"}


class Board:
    """The metrics, and everything they are made of."""

    def __init__(self, make_settings, clock, port: int = 0) -> None:
        self.clock = clock
        channels = (channel("phone"), channel("mail", kind="apprise"))
        self.settings = make_settings(metrics_port=port, channels=channels)
        known = {name: instances.load(self.settings.etc_root / name) for name in self.settings.instances}
        self.metrics = Metrics(self.settings, known)
        self.views = {name: InstanceView(name) for name in known}
        self.host = HostView()
        self.incidents: list[Incident] = []
        self.backlog: dict[str, tuple[int, float]] = {}

    def update(self, seconds: float = 0.0) -> dict[tuple[str, ...], float]:
        """Write a snapshot; return every sample by name and labels."""
        now = self.clock.advance(seconds)
        self.metrics.update(now, self.views, self.host, self.incidents, self.backlog)
        return self.samples()

    def samples(self) -> dict[tuple[str, ...], float]:
        return {
            (sample.name, *(f"{key}={value}" for key, value in sample.labels.items())): sample.value
            for family in self.metrics.collect()
            for sample in family.samples
        }


@pytest.fixture
def board(make_settings, clock, monkeypatch) -> Board:
    made = Board(make_settings, clock)
    # These tests read the numbers without the server, which has tests of its own below.
    monkeypatch.setattr(made.metrics, "_serve", lambda _now: None)
    return made


@pytest.fixture
def served(make_settings, clock) -> Iterator[Board]:
    made = Board(make_settings, clock, free_port())
    yield made
    made.metrics.close()


def scrape(board: Board, path: str = "/metrics") -> str:
    url = f"http://127.0.0.1:{board.settings.metrics_port}{path}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


# --- what they say ---


def test_one_state_and_one_stage_at_a_time(board):
    board.views["live"].state, board.views["live"].probe = "two_factor", "handshake"
    found = board.update()
    states = {state: found["ibgateway_state", "gateway=live", f"state={state}"] for state in STATES}
    assert [state for state, value in states.items() if value] == ["two_factor"]
    stages = {stage: found["ibgateway_probe_stage", "gateway=live", f"stage={stage}"] for stage in STAGES}
    assert [stage for stage, value in stages.items() if value] == ["handshake"]


@pytest.mark.parametrize(
    ("state", "probe", "link", "up"),
    [("ready", "ok", "up", 1), ("ready", "ok", "unknown", 1), ("ready", "unknown", "unknown", 1),
     ("ready", "time", "up", 0), ("ready", "ok", "down", 0), ("parked", "ok", "up", 0)],
)  # fmt: skip
def test_up_is_more_than_an_open_port(board, state, probe, link, up):
    view = board.views["live"]
    view.state, view.probe, view.link = state, probe, link
    assert board.update()["ibgateway_up", "gateway=live"] == up


def test_what_is_unknown_is_missing_and_not_zero(board):
    found = board.update()
    for name in (
        "ibgateway_link_up", "ibgateway_login_budget_left", "ibgateway_last_login_timestamp_seconds",
        "ibgateway_last_event_timestamp_seconds",
    ):  # fmt: skip
        assert (name, "gateway=live") not in found
    view = board.views["live"]
    view.link, view.budget_left, view.last_login = "down", 0, 17.0
    view.recent = [
        {"time": 5.0, "type": "starting", "detail": {}},
        {"time": 9.0, "type": "ready", "detail": {}},
    ]
    found = board.update()
    assert found["ibgateway_link_up", "gateway=live"] == 0
    assert found["ibgateway_login_budget_left", "gateway=live"] == 0
    assert found["ibgateway_last_login_timestamp_seconds", "gateway=live"] == 17
    assert found["ibgateway_last_event_timestamp_seconds", "gateway=live"] == 9


def test_events_are_counted_and_begin_at_zero(board):
    assert board.update()["ibgateway_logins_total", "gateway=live"] == 0
    for kind in (
        "login_submitted",
        "two_factor_waiting",
        "two_factor_missed",
        "login_submitted",
        "from_the_future",
    ):
        board.metrics.event("live", kind)
    board.metrics.event("gone", "login_submitted")
    found = board.update()
    counted = {name: found[name, "gateway=live"] for name in COUNTED.values()}
    assert {name: value for name, value in counted.items() if value} == {
        "ibgateway_logins_total": 2, "ibgateway_pushes_total": 1, "ibgateway_pushes_missed_total": 1,
    }  # fmt: skip
    assert found["ibgateway_logins_total", "gateway=paper"] == 0


def test_the_counted_events_are_those_of_the_launcher():
    assert set(COUNTED) <= events.TYPES


def test_the_time_for_which_it_was_ready(board):
    board.update()
    board.views["live"].state = "ready"
    board.update(5)
    board.update(5)
    board.views["live"].state = "parked"
    board.update(5)
    board.clock.advance(-3600)
    assert board.update(5)["ibgateway_ready_seconds_total", "gateway=live"] == 10
    assert board.update(5)["ibgateway_ready_seconds_total", "gateway=paper"] == 0


def test_open_incidents_and_the_hosts_own(board):
    board.incidents = [
        Incident("live", "link_lost", "warning", 1.0),
        Incident(HOST, "disk_full", "critical", 1.0),
    ]
    found = board.update()
    assert found["ibgateway_incidents_open", "gateway=live", "kind=link_lost", "severity=warning"] == 1
    assert found["ibgateway_incidents_open", "gateway=", "kind=disk_full", "severity=critical"] == 1
    board.incidents = []
    assert not [key for key in board.update() if key[0] == "ibgateway_incidents_open"]


def test_the_outbox_of_each_channel(board):
    board.backlog, board.host.failing = {"mail": (7, 123.0)}, {"mail": 100.0}
    found = board.update()
    assert found["ibgateway_outbox_waiting_messages", "channel=mail"] == 7
    assert found["ibgateway_outbox_waiting_messages", "channel=phone"] == 0
    assert found["ibgateway_outbox_oldest_timestamp_seconds", "channel=mail"] == 123
    assert ("ibgateway_outbox_oldest_timestamp_seconds", "channel=phone") not in found
    assert found["ibgateway_channel_failing", "channel=mail"] == 1
    assert found["ibgateway_channel_failing", "channel=phone"] == 0


def test_the_calendar_moves_on(board):
    key = ("ibgateway_next_appointment_timestamp_seconds", "gateway=live", "appointment=restart")
    first = board.update()[key]
    assert 0 < first - board.clock() <= 86400
    assert board.update(first - board.clock() - 1)[key] == first
    assert board.update(2)[key] == first + 86400
    login = ("ibgateway_next_appointment_timestamp_seconds", "gateway=live", "appointment=login")
    assert board.update()[login] > board.clock()
    assert not [key for key in board.update() if "gateway=paper" in key and "appointment=login" in key]


def test_the_age_of_the_windows_unless_they_are_damaged(board, tmp_path):
    assert board.update()["ibgateway_reset_windows_age_seconds",] % 86400 == 0
    (tmp_path / "etc" / "reset-windows.json").write_text("{")
    assert ("ibgateway_reset_windows_age_seconds",) not in board.update(7200)


def test_a_snapshot_every_few_seconds(make_settings, clock):
    board = Board(make_settings, clock, free_port())
    assert board.metrics.due(clock())
    board.update()
    try:
        assert not board.metrics.due(clock())
        assert board.metrics.due(clock.advance(EVERY))
        assert board.metrics.due(clock.advance(-86400))
    finally:
        board.metrics.close()


# --- the server ---


def test_it_is_served_as_prometheus_wants_it(served):
    served.views["live"].state = "ready"
    served.update()
    text = scrape(served)
    assert 'ibgateway_up{gateway="live"} 1.0' in text
    assert "# TYPE ibgateway_logins_total counter" in text
    assert re.search(r'ibgateway_watch_build_info\{program="[0-9a-f]{12}",python="3[^"]*"', text)
    # Not the process's and the interpreter's own numbers.
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert names <= set(METRICS)


def test_only_this_host_can_ask(served):
    served.update()
    assert served.metrics._server.server_address[0] == "127.0.0.1"


def test_a_taken_port_is_told_once_and_tried_again(make_settings, clock, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        board = Board(make_settings, clock, taken.getsockname()[1])
        for _ in range(30):
            board.update(5)
        assert len([record for record in caplog.records if "cannot be served" in record.getMessage()]) == 1
    try:
        board.update(61)
        assert "ibgateway_up" in scrape(board)
    finally:
        board.metrics.close()


def test_scrapes_and_the_loop_do_not_disturb_each_other(served):
    """Scraped all the time while everything changes: each answer is of one snapshot."""
    served.update()
    wrong: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            text = scrape(served)
            values = set(re.findall(r'ibgateway_outbox_waiting_messages\{channel="\w+"\} ([0-9.]+)', text))
            if len(values) != 1:
                wrong.append(text)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    for count in range(300):
        served.backlog = {"phone": (count, 1.0), "mail": (count, 1.0)}
        served.incidents = [Incident("live", f"kind_{count % 7}", "warning", 1.0)]
        served.update(1)
    done.set()
    for thread in asking:
        thread.join(10)
    assert wrong == []


def test_without_a_port_the_library_is_not_even_loaded():
    code = (
        "import sys; from ibgateway_alerting.watch import metrics; from types import SimpleNamespace as S\n"
        "m = metrics.Metrics(S(metrics_port=0), {})\n"
        "assert not m.wanted and not m.due(0.0)\n"
        "assert 'prometheus_client' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": PATHS})


def test_serving_loads_no_openssl():
    """It would be a seventh of the watcher's memory; and whoever wants the real modules later gets them."""
    code = (
        "import sys, pathlib\n"
        "from ibgateway_alerting.watch import main, prometheus\n"
        "assert 'ssl' not in sys.modules or sys.modules['ssl'].__spec__, 'the stand-in stays'\n"
        "maps = pathlib.Path('/proc/self/maps').read_text()\n"
        "print('libcrypto' in maps)\n"
        "import ssl, hashlib, _hashlib\n"
        "assert ssl.create_default_context() and hashlib.sha256(b'x').hexdigest()"
    )
    for before, expected in (("", "False"), ("import ssl, _hashlib\n", "True")):
        done = subprocess.run(
            [sys.executable, "-c", before + code],
            check=True, capture_output=True, text=True, env={"PYTHONPATH": PATHS},
        )  # fmt: skip
        assert done.stdout.strip() == expected


# --- documents ---


def used_in(text: str) -> set[str]:
    return set(NAME.findall(text)) - OTHER_WORDS


def test_every_metric_follows_prometheus_naming():
    for name, metric in METRICS.items():
        assert name.endswith("_total") == (metric.kind == "counter"), name
        assert metric.help.endswith(".")
        if "time" in metric.help and "when" in metric.help.lower():
            assert name.endswith("_timestamp_seconds"), name


def test_the_document_describes_every_metric():
    text = (DOCS / "metrics.md").read_text()
    rows = {
        name: row
        for row in text.splitlines()
        if row.startswith("|")
        for name in re.findall(r"^\| `(\w+)`", row)
    }
    assert set(rows) == set(METRICS)
    for name, metric in METRICS.items():
        cells = [cell.strip() for cell in rows[name].strip("|").split("|")]
        assert cells[1] == metric.kind
        assert set(re.findall(r"`(\w+)`", cells[2])) == set(metric.labels)


def test_the_dashboard_uses_only_metrics_that_exist():
    board = json.loads((DOCS / "grafana-dashboard.json").read_text())
    expressions = [
        target["expr"] for panel in board["panels"] for target in panel.get("targets", []) if "expr" in target
    ]
    variables = [one.get("query", "") for one in board["templating"]["list"]]
    assert len(expressions) >= 10
    names = used_in(json.dumps([expressions, variables]))
    assert names
    assert names <= set(METRICS)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(panel.get("title") for panel in board["panels"])


def test_the_rules_use_only_metrics_that_exist():
    groups = yaml.safe_load((DOCS / "prometheus-rules.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) >= 8
    for rule in rules:
        assert used_in(rule["expr"]) <= set(METRICS)
        assert "alert" not in rule or {"summary", "description"} <= set(rule["annotations"])
    assert any(used_in(rule["expr"]) for rule in rules)
