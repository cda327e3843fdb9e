"""What speaks against a restart now, and that every way to restart asks."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from ctl_stand_ins import UNIT, FakeApi, configure, full_login
from ibgatewaylib import api_account, api_clients

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
PORT = f"{4001:04X}"


class Broker(FakeApi):
    """An API that also tells positions and open orders."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.positions = ["10", "0"]
        self.orders = ["Submitted", "PreSubmitted", "Filled"]
        self.read_only = False
        self.taken = 0

    def serve(self, connection: socket.socket) -> None:
        if self.taken:
            self.taken -= 1
            connection.recv(100)
            self._frame(connection, "187", "20261125 10:00:00 EST")
            connection.recv(100)
            self._frame(connection, "4", "2", "-1", "326", "client id already in use")
            return
        super().serve(connection)
        asked = b""
        while asked.count(b"\0") < 2 * 3 + 4:
            data = connection.recv(200)
            if not data:
                return
            asked += data
        for size in self.positions:
            self._frame(connection, "61", "3", "U1", *["x"] * 11, size, "1.0")
        self._frame(connection, "62", "1")
        if self.read_only:
            self._frame(connection, "4", "2", "-1", "321", "The API interface is in Read-Only mode.")
        for number, status in enumerate(self.orders):
            # Each status is told twice, as Gateway often does.
            for _ in range(2):
                self._frame(connection, "3", str(number), status, "0", "0", "0.0", str(1000 + number))
        self._frame(connection, "53", "1")


@pytest.fixture
def broker(box):
    with Broker(box.api_port) as server:
        yield server


@pytest.fixture
def calm(broker, systemd):
    """A live instance that is ready, with nothing open."""
    broker.positions, broker.orders = [], []
    systemd.ready()
    return broker


def kinds(run) -> list[str]:
    return [finding["kind"] for finding in json.loads(run("guard", "live", "--json")[1])["findings"]]


def table(tmp_path: Path, *rows: str) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(HEAD + "".join(rows))
    (tmp_path / "net" / "tcp6").write_text(HEAD)
    return tmp_path


def row(local: str, remote: str, uid: int, state: str = "01") -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  {uid}        0 1 1\n"


# --- what is found ----------------------------------------------------------------------------------------


def test_a_calm_instance_may_be_restarted(run, calm):
    code, out, _ = run("guard", "live")
    assert (code, out) == (0, "live: nothing\n")


def test_orders_and_positions_are_counted_once(run, broker, systemd):
    systemd.ready()
    code, out, _ = run("guard", "live")
    assert code == 5
    assert out == "live: 2 open orders\nlive: 1 open position\n"


def test_what_a_read_only_api_does_not_tell_is_only_noted(run, calm):
    calm.read_only = True
    answer = json.loads(run("guard", "live", "--json")[1])
    assert answer["clear"]
    assert [(one["kind"], one["level"]) for one in answer["findings"]] == [("unknown", "note")]


def test_client_ids_in_use_are_left_to_their_programs(run, broker, systemd):
    systemd.ready()
    broker.taken = 2
    assert "2 open orders" in run("guard", "live")[1]
    broker.taken = 3
    assert "client ids 967 to 969 are in use" in run("guard", "live")[1]


def test_an_api_that_does_not_answer_is_no_reason_against_it(run, systemd):
    systemd.ready()
    code, out, _ = run("guard", "live")
    assert code == 0
    assert "the API does not tell" in out


def test_reset_window_and_market_hours(run, calm, box, now):
    configure(box, market_hours=["Mon-Fri 09:30-16:00 America/New_York"])
    assert kinds(run) == ["market"]
    now("2026-11-25 05:30")  # 00:30 in New York
    assert kinds(run) == ["window"]


def test_a_login_under_way_and_an_instance_that_is_down(run, systemd):
    systemd.ready()
    systemd.state("two_factor")
    assert kinds(run) == ["login"]
    systemd.set("failed", "failed")
    systemd.state("parked")
    assert kinds(run) == []


