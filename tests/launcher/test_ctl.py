"""`ibgatewayctl`, with stand-ins for systemctl and journalctl."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from ibgatewaylib import config, ctl, ctl_events, ctl_follow, statefile

SYSTEMCTL = """#!/bin/sh
# State is a file of KEY=VALUE lines; start and stop replace it by what a test prepared.
here=${0%/*}
[ "$1" = --no-ask-password ] && shift
echo "$*" >> "$here/calls"
[ -e "$here/denied" ] && [ "$1" != show ] && { echo "Failed to $1 unit: Access denied" >&2; exit 4; }
case $1 in
  show) cat "$here/unit" ;;
  start | stop) [ -e "$here/after-$1" ] && sh "$here/after-$1"; exit 0 ;;
esac
"""


class Systemd:
    """The stand-in's files."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        for name, text in (("systemctl", SYSTEMCTL), ("journalctl", '#!/bin/sh\necho journal "$@"\n')):
            (place / name).write_text(text)
            (place / name).chmod(0o755)
        self.unit("inactive", "dead", pid=0)

    def unit(self, active: str, sub: str, result: str = "success", status: int = 0, pid: int = 77) -> None:
        (self.place / "unit").write_text(self.text(active, sub, result, status, pid))

    @staticmethod
    def text(active: str, sub: str, result: str = "success", status: int = 0, pid: int = 77) -> str:
        return (
            f"Result={result}\nExecMainStatus={status}\nMainPID={pid}\nActiveState={active}\nSubState={sub}\n"
        )

    def calls(self) -> list[str]:
        lines = (self.place / "calls").read_text().splitlines()
        return [line for line in lines if not line.startswith("show")]


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    stand_in = Systemd(tmp_path / "systemd")
    monkeypatch.setattr(ctl_follow, "_PAUSE", 0.05)
    monkeypatch.setenv("PATH", f"{stand_in.place}:{os.environ['PATH']}")
    return stand_in


@pytest.fixture
def run(box, systemd, capsys):
    """Run the command: (exit code, output, errors)."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = ctl.main(list(arguments), box.etc.parent)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def write_state(box, state: str, status: str = "", **more: object) -> dict:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    content = {
        "instance": "live",
        "mode": "live",
        "state": state,
        "since": now,
        "started": now,
        "status": status or state,
        "pid": 77,
        "api_port": box.api_port,
        "gateway_version": "10.37.1",
        "ibc_version": "3.25.0",
        "inputs": config.fingerprints(box.instance()),
        "last_event": {"time": now, "instance": "live", "type": "ready", "detail": {"accounts": 1}},
        **more,
    }
    statefile.write(box.run / "state.json", content)
    return content


def test_ready(box, systemd, run):
    systemd.unit("active", "running")
    write_state(box, "ready")
    code, out, _ = run("status", "live")
    assert code == 0
    assert out.startswith("live  live  ready  since ")
    assert f"API 127.0.0.1:{box.api_port}, Gateway 10.37.1, IBC 3.25.0, unit active (running)" in out
    assert "ready  accounts=1" in out
    assert "pending" not in out
    assert "to do:" not in out


def test_status_as_json(box, systemd, run):
    systemd.unit("active", "running")
    write_state(box, "ready")
    code, out, _ = run("status", "live", "--json")
    [status] = json.loads(out)["instances"]
    assert code == 0
    assert status["state"] == "ready"
    assert status["unit"] == {
        "active_state": "active",
        "sub_state": "running",
        "result": "success",
        "exit_status": 0,
        "main_pid": 77,
    }
    assert status["pending"] == []


def test_parked_says_what_to_do(box, systemd, run):
    systemd.unit("failed", "failed", "exit-code", 77, 0)
    write_state(box, "parked", "IB Key was not answered in time")
    code, out, _ = run("status", "live")
    assert code == 1
    assert "IB Key was not answered in time" in out
    assert "to do: settle the cause, then `ibgatewayctl login live`" in out


def test_changed_files_are_pending(box, systemd, run):
    systemd.unit("active", "running")
    write_state(box, "ready")
    box.write_ini("ReadOnlyApi=no\n")
    credentials = box.etc / "credentials"
    credentials.mkdir()
    (credentials / "password.cred").touch()
    later = time.time() + 60
    os.utime(credentials / "password.cred", (later, later))
    code, out, _ = run("status", "live")
    assert code == 0
    assert "restart pending: ibc.ini changed, password.cred changed" in out


def test_never_started(run):
    code, out, _ = run("status", "live")
    assert code == 1
    assert "live  live  stopped" in out
    assert "not started since the host booted" in out


def test_launcher_that_died_without_a_word(box, systemd, run):
    systemd.unit("failed", "failed", "signal", 9, 0)
    write_state(box, "ready")
    code, out, _ = run("status", "live")
    assert code == 1
    assert "failed" in out
    assert "ended unexpectedly (signal)" in out


@pytest.mark.parametrize("unit", [("start", 78), ("start-pre", 0)], ids=["launcher", "before it"])
def test_state_of_the_run_before_is_not_shown(box, systemd, run, unit):
    sub, pid = unit
    systemd.unit("activating", sub, pid=pid)
    write_state(box, "parked", "old news")
    _, out, _ = run("status", "live")
    assert "old news" not in out
    assert "starting the launcher" in out


@pytest.mark.parametrize("sub", ["auto-restart", "auto-restart-queued"])
def test_between_two_runs_the_end_of_the_first_is_shown(box, systemd, run, sub):
    systemd.unit("activating", sub, "exit-code", 75, 0)
    write_state(box, "starting", "Gateway restarts with its saved session")
    assert "Gateway restarts with its saved session" in run("status", "live")[1]


def test_unknown_instance(run):
    code, _, err = run("status", "livee")
    assert code == 4
    assert "did you mean live?" in err


def test_no_instances(box, systemd, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert ctl.main(["status"], tmp_path / "empty") == 4
    assert "run the playbook" in capsys.readouterr().err


def test_broken_configuration(box, run):
    (box.etc / "instance.toml").write_text("name =")
    code, _, err = run("status")
    assert code == 1
    assert "not valid TOML" in err


def test_not_permitted_to_read(box, run, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    code, _, err = run("status")
    assert code == 3
    assert "ibc_operators" in err


def test_usage(run):
    with pytest.raises(SystemExit) as stopped:
        run("sttus")
    assert stopped.value.code == 2


def shell(systemd: Systemd, verb: str, *steps: str) -> None:
    """What the stand-in does after `start` or `stop`, in the background."""
    (systemd.place / f"after-{verb}").write_text("(" + "\n".join(steps) + ") >/dev/null 2>&1 &\n")


def becomes(systemd: Systemd, *unit: object) -> str:
    (systemd.place / f"next{len(list(systemd.place.iterdir()))}").write_text(systemd.text(*unit))
    newest = max(systemd.place.glob("next*"), key=lambda path: int(path.name[4:]))
    return f"cp {newest} {systemd.place}/unit.new; mv {systemd.place}/unit.new {systemd.place}/unit"


def state_becomes(box, state: str, status: str) -> str:
    content = write_state(box, state, status)
    copy = box.root / f"state-{state}"
    copy.write_text(json.dumps(content))
    (box.run / "state.json").unlink()
    return f"cp {copy} {box.run}/new; mv {box.run}/new {box.run}/state.json"


def test_start_follows_until_ready(box, systemd, run):
    waiting = state_becomes(box, "two_factor", "waiting for IB Key, 3s (2m57s left)")
    ready = state_becomes(box, "ready", "ready")
    activating, active = becomes(systemd, "activating", "start"), becomes(systemd, "active", "running")
    shell(systemd, "start", waiting, activating, "sleep 0.3", ready, active)
    code, out, _ = run("start", "live")
    assert code == 0
    assert "live: waiting for IB Key" in out
    assert out.splitlines()[-1] == "live: ready"
    assert systemd.calls() == [
        "reset-failed ibgateway@live.service",
        "start --no-block ibgateway@live.service",
    ]


def test_start_does_not_begin_with_the_end_of_the_run_before(box, systemd, run):
    write_state(box, "stopped", "stopped as asked")
    copy = (box.run / "state.json").read_text()
    ready = state_becomes(box, "ready", "ready")
    (box.run / "state.json").write_text(copy)
    shell(systemd, "start", becomes(systemd, "activating", "start-pre", "success", 0, 0), "sleep 0.3", ready,
          becomes(systemd, "active", "running"))  # fmt: skip
    code, out, _ = run("start", "live")
    assert code == 0
    assert "stopped" not in out
    assert "live: starting the launcher" in out


def test_start_that_parks(box, systemd, run):
    parked = state_becomes(box, "parked", "IBKR does not accept this user name or password")
    shell(systemd, "start", becomes(systemd, "activating", "start"), "sleep 0.3", parked,
          becomes(systemd, "failed", "failed", "exit-code", 77, 0))  # fmt: skip
    code, out, _ = run("start", "live")
    assert code == 1
    assert "does not accept" in out
    assert "next: settle the cause" in out


def test_start_that_never_begins(systemd, run, monkeypatch):
    monkeypatch.setattr(ctl_follow, "_BEGIN", 0.3)
    code, _, err = run("start", "live")
    assert code == 1
    assert "ibgateway-display@live" in err


def test_start_of_a_running_instance(box, systemd, run):
    systemd.unit("active", "running")
    write_state(box, "ready")
    code, out, _ = run("start", "live")
    assert code == 0
    assert "running already" in out
    assert not (systemd.place / "calls").read_text().count("start ")


def test_stop_follows_until_stopped(box, systemd, run):
    systemd.unit("active", "running")
    stopped = state_becomes(box, "stopped", "stopped as asked")
    write_state(box, "stopping", "logging out")
    shell(systemd, "stop", becomes(systemd, "deactivating", "stop-sigterm"), "sleep 0.3", stopped,
          becomes(systemd, "inactive", "dead", "success", 0, 0))  # fmt: skip
    code, out, _ = run("stop", "live")
    assert code == 0
    assert "logging out" in out
    assert out.splitlines()[-1] == "live: stopped as asked"


def test_stop_of_a_parked_instance_clears_it(systemd, run):
    systemd.unit("failed", "failed", "exit-code", 77, 0)
    code, out, _ = run("stop", "live")
    assert (code, out) == (0, "live is not running\n")
    assert systemd.calls() == ["reset-failed ibgateway@live.service"]


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_not_permitted_to_manage(systemd, run, verb):
    systemd.unit("activating", "start")
    (systemd.place / "denied").touch()
    code, _, err = run(verb, "live")
    assert code == 3
    assert "ibc_operators" in err


def event(number: int) -> str:
    moment = datetime(2026, 11, 24, 3, 0, tzinfo=UTC) + timedelta(seconds=number)
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return json.dumps(
        {"time": stamp, "instance": "live", "type": "ready", "detail": {"n": number, "text": ""}}
    )


def test_events(box, run):
    file = box.state / "events.jsonl"
    file.with_name("events.jsonl.1").write_text("\n".join(event(n) for n in range(3)) + "\n")
    file.write_text(event(3) + "\n{damaged\n" + event(4) + "\n")
    code, out, _ = run("events", "live", "-n", "3")
    assert code == 0
    assert out.splitlines() == [
        "2026-11-24 03:00:02 UTC  ready  n=2",
        "2026-11-24 03:00:03 UTC  ready  n=3",
        "2026-11-24 03:00:04 UTC  ready  n=4",
    ]
    code, out, _ = run("events", "live", "-n", "1", "--json")
    assert json.loads(out)["detail"]["n"] == 4


def test_no_events_yet(run):
    assert run("events", "live") == (0, "", "")


def test_following_survives_rotation(tmp_path, monkeypatch):
    rounds = threading.Semaphore(0)

    def pause(_: float) -> None:
        rounds.release()
        time.sleep(0.01)

    def looks() -> None:
        """Wait until it has looked once more, from the beginning of a round."""
        while rounds.acquire(blocking=False):
            pass
        for _ in range(2):
            assert rounds.acquire(timeout=10)

    monkeypatch.setattr(ctl_events, "time", SimpleNamespace(sleep=pause))
    file = tmp_path / "events.jsonl"
    file.write_text(event(0) + "\n")
    seen: list[int] = []

    def show(shown: dict) -> None:
        seen.append(shown["detail"]["n"])
        if seen[-1] == 3:
            raise KeyboardInterrupt

    def follow() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            ctl_events.follow(file, show)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    looks()
    with file.open("a") as stream:
        stream.write(event(1) + "\n" + event(2)[:10])
        stream.flush()
        looks()
        stream.write(event(2)[10:] + "\n")
    looks()
    file.rename(tmp_path / "events.jsonl.1")
    looks()
    file.write_text(event(3) + "\n")
    follower.join(10)
    assert seen == [1, 2, 3]


def test_log_is_the_journal(box, systemd, tmp_path):
    import subprocess
    import sys

    from launcher_box import FILES

    code = f"import sys; sys.path.insert(0, {str(FILES)!r})\n"
    code += "from pathlib import Path\nfrom ibgatewaylib.ctl import main\n"
    code += f"main(['log', 'live', '-n', '7', '-f'], Path({str(box.etc.parent)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        done.stdout
        == "journal --no-pager --output=short-iso --unit=ibgateway@live.service --lines=7 --follow\n"
    )
