"""The display's server, and the command that shows the way to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ctl_stand_ins import ROOT
from free_ports import free_port
from ibgatewaylib import vnc

FILES = ROOT / "roles" / "ibc" / "files"

# Takes the place of x11vnc: notes its arguments, listens where it is told, reads the password's file.
X11VNC = f"""#!{sys.executable}
import json, pathlib, socket, sys, time
arguments = sys.argv[1:]
password = pathlib.Path(arguments[arguments.index("-passwdfile") + 1]).read_text()
pathlib.Path(__file__).with_name("called").write_text(json.dumps([arguments, password]))
port = int(arguments[arguments.index("-rfbport") + 1])
with socket.create_server(("127.0.0.1", port)):
    time.sleep(30)
"""


@pytest.fixture
def x11vnc(box, tmp_path, monkeypatch):
    place = tmp_path / "bin"
    place.mkdir()
    (place / "x11vnc").write_text(X11VNC)
    (place / "x11vnc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    (box.run / "Xauthority").touch()
    text = (box.etc / "instance.toml").read_text()
    port = free_port()
    (box.etc / "instance.toml").write_text(text.replace("vnc_port = 5900", f"vnc_port = {port}"))
    return place


def test_it_runs_until_told_to_stop(box, x11vnc):
    code = f"import sys; sys.path.insert(0, {str(FILES)!r})\nfrom pathlib import Path\n"
    code += f"from ibgatewaylib.vnc import main\nsys.exit(main(['live'], Path({str(box.etc.parent)!r})))"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 5
        while not (x11vnc / "called").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        arguments, password = json.loads((x11vnc / "called").read_text())
        file = box.run / vnc.PASSWORD
        assert file.stat().st_mode & 0o777 == 0o640
        assert len(password.strip()) == 8
        assert password.strip() not in " ".join(arguments)
        for wanted in ("-localhost", "-noipv6", "-no6", "-passwdfile"):
            assert wanted in arguments
        assert arguments[arguments.index("-display") + 1] == f":{box.instance().display}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert not file.exists()


def test_x11vnc_that_ends_at_once(box, x11vnc, capsys):
    (x11vnc / "x11vnc").write_text("#!/bin/sh\nexit 1\n")
    assert vnc.main(["live"], box.etc.parent) == 1
    assert "does not listen" in capsys.readouterr().err
    assert not (box.run / vnc.PASSWORD).exists()


@pytest.mark.parametrize("arguments", [[], ["../live"], ["live", "more"]])
def test_arguments(box, arguments):
    assert vnc.main(arguments, box.etc.parent) == 78


def test_without_a_display(box, x11vnc, capsys):
    (box.run / "Xauthority").unlink()
    assert vnc.main(["live"], box.etc.parent) == 78
    assert "no display now" in capsys.readouterr().err


def test_without_x11vnc(box, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert vnc.main(["live"], box.etc.parent) == 78
    assert "not installed" in capsys.readouterr().err


@pytest.fixture
def display(systemd, box):
    systemd.set("active", "running", unit="ibgateway-display@live.service")
    unit = "ibgateway-vnc@live.service"
    systemd.on("start", lambda: (box.run / vnc.PASSWORD).write_text("s3cretpw\n"), unit=unit)
    return unit


def test_command(systemd, display, run, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "alice")
    code, out, _ = run("vnc", "live")
    assert code == 0
    assert systemd.calls == [f"start {display}"]
    assert "ssh -N -L 5900:127.0.0.1:5900 alice@" in out
    assert out.count("s3cretpw") == 1


def test_command_as_json(display, run):
    assert json.loads(run("vnc", "live", "--json")[1])["password"] == "s3cretpw"


def test_command_without_display(systemd, run):
    code, _, err = run("vnc", "live")
    assert code == 1
    assert "`ibgatewayctl start live` first" in err


def test_command_that_is_not_permitted(systemd, display, run):
    systemd.denied.add(display)
    assert run("vnc", "live")[0] == 3


def test_password_that_may_not_be_read(display, run, monkeypatch):
    read = Path.read_text

    def refuse(file, *arguments, **options):
        if file.name == vnc.PASSWORD:
            raise PermissionError(13, "Permission denied")
        return read(file, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert run("vnc", "live")[0] == 3
