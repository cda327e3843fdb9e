"""Real IBC, and API clients, meet what happens to a session that is logged in."""

import time
from pathlib import Path

import pytest
from api_client import ApiClient
from simulator_source import gateway_sim

pytestmark = pytest.mark.workshop

LISTENING = "0A"  # as /proc/net/tcp writes it


def test_token_restart_needs_no_login(run):
    gateway = run()
    gateway.configured()
    gateway.simulator.send("restart-now")
    gateway.wait_log("AUTORESTART_OPTION is -Drestart=")
    gateway.wait_log("Configuration tasks completed", count=2)
    assert gateway.counters() == {"logins": 1, "pushes.approved": 1, "pushes.sent": 1, "token_restarts": 1}
    assert not list(gateway.settings.glob("*/autorestart"))


def test_expired_token_costs_a_login(run):
    gateway = run()
    gateway.configured()
    gateway.simulator.expire_token()
    gateway.simulator.send("restart-now")
    gateway.wait_log("Soft token=0 received instead of expected permanent")
    gateway.wait_log("Configuration tasks completed", count=2, timeout=40)
    assert gateway.counters()["logins"] == 2


def test_token_restart_of_paper_can_end_in_a_refusal(run):
    gateway = run("paper", scenario=["restart=wrong_password"])
    gateway.configured()
    gateway.simulator.send("restart-now")
    gateway.wait("wrong_password")


def test_two_token_files_cost_a_login(run):
    gateway = run()
    gateway.configured()
    (own,) = gateway.settings.glob("*/ibg.properties")
    second = gateway.settings / ("b" * 40) / "autorestart"
    second.parent.mkdir()
    second.write_text("another\n")
    gateway.simulator.send("restart-now")
    gateway.wait_log("WARNING: More than one autorestart file was found")
    gateway.wait_log("Configuration tasks completed", count=2)
    assert not (own.parent / "autorestart").exists()
    assert gateway.counters()["logins"] == 2


def test_logoff_ends_tidily(run):
    gateway = run()
    gateway.configured()
    gateway.simulator.send("logoff-now")
    assert gateway.ended() == 0
    assert gateway.counters()["logouts"] == 1


def test_session_taken_once_is_taken_back_twice_is_given_up(run):
    gateway = run(ExistingSessionDetectedAction="primary")
    gateway.configured()
    gateway.simulator.send("take-session")
    gateway.wait_log("Login has completed", count=2)
    gateway.wait("ready")
    gateway.simulator.send("take-session")
    assert gateway.ended() == 0
    assert "(scenario 4)" in gateway.log()
    assert gateway.counters()["relogins"] == 2
    assert len(gateway.simulator.logins()) == 1


def test_session_taken_with_the_dialog_at_once(run):
    gateway = run(ExistingSessionDetectedAction="primary")
    gateway.configured()
    gateway.simulator.send("take-session dialog")
    gateway.wait_log(r"\(scenario 5\)")
    gateway.wait("ready")


def test_clients_connect_and_get_what_they_ask(run):
    gateway = run()
    gateway.configured()
    with ApiClient(gateway.api_port, 5) as client:
        assert client.version == "187"
        assert client.until(15) == ["15", "1", "U1234567"]
        assert client.until(9) == ["9", "1", "1"]
        for code in (2104, 2106, 2158):
            client.code(code)
        client.send(49, 1)
        assert abs(int(client.until(49)[2]) - time.time()) < 5
        client.send(61, 1)
        assert client.until(61)[2] == "U1234567"
        client.until(62)
        assert gateway.simulator.state()["api_clients"] == [5]


def test_client_id_in_use_is_refused(run):
    gateway = run()
    gateway.configured()
    with ApiClient(gateway.api_port, 5) as first:
        first.until(9)
        with ApiClient(gateway.api_port, 5) as second:
            second.code(326)
            with pytest.raises(EOFError):
                second.message()
        first.send(49, 1)
        first.until(49)
    with ApiClient(gateway.api_port, 6) as third:
        third.until(9)


@pytest.mark.parametrize(
    ("read_only", "answer"), [("yes", ["4", "2", "1", "321"]), ("no", ["3", "1", "Submitted"])]
)
def test_orders_need_more_than_a_read_only_api(run, read_only, answer):
    gateway = run(ReadOnlyApi=read_only)
    gateway.configured()
    with ApiClient(gateway.api_port) as client:
        client.until(9)
        client.send(3, 1, 756733, "SPY")
        client.until(*answer)


def test_link_and_codes(run):
    gateway = run()
    gateway.configured()
    with ApiClient(gateway.api_port) as client:
        client.code(2158)
        for command, codes in (
            ("link lost", (1100, 2110)),
            ("link restored", (1102,)),
            ("link lost", (1100, 2110)),
            ("link data-lost", (1101,)),
            ("code 10197", (10197,)),
            ("code 2157 gone", (2157,)),
        ):
            gateway.simulator.send(command)
            for code in codes:
                client.code(code)
    assert gateway.log().count("Login has completed") == 1


def test_reconnect_commands_of_ibc(run):
    gateway = run()
    gateway.configured()
    with ApiClient(gateway.api_port) as client:
        client.code(2158)
        gateway.command("RECONNECTDATA")
        client.code(2103)
        client.code(2104)
        gateway.command("RECONNECTACCOUNT")
        client.code(1100)
        client.code(1102)


def test_wedge_accepts_and_never_answers(run):
    gateway = run()
    gateway.configured()
    gateway.simulator.send("wedge on")
    with pytest.raises(TimeoutError):
        ApiClient(gateway.api_port, timeout=1)
    gateway.simulator.send("wedge off")
    with ApiClient(gateway.api_port) as client:
        client.until(9)


def test_hang_leaves_only_the_control_port(run):
    gateway = run()
    gateway.configured()
    gateway.simulator.send("hang")
    assert gateway.simulator.state()["state"] == "hung"
    with pytest.raises(gateway_sim.SimulatorError, match="does not answer"):
        gateway.simulator.send("restart-now")
    with pytest.raises(TimeoutError):
        ApiClient(gateway.api_port, timeout=1)
    gateway.simulator.send("exit 3")
    assert gateway.ended() == 3


@pytest.mark.parametrize(("command", "code"), [("crash exception", 76), ("crash halt", 1), ("exit 7", 7)])
def test_untidy_ends(run, command, code):
    gateway = run()
    gateway.configured()
    gateway.simulator.send(command)
    assert gateway.ended() == code
    assert gateway.simulator.state()["state"] == "stopped"
    assert "logouts" not in gateway.counters()


def test_api_on_loopback_only_when_configured(run):
    gateway = run(AllowLocalhostOnly="yes")
    gateway.configured()
    tables = [Path(name).read_text().splitlines()[1:] for name in ("/proc/net/tcp", "/proc/net/tcp6")]
    sockets = [
        line.split()[1].split(":") for table in tables for line in table if line.split()[3] == LISTENING
    ]
    local = {address for address, port in sockets if int(port, 16) == gateway.api_port}
    assert local in ({"0100007F"}, {"0000000000000000FFFF00000100007F"})
