"""The launcher from end to end, with a stand-in for `java` and for systemd."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest
from ibgatewaylib import consent, credentials, properties
from ibgatewaylib.exitcodes import ConfigurationInvalid
from launcher_box import PASSWORD, SUCCESS, says

pytestmark = pytest.mark.processes

TWO_FACTOR = "Second Factor Authentication"
RESUMED = ["version: 3.25.0", "Re-starting session", "Login has completed", *SUCCESS[-4:]]


# However busy the machine is: what comes next comes to a launcher that is ready.
READY = {"state": "ready"}


def ready_steps(box, *, resumed: bool = False) -> list[dict]:
    lines = [
        line.replace("set to 4001", f"set to {box.api_port}") for line in (RESUMED if resumed else SUCCESS)
    ]
    return [{"command": box.command_port}, *says(*lines), {"api": box.api_port}]


def test_ready_then_stopped_as_asked(box):
    run = box.start(*ready_steps(box))
    run.wait_ready()
    assert box.state_json()["state"] == "ready"
    config = box.run / "config.ini"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    written = properties.parse(config.read_bytes().decode("latin-1"))
    assert (written["IbLoginId"], written["IbPassword"]) == ("trader", PASSWORD)
    assert written["OverrideTwsApiPort"] == str(box.api_port)

    assert run.stop() == 0
    assert box.types() == ["starting", "login_submitted", "ready", "stopping", "stopped"]
    assert box.event("ready")["accounts"] == 2
    assert not config.exists()
    assert "STOPPING=1" in run.notified
    state = box.state_json()
    assert (state["state"], state["java_pid"], state["logins"]) == ("stopped", None, 1)
    assert state["inputs"].keys() == {"ibc.ini", "instance.toml"}
    assert "Configuration tasks completed" in run.log
    assert stat.S_IMODE((box.state / "events.jsonl").stat().st_mode) == 0o640
    assert stat.S_IMODE((box.run / "state.json").stat().st_mode) == 0o640


def test_not_ready_before_the_api_answers(box):
    run = box.start(
        {"command": box.command_port}, *says(*SUCCESS), {"mute_api": box.api_port}, limits={"api_probe": 0.3}
    )
    run.wait_for(lambda: box.state_json()["status"].startswith("logged in, waiting for the API"))
    time.sleep(0.6)
    run.listen()
    assert "READY=1" not in run.notified
    assert run.stop() == 0


def test_api_that_never_answers_ends_the_run(box):
    limits = {"api": 0.8, "api_probe": 0.3, "api_pause": 0.1}
    run = box.start({"command": box.command_port}, *says(*SUCCESS), {"mute_api": box.api_port}, limits=limits)
    assert run.end() == 75
    assert box.event("stuck")["where"] == "api"
    assert "handshake" in box.event("stuck")["text"]
    assert "RESTART sent" in run.log  # logged in: come back without a login


@pytest.mark.parametrize("change", [{"daily_restart": ""}, {"near": True}])
def test_restart_that_would_do_harm_is_a_stop(box, change):
    if change.pop("near", None):
        box.write_windows(time.time() + 300, time.time() + 900)
        (box.settings / "abc").mkdir()
        (box.settings / "abc" / "autorestart").touch()
        lines = RESUMED
    else:
        lines = SUCCESS
    box.write_toml(**change)
    limits = {"api": 0.8, "api_probe": 0.3, "api_pause": 0.1}
    run = box.start({"command": box.command_port}, *says(*lines), {"mute_api": box.api_port}, limits=limits)
    assert run.end() == 75
    assert "RESTART" not in run.log
    assert "STOP sent" in run.log  # logged in: leave in an orderly way


def test_two_factor_is_counted_and_answered(box):
    steps = says(
        *SUCCESS[:9], f"detected dialog entitled: {TWO_FACTOR}; event=Opened", f"{TWO_FACTOR} initiated"
    )
    answered = says(
        f"detected dialog entitled: {TWO_FACTOR}; event=Closed",
        "Duration since login: 2 seconds",
        *SUCCESS[9:],
    )
    run = box.start({"command": box.command_port}, *steps, {"sleep": 2.2}, *answered, {"api": box.api_port})
    run.wait_for(lambda: box.state_json()["state"] == "two_factor")
    run.wait_for(lambda: "STATUS=waiting for IB Key, 1s (2m58s left)" in run.notified)
    run.wait_ready()
    assert run.stop() == 0
    assert box.types()[1:5] == ["login_submitted", "two_factor_waiting", "two_factor_answered", "ready"]


def test_java_killed_is_a_crash(box):
    run = box.start(*ready_steps(box))
    run.wait_ready()
    os.kill(box.state_json()["java_pid"], signal.SIGKILL)
    assert run.end() == 75
    assert box.types()[-1] == "crashed"
    assert box.event("crashed")["signal"] == 9
    assert not (box.run / "config.ini").exists()


def test_helpers_of_java_end_with_it(box):
    java = box.program / "jre" / "bin" / "java"
    java.write_text(java.read_text().replace("exec", "sleep 1000 & echo helper $! ; exec"))
    run = box.start(*ready_steps(box))
    run.wait_ready()
    assert run.stop() == 0
    helper = next(line.split()[1] for line in run.log.splitlines() if line.startswith("helper"))
    deadline = time.monotonic() + 2
    status = Path("/proc") / helper / "status"
    while time.monotonic() < deadline and status.exists() and "State:\tZ" not in status.read_text():
        time.sleep(0.02)
    assert not status.exists() or "State:\tZ" in status.read_text()


def test_token_restart(box):
    run = box.start(*ready_steps(box), READY, {"touch": "abc/autorestart"}, {"exit": 0})
    run.wait_ready()
    assert run.end() == 75
    assert box.event("restart_planned")["kind"] == "token"

    again = box.start({"remove": "abc/autorestart"}, *ready_steps(box, resumed=True))
    again.wait_ready()
    assert "-Drestart=abc" in box.argv()
    assert again.stop() == 0
    assert box.types()[-5:] == ["starting", "token_restart", "ready", "stopping", "stopped"]
    assert box.state_json()["logins"] == 0


def test_leftover_token_does_not_turn_a_stop_into_a_start(box):
    run = box.start(*ready_steps(box), {"touch": "abc/autorestart"})
    run.wait_ready()
    assert run.stop() == 0
    assert box.event("stopped")["token"] is True


def test_stale_token_is_set_aside(box):
    (box.settings / "abc").mkdir()
    (box.settings / "abc" / "autorestart").touch()
    run = box.start(*says("version: 3.25.0", "Re-starting session"), limits={"resuming": 0.5})
    assert run.end() == 75
    assert box.event("stuck")["where"] == "resuming"
    assert not (box.settings / "abc" / "autorestart").exists()
    assert (box.settings / "abc" / "autorestart.unused").exists()


def test_expired_token_is_followed_by_a_login(box):
    (box.settings / "abc").mkdir()
    (box.settings / "abc" / "autorestart").touch()
    steps = [
        *says("version: 3.25.0", "Re-starting session", "Login error message:"),
        {"raw": "Soft token=0 received instead of expected permanent"},
        *says("Cold restart in progress"),
        {"touch": "COLDRESTART{session}"},
        {"exit": 0},
    ]
    run = box.start(*steps)
    assert run.end() == 75
    assert box.types() == ["starting", "token_restart", "restart_planned"]
    assert sorted(path.name for path in box.settings.iterdir()) == ["abc", "jts.ini"]
    assert not (box.settings / "abc" / "autorestart").exists()


def test_two_tokens_are_both_set_aside(box):
    for name in ("abc", "def"):
        (box.settings / name).mkdir()
        (box.settings / name / "autorestart").touch()
    run = box.start(*ready_steps(box))
    run.wait_ready()
    assert "-Drestart" not in box.argv()
    assert not list(box.settings.glob("*/autorestart"))
    assert run.stop() == 0


def test_scheduled_cold_restart(box):
    run = box.start(*ready_steps(box), READY, {"touch": "COLDRESTART{session}"}, {"exit": 0})
    assert run.end() == 75
    assert box.event("restart_planned")["kind"] == "login"
    assert [path.name for path in box.settings.iterdir()] == ["jts.ini"]


def test_pause_keeps_the_token(box):
    run = box.start(
        *ready_steps(box),
        {"touch": "abc/autorestart"},
        {"touch": "PAUSE{session}"},
        READY,
        {"exit": 0},
    )
    assert run.end() == 0
    assert box.event("stopped")["reason"] == "paused"
    assert (box.settings / "abc" / "autorestart").exists()


def test_stop_over_the_command_port_is_as_asked(box):
    run = box.start(*ready_steps(box))
    run.wait_ready()
    with socket.create_connection(("127.0.0.1", box.command_port)) as connection:
        connection.sendall(b"STOP\n")
        assert run.end() == 0
    assert box.event("stopped")["reason"] == "stopped"


@pytest.mark.parametrize(
    "change", [{"login": "consent"}, {"ini": "ClosedownAt=Fri 22:00\n"}], ids=["consent", "closedown"]
)
def test_end_nobody_asked_for_parks(box, change):
    box.write_ini(change.pop("ini", ""))
    box.write_toml(**change)
    consent.grant(box.run, "anna")
    run = box.start(*ready_steps(box), READY, {"exit": 0})
    assert run.end() == 77
    assert box.event("parked")["reason"] == "session_taken"
    assert box.event("session_taken")["again"] is False
    assert box.state_json()["state"] == "parked"


def test_session_taken_is_asked_for_once_more_and_then_given_up(box):
    for code, again in [(75, True), (77, False), (75, True)]:
        run = box.start(*ready_steps(box), READY, {"exit": 0})
        assert run.end() == code
        assert box.events()[-1 if again else -2]["detail"]["again"] is again


@pytest.mark.parametrize(
    ("lines", "kind", "reason"),
    [
        (
            ["detected dialog entitled: Unrecognized Username or Password; event=Opened"],
            "credentials_rejected",
            None,
        ),
        (["Login error message:", "Account is locked", "Cold restart in progress"], "login_refused", None),
        (["Re-login after second factor authentication timeout not required"], "two_factor_missed", None),
        (
            ["detected dialog entitled: Existing; event=Opened", "End this session and so on (scenario 2)"],
            "competing_session",
            None,
        ),
    ],
)
def test_refusals_park_and_end_java(box, lines, kind, reason):
    box.write_toml(login="consent")
    consent.grant(box.run, "anna")
    run = box.start(*says(*SUCCESS[:9], *lines), limits={"own_end": 0.3})
    assert run.end() == 77
    assert box.event("parked")["reason"] == (reason or kind)
    assert kind in box.types()
    assert box.state_json()["state"] == "parked"


def test_java_that_ignores_sigterm_is_killed(box):
    limits = {"term": 0.3, "stop": 0.3}
    run = box.start({"ignore_term": True}, *says(*SUCCESS), {"api": box.api_port}, limits=limits)
    run.wait_ready()
    assert run.stop() == 0
    assert "SIGKILL" in run.log


def test_stop_before_the_command_server_listens(box):
    run = box.start({"sleep": 30})
    run.wait_for(lambda: box.state_json()["java_pid"])
    began = time.monotonic()
    assert run.stop() == 0
    assert time.monotonic() - began < 15


def test_maintenance(box):
    steps = says(
        *SUCCESS[:9],
        "detected dialog entitled: Login; event=Opened",
        "Click button: OK",
        "An exception has occurred:",
    )
    text = {"raw": 'Cannot invoke "javax.swing.JButton.requestFocus()" because "<local3>" is null'}
    run = box.start(*steps, text, *says("Exiting after error with exit code=1100"), {"exit": 76})
    assert run.end() == 75
    assert box.types()[-1] == "maintenance"


def test_unknown_dialog_is_reported_with_its_text_and_ended(box):
    steps = says(
        *SUCCESS[:9], "detected dialog entitled: Login Messages; event=Opened", "Window structure for it"
    )
    dump = [{"raw": "null(javax.swing.JLabel){JLabel: <html>Please read this</html>}"}]
    limits = {"unknown_notice": 0.1, "unknown_dialog": 0.5}
    run = box.start(*steps, *dump, limits=limits)
    assert run.end() == 77
    assert box.event("unknown_dialog") == {"title": "Login Messages", "text": "Please read this"}
    assert box.event("parked")["reason"] == "unknown_dialog"


def test_user_name_never_reaches_the_journal_or_the_events(box):
    (box.credentials / "username").write_text("canaryuser")
    title = "detected dialog entitled: canaryuser Login Messages; event=Opened"
    limits = {"unknown_notice": 0.1, "unknown_dialog": 0.5}
    run = box.start(*says(*SUCCESS[:9], title), limits=limits)
    assert run.end() == 77
    assert box.event("unknown_dialog")["title"] == "*** Login Messages"
    assert "entitled: *** Login Messages" in run.log
    assert "canaryuser" not in run.log + str(run.notified) + (box.run / "state.json").read_text()


def test_java_that_refuses_to_start(box):
    run = box.start({"raw": "Unrecognized VM option 'UseNothing'"}, {"exit": 1})
    assert run.end() == 78
    assert "UseNothing" in box.event("configuration_invalid")["text"]


def test_password_never_reaches_the_journal(box):
    (box.credentials / "password").write_text("canary-1234")
    run = box.start({"password": True}, *ready_steps(box))
    run.wait_ready()
    assert "canary" not in box.argv()
    environment = (Path("/proc") / str(box.state_json()["java_pid"]) / "environ").read_text()
    assert "canary" not in environment
    assert "intruder" not in environment
    assert "NOTIFY_SOCKET" not in environment
    assert run.stop() == 0
    assert "canary" not in run.log
    for file in (box.run / "state.json", box.state / "events.jsonl"):
        assert "canary" not in file.read_text()


# --- faults ---------------------------------------------------------------------------------------


def test_events_that_cannot_be_written_do_not_stop_gateway(box):
    (box.state / "events.jsonl").mkdir()
    run = box.start(*ready_steps(box))
    run.wait_ready()
    (box.state / "events.jsonl").rmdir()
    assert run.stop() == 0
    assert "events cannot be written" in run.log
    assert "are written" in run.log
    assert box.types() == ["starting", "login_submitted", "ready", "stopping", "stopped"]


def test_full_disk_loses_no_event_and_glues_no_line(tmp_path):
    import resource
    import subprocess
    import sys

    file = tmp_path / "events.jsonl"
    code = f"""if True:
        import resource, signal, sys
        sys.path.insert(0, {str(Path(properties.__file__).parents[1])!r})
        from pathlib import Path
        from ibgatewaylib.events import EventLog
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        said = []
        log = EventLog(Path({str(file)!r}), "live", said.append)
        log.emit("ready", {{}})
        size = Path({str(file)!r}).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
        log.emit("stopping", {{}})
        assert Path({str(file)!r}).stat().st_size == size
        log.emit("stopped", {{}})
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert log.behind
        log.retry()
        print(len(said), said)
    """
    assert resource.RLIM_INFINITY
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("2 ")
    lines = file.read_text().splitlines()
    assert [line.split('"type":"')[1].split('"')[0] for line in lines] == ["ready", "stopping", "stopped"]


def refused(box, **environment: str) -> str:
    run = box.start({"exit": 0}, **environment)
    assert run.end() == 78
    assert not (box.run / "config.ini").exists()
    assert box.types() == ["configuration_invalid"]
    text = box.event("configuration_invalid")["text"]
    assert f"STATUS={text}" in run.notified
    return text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name = \n", "not valid TOML"),
        ('name = "live"\n', "lacks api_port"),
        ("\xff", "not valid TOML"),
    ],
)
def test_broken_instance_toml(box, content, words):
    (box.etc / "instance.toml").write_bytes(content.encode("latin-1"))
    text = refused(box)
    assert words in text
    assert "run the playbook" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mode": "demo"}, "mode must be live or paper"),
        ({"heap": "512"}, "heap must be a number"),
        ({"api_port": 70000}, "api_port must be a number from 1 to 65535"),
        ({"api_port": True}, "api_port must be a number"),
        ({"settings_dir": "relative"}, "absolute path"),
        ({"settings_dir": "/with blank"}, "absolute path without blanks"),
        ({"extra": 1}, "unknown key extra"),
        ({"vnc_port": None}, "lacks vnc_port"),
        ({"name": "other"}, "must be 'live'"),
    ],
)
def test_wrong_values_in_instance_toml(box, change, words):
    box.write_toml(**change)
    with pytest.raises(ConfigurationInvalid) as refusal:
        box.instance()
    assert words in str(refusal.value)


def test_missing_instance_toml(box):
    (box.etc / "instance.toml").unlink()
    assert "does not exist" in refused(box)


def test_missing_credentials(box):
    assert "no credentials" in refused(box, CREDENTIALS_DIRECTORY="")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is missing"),
        (b"", "is empty"),
        (b"a\nb", "line break"),
        (b" leading", "begins or ends with a blank"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_unusable_password(box, content, words):
    file = box.credentials / "password"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(ConfigurationInvalid) as refusal:
        credentials.read(str(box.credentials))
    assert words in str(refusal.value)
    assert "vault" in str(refusal.value)


@pytest.mark.parametrize("port", ["api_port", "command_port"])
def test_busy_port(box, port):
    with socket.create_server(("127.0.0.1", getattr(box, port))):
        text = refused(box)
    assert port in text
    assert "ss -ltnp" in text


def test_ini_with_a_credential(box):
    box.write_ini("IbPassword=secret\n")
    text = refused(box)
    assert "IbPassword" in text
    assert "secret" not in text


def test_ini_with_another_port(box):
    box.write_ini(CommandServerPort=1)
    assert "CommandServerPort" in refused(box)


def test_missing_ini(box):
    (box.etc / "ibc.ini").unlink()
    assert "ibc.ini does not exist" in refused(box)


def test_missing_java(box):
    (box.program / "jre" / "bin" / "java").unlink()
    text = refused(box)
    assert "no Java came with Gateway" in text
    assert "java_source" in text


def test_program_that_could_start_itself(box):
    (box.program / "ibgateway").touch()
    assert "renamed" in refused(box)


def test_missing_release(box):
    (box.program / "ibgateway.vmoptions").unlink()
    assert "is not installed" in refused(box)
