"""The credential tool, with a stand-in for `systemd-creds` that "encrypts" legibly."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys

import pytest
from ibgatewaylib import credential_tool
from launcher_box import FILES

STANDIN = """#!/bin/sh
for word; do case $word in --name=*) name=${word#--name=} ;; esac; done
echo "$@" >> "$0.calls"
if [ -n "$BROKEN" ]; then echo "Failed to determine local credential key: $BROKEN" >&2; exit 1; fi
case $1 in
  encrypt) printf '%s:' "$name"; cat ;;
  decrypt) content=$(cat "$3"; echo .); content=${content%.}
           case $content in "$name:"*) printf %s "${content#"$name":}" ;;
           *) echo "name mismatch" >&2; exit 1 ;; esac ;;
esac
"""


@pytest.fixture
def creds(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "systemd-creds"
    program.parent.mkdir()
    program.write_text(STANDIN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the tool with a secret on its standard input: (exit code, output, errors)."""

    def call(secret: bytes, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(secret)))
        code = credential_tool.main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_changed_then_unchanged(creds, run, tmp_path):
    file = tmp_path / "credentials" / "password.cred"
    arguments = ("set", "--name", "password", "--file", str(file))
    secret = "s3cret ü\\#".encode()
    assert run(secret, *arguments, "--check") == (0, "changed\n", "")
    assert not file.parent.exists()
    assert run(secret, *arguments) == (0, "changed\n", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    written = file.stat().st_mtime_ns
    assert run(secret + b"\n", *arguments) == (0, "unchanged\n", "")
    assert file.stat().st_mtime_ns == written
    assert run(b"other", *arguments, "--check") == (0, "changed\n", "")
    assert file.stat().st_mtime_ns == written
    assert run(b"other", *arguments) == (0, "changed\n", "")
    assert [path.name for path in file.parent.iterdir()] == ["password.cred"]
    calls = (creds.parent / "systemd-creds.calls").read_text()
    assert "--with-key=host" in calls
    assert "s3cret" not in calls


def test_file_of_another_host_is_replaced(creds, run, tmp_path):
    file = tmp_path / "password.cred"
    file.write_text("username:whatever")
    code, out, err = run(b"secret", "set", "--name", "password", "--file", str(file))
    assert (code, out) == (0, "changed\n")
    assert "cannot be decrypted on this host" in err


def test_systemd_creds_that_fails(creds, run, tmp_path, monkeypatch):
    monkeypatch.setenv("BROKEN", "no space")
    file = tmp_path / "password.cred"
    code, out, err = run(b"secret", "set", "--name", "password", "--file", str(file))
    assert (code, out) == (1, "")
    assert "no space" in err
    assert "run as root" in err
    assert "secret\n" not in err
    assert not file.exists()


def test_systemd_creds_that_is_missing(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = run(b"secret", "set", "--name", "password", "--file", str(tmp_path / "x.cred"))
    assert code == 1
    assert "systemd 250" in err


@pytest.mark.parametrize("secret", [b"", b"\n"])
def test_no_secret(creds, run, tmp_path, secret):
    code, _, err = run(secret, "set", "--name", "password", "--file", str(tmp_path / "x.cred"))
    assert code == 1
    assert "there is no secret: pass it on standard input" in err


def test_several_at_once(creds, run, tmp_path):
    files = {tmp_path / "live" / f"{name}.cred": f"secret of {name} ü\n" for name in ("username", "password")}
    given = json.dumps({str(file): secret for file, secret in files.items()}).encode()
    changed = json.dumps({"changed": [str(file) for file in files]}) + "\n"
    assert run(given, "set-all", "--check") == (0, changed, "")
    assert not (tmp_path / "live").exists()
    assert run(given, "set-all") == (0, changed, "")
    assert run(given, "set-all") == (0, '{"changed": []}\n', "")
    assert {file: file.read_text().partition(":")[2] for file in files} == files
    (tmp_path / "live" / "password.cred").write_text("password:old")
    assert json.loads(run(given, "set-all")[1]) == {"changed": [str(tmp_path / "live" / "password.cred")]}


@pytest.mark.parametrize(
    "given",
    [b"canary", b'["canary"]', b'{"/x/a.cred": 7}', b'{"x.cred": "canary"}', b'{"/x/a b.cred": "canary"}'],
)
def test_several_that_cannot_be_read(creds, run, capsys, given):
    with pytest.raises(SystemExit) as stopped:
        run(given, "set-all")
    assert stopped.value.code == 2
    assert "canary" not in capsys.readouterr().err


def test_of_several_one_that_is_empty_is_named(creds, run, tmp_path):
    code, out, err = run(json.dumps({str(tmp_path / "password.cred"): ""}).encode(), "set-all")
    assert (code, out) == (1, "")
    assert err == "credential password: there is no secret: pass it on standard input\n"


@pytest.mark.parametrize("arguments", [["--name", "a/b", "--file", "/x"], ["--name", "a", "--file", "x"], []])
def test_usage(run, arguments):
    with pytest.raises(SystemExit) as stopped:
        run(b"secret", "set", *arguments)
    assert stopped.value.code == 2


def test_unwritable_place(creds, run, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = run(b"secret", "set", "--name", "a", "--file", str(tmp_path / "file" / "x.cred"))
    assert code == 1
    assert "cannot be written" in err


@pytest.mark.parametrize(("program", "words"), [("credential", "Examples:"), ("ibgatewayctl", "doctor")])
def test_entry_points_explain_themselves(program, words):
    done = subprocess.run(
        [sys.executable, "-IS", FILES / program, "--help"], capture_output=True, text=True, check=True
    )
    assert words in done.stdout
    assert "Exit codes:" in done.stdout