def test_clients_are_told_by_user_without_our_own(tmp_path, monkeypatch):
    names = {"ibgateway": 990, "ibgateway-watch": 991}
    monkeypatch.setattr(api_clients, "_uid", lambda name: str(names[name]))
    server, own, trader = f"0100007F:{PORT}", "0100007F:9C40", "0100007F:9C41"
    proc = table(
        tmp_path,
        row("00000000:" + PORT, "00000000:0000", 990, "0A"),
        row(server, own, 990), row(own, server, 991),
        row(server, trader, 990), row(trader, server, 0),
        row(server, "0100007F:9C42", 990, "08"),  # closed by its client
        row(f"050011AC:{PORT}", "020011AC:AAAA", 990),  # a container's
        row("0100007F:1538", "0100007F:9C43", 990),  # another port
    )  # fmt: skip
    assert api_clients.connected(4001, proc) == ["a program on another host or in a container", "root"]


def test_an_ipv4_client_of_an_ipv6_socket(tmp_path, monkeypatch):
    monkeypatch.setattr(api_clients, "_uid", lambda _: "990")
    proc = table(tmp_path, row("0100007F:9C41", f"0100007F:{PORT}", 0))
    mapped = "0000000000000000FFFF0000"
    (proc / "net" / "tcp6").write_text(HEAD + row(f"{mapped}0100007F:{PORT}", f"{mapped}0100007F:9C41", 990))
    assert api_clients.connected(4001, proc) == ["root"]


def test_a_connection_that_begins_while_the_tables_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(api_clients, "_uid", lambda _: "990")
    own, server = row("0100007F:9C41", f"0100007F:{PORT}", 990), row(f"0100007F:{PORT}", "0100007F:9C41", 990)
    proc = table(tmp_path, own)
    (proc / "net" / "tcp6").write_text(HEAD + server)
    # Once, the table with the client's end is read before it is there.
    for second in ([own], []):
        tables = iter([HEAD, HEAD + server, HEAD + "".join(second), HEAD + server * len(second)])
        monkeypatch.setattr(Path, "read_text", lambda *_, tables=tables, **__: next(tables))
        assert api_clients.connected(4001, proc) == []
        assert next(tables, None) is None


def test_a_mute_api_is_given_up(box):
    with FakeApi(box.api_port) as server:
        server.mute = True
        found = api_account.ask(box.api_port, 0.3)
    assert (found.orders, found.positions) == (None, None)
    assert found.problem


# --- who asks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["--soft", "--full", "--cheapest"])
def test_every_restart_asks_first(run, calm, ibc, systemd, box, kind):
    calm.orders = ["Submitted"]
    full_login(box, "2026-11-23 14:30")
    code, _, errors = run("restart", "live", kind, "--yes")
    assert code == 5
    assert "1 open order" in errors
    assert "--force" in errors
    assert ibc.received == []
    assert systemd.calls == ["start ibgateway-guard@live.service"]


def test_force_does_not_ask(run, calm, ibc, systemd, box):
    calm.orders = ["Submitted"]
    full_login(box, "2026-11-23 14:30")
    ibc.on["RESTART"] = lambda: systemd.ready(88)
    code, _, _ = run("restart", "live", "--force")
    assert code == 0
    assert ibc.received == ["RESTART"]


def test_the_cheapest_restart_of_a_live_session_is_by_its_token(run, calm, ibc, systemd, box):
    full_login(box, "2026-11-23 14:30")
    ibc.on["RESTART"] = lambda: systemd.ready(88)
    assert run("restart", "live", "--cheapest")[0] == 0
    assert ibc.received == ["RESTART"]


def test_the_cheapest_restart_of_paper_is_a_stop_and_a_start(run, calm, ibc, systemd, box):
    configure(box, mode="paper", login="auto")
    systemd.on("try-restart", lambda: systemd.ready(88))
    assert run("restart", "live", "--cheapest")[0] == 0
    assert ibc.received == []
    assert f"try-restart {UNIT}" in systemd.calls


def test_the_cheapest_restart_does_not_cost_a_second_tap(run, systemd):
    systemd.ready()
    systemd.state("two_factor")
    code, _, errors = run("restart", "live", "--cheapest", "--force")
    assert code == 5
    assert "starts right now: restart it when it is ready" in errors
    assert not any("restart" in call for call in systemd.calls)
