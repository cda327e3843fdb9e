"""gateway-sim without a Gateway: its checks, its files, and a stand-in for the control port."""

import json
import os
import re
import socketserver
import subprocess
import sys
import threading

import pytest
from simulator_source import FOLDER, gateway_sim, java, quoted


@pytest.fixture
def simulator(tmp_path):
    return gateway_sim.Simulator(tmp_path)


@pytest.fixture
def control_port(simulator):
    """A control port that answers with what the test puts into it; gives the lines it got and the answer."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            lines.append(self.rfile.readline().decode().strip())
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    lines = []
    answer = {"ok": True, "state": "ready", "settings": str(simulator.settings), "counters": {}}
    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        simulator.folder.mkdir()
        (simulator.folder / "control-port").write_text(f"{server.server_address[1]}\n")
        yield lines, answer
        server.shutdown()
        thread.join()


def command(tmp_path, *words):
    return gateway_sim.main(["--settings", str(tmp_path), "live", *words])


def commands():
    """The names of all commands of the command line."""
    return next(action.choices for action in gateway_sim.build_parser()._actions if action.dest == "command")


def test_assignments_are_read():
    assert gateway_sim.parse_assignments(["login=wrong_password,ok", "push.delay=0.5", "login.text=a=b"]) == {
        "login": "wrong_password,ok",
        "push.delay": "0.5",
        "login.text": "a=b",
    }


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("login", "'login' is not KEY=VALUE"),
        ("login=", "login=: possible are ok,"),
        ("login=ok,wrong", "login=wrong: possible are ok, wrong_password"),
        ("push.delay=soon", "push.delay=soon: it wants a number of seconds"),
        ("push.delay=-1", "push.delay=-1: it wants a number of seconds"),
        ("push.delay=nan", "push.delay=nan: it wants a number of seconds"),
        ("pusch=ok", "unknown key 'pusch'; known are startup,"),
    ],
)
def test_bad_assignments_are_refused(word, message):
    with pytest.raises(gateway_sim.SimulatorError, match=re.escape(message)):
        gateway_sim.parse_assignments([word])


def test_scenario_file_is_private_and_lists_begin_anew(simulator):
    simulator.change_scenario({"login": "ok"})
    first = simulator.scenario()
    simulator.change_scenario({"push": "deny", "login.text": "Zeile\\eins\nzwei"})
    second = simulator.scenario()
    assert second | {"revision": ""} == {
        "login": "ok", "push": "deny", "login.text": "Zeile\\eins\nzwei", "revision": "",
    }  # fmt: skip
    assert second["revision"] != first["revision"]
    assert (simulator.folder / "scenario.properties").stat().st_mode & 0o777 == 0o600
    assert simulator.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_files_belong_to_the_owner_of_the_settings(simulator):
    os.chown(simulator.settings, 12345, 23456)
    simulator.change_scenario({"login": "ok"})
    for path in (simulator.folder, simulator.folder / "scenario.properties"):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_reset_forgets_the_scenario(tmp_path, capsys):
    assert command(tmp_path, "set", "login=maintenance", "push=deny") == 0
    assert command(tmp_path, "reset", "--json") == 0
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])) == {"revision"}


def test_stopped_gateway_has_a_state_and_its_counters(simulator):
    simulator.folder.mkdir()
    (simulator.folder / "server.properties").write_text("count.logins=3\ntoken.id=abc\n")
    assert simulator.state() == {
        "ok": True, "state": "stopped", "settings": str(simulator.settings), "counters": {"logins": 3},
    }  # fmt: skip


def test_token_of_a_stopped_gateway_expires(simulator):
    simulator.folder.mkdir()
    file = simulator.folder / "server.properties"
    file.write_text("count.logins=3\ntoken.id=abc\n")
    simulator.expire_token()
    assert file.read_text() == "count.logins=3\n"


def test_left_over_control_port_is_no_running_gateway(simulator):
    simulator.folder.mkdir()
    (simulator.folder / "control-port").write_text("1\n")
    assert simulator.state()["state"] == "stopped"


def test_port_of_another_instance_is_no_running_gateway(simulator, control_port):
    control_port[1]["settings"] = "/somewhere/else"
    with pytest.raises(gateway_sim.NotRunningError):
        simulator.send("state")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["approve"], "approve"),
        (["choose-device", "IB Key"], "choose-device IB Key"),
        (["enter-code", "123456"], "enter-code 123456"),
        (["code", "2103"], "code 2103"),
        (["code", "2103", "all gone"], "code 2103 all gone"),
        (["link", "data-lost"], "link data-lost"),
        (["take-session"], "take-session"),
        (["take-session", "--dialog"], "take-session dialog"),
        (["wedge"], "wedge on"),
        (["crash", "halt"], "crash halt"),
        (["exit", "0"], "exit 0"),
    ],
)
def test_commands_become_lines(tmp_path, control_port, words, line):
    assert command(tmp_path, *words) == 0
    assert control_port[0] == [line]


def test_refusal_of_the_gateway_is_shown(tmp_path, control_port, capsys):
    control_port[1].update(ok=False, error="no push is pending")
    assert command(tmp_path, "approve") == 1
    assert capsys.readouterr().err == "gateway-sim: no push is pending\n"


def test_wait(tmp_path, control_port, capsys):
    assert command(tmp_path, "wait", "stopped", "ready", "--json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "ready"
    assert command(tmp_path, "wait", "login", "--timeout", "0.3") == 1
    assert "after 0.3 s the state is ready, not login" in capsys.readouterr().err


def test_exit_codes_tell_what_is_wrong(tmp_path, capsys):
    assert command(tmp_path, "approve") == 3
    assert command(tmp_path / "none", "state") == 1
    assert gateway_sim.main(["nowhere", "state"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == f"gateway-sim: the simulated Gateway of {tmp_path} is not running"
    assert "run the playbook first" in errors[1]
    assert "no instance 'nowhere' on this host" in errors[2]


def test_settings_folder_comes_from_the_instance(tmp_path):
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "instance.toml").write_text('settings_dir = "/var/lib/ibgateway/live/settings"\n')
    assert str(gateway_sim.settings_folder("live", tmp_path)) == "/var/lib/ibgateway/live/settings"
    with pytest.raises(gateway_sim.SimulatorError, match="no instance 'paper' on this host; there is live"):
        gateway_sim.settings_folder("paper", tmp_path)


def test_logins_are_listed(tmp_path, capsys):
    (tmp_path / "simulator").mkdir()
    entry = {"time": "2026-01-01T00:00:00Z", "username": "someone", "outcome": "ok"}
    (tmp_path / "simulator" / "logins.jsonl").write_text(json.dumps(entry) + "\n")
    assert command(tmp_path, "logins") == 0
    assert capsys.readouterr().out == "2026-01-01T00:00:00Z  someone  ok\n"
    assert command(tmp_path, "logins", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [entry]


def test_sequences_are_those_of_the_program():
    table = java("Scenario").split("Map.of(")[1].split(");")[0]
    found = dict(re.findall(r'"(\w+)", List\.of\(([^)]*)\)', table))
    assert {key: tuple(quoted(values)) for key, values in found.items()} == gateway_sim.SEQUENCES


def test_keys_are_those_of_the_program():
    defaults = set(re.findall(r'Map\.entry\("([^"]+)"', java("Scenario")))
    assert {*gateway_sim.SECONDS, *gateway_sim.TEXTS} == defaults - set(gateway_sim.SEQUENCES)


def test_states_are_those_of_the_program():
    text = java()
    said = set(re.findall(r'(?:\bstate|waitFor)\("(\w+)"', text)) | set(
        re.findall(r'String state = "(\w+)"', text)
    )
    refusals = {
        "wrong_password",
        "login_failed",
        "login_error",
        "too_many_attempts",
        "maintenance",
        "connection_failed",
    }
    assert said | refusals | {"stopped", "hung"} == set(gateway_sim.STATES)


def test_commands_are_those_of_the_program():
    ours = set(commands())
    theirs = set(re.findall(r'(?:case |command\.equals\()"([a-z-]+)[ "]', java("Commands")))
    assert ours - {"logins", "wait", "set", "reset", "scenario"} == theirs


def test_every_key_state_and_command_is_documented():
    text = (FOLDER.parents[1] / "docs" / "simulator.md").read_text()
    words = {
        *gateway_sim.SEQUENCES, *gateway_sim.SECONDS, *gateway_sim.TEXTS, *gateway_sim.STATES,
        *commands(),
        *(entry for entries in gateway_sim.SEQUENCES.values() for entry in entries),
    }  # fmt: skip
    assert [word for word in sorted(words) if f"`{word}" not in text] == []


def test_controller_command_explains_itself():
    program = FOLDER.parent / "gateway-sim"
    helped = subprocess.run([sys.executable, program, "--help"], capture_output=True, text=True, check=True)
    assert "--host NAME" in helped.stdout
    missing = subprocess.run(
        [sys.executable, program, "--host", "demo"], capture_output=True, text=True, check=False
    )
    assert missing.returncode == 2
    assert "say what to do, for example: live state" in missing.stderr
