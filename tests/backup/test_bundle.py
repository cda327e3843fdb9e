"""A support bundle holds what a helper needs, and no secret in any spelling."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest
from ibgatewaylib import credential_tool, ctl, ctl_bundle, properties, redact
from ibgatewaylib.ctl_host import CtlError, Host

PASSWORD = 'Canary-4b1d-live \\ # ! = : % "$HOME" {żółć} пароль'
URL = "tgram://7000000001:canary-77aa-token/4711?api=http://127.0.0.1:9098"
SECRETS = {
    "username": "canary-3c5e-live",
    "password": PASSWORD,
    "channels": json.dumps(
        [{"name": "phone", "url": URL}, {"name": "mail", "url": "mailtos://u1:canary-mail@x.org"}]
    ),
}
TOKEN = "canary-session-token-0123456789"
VNC = "cAnArY88"
CANARIES = ["canary-3c5e-live", PASSWORD, "canary-77aa-token", "7000000001", "canary-mail", TOKEN, VNC]

ETC = """name = "live"
mode = "live"
gateway_version = "10.45.1"
ibc_version = "3.25.0"
program_dir = "/opt/ibgateway/releases/10.45.1"
ibc_dir = "/opt/ibc/releases/3.25.0"
settings_dir = "{state}/settings"
state_dir = "{state}"
run_dir = "{run}"
display = 4001
api_port = 4001
command_port = 7462
vnc_port = 5900
java_source = "installer"
heap = 768
timezone = "America/New_York"
region = "america"
daily_restart = "17:15"
weekly_login = "Sun 09:30"
login = "consent"
budget_logins = 3
budget_hours = 6
budget_minutes_apart = 5
"""

UNIT = "ActiveState=active\\nSubState=running\\nResult=success\\nExecMainStatus=0\\nMainPID=77\\n"


def spellings(secret: str) -> list[str]:
    raw = secret.encode()
    found = [secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1],
             quote(secret, safe=""), properties.escape(secret)]  # fmt: skip
    return found + [base64.b64encode(b"\0" * shift + raw)[4:-4].decode() for shift in range(3)] + [raw.hex()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host in a folder; its systemctl and journalctl print every secret there is."""
    etc, state, run = tmp_path / "etc/live", tmp_path / "state/live", tmp_path / "run/live"
    for folder in (
        etc / "credentials",
        state / "settings/darykq",
        run,
        tmp_path / "alerting",
        tmp_path / "bin",
    ):
        folder.mkdir(parents=True)
    (etc / "instance.toml").write_text(ETC.format(state=state, run=run))
    (etc / "ibc.ini").write_text("ReadOnlyApi=yes\nSecondFactorDevice=IB Key\n")
    for name in ("username", "password"):
        (etc / f"credentials/{name}.cred").touch()
    (tmp_path / "alerting/channels.cred").touch()
    (tmp_path / "alerting/config.toml").write_text('host = "vps1"\nusers = [4711]\nwho = "Anna"\n')
    (state / "settings/darykq/autorestart").write_text(TOKEN)
    (run / "vnc-password").write_text(VNC)
    careless = "\n".join(f"careless {secret} end" for secret in [*CANARIES, URL])
    (tmp_path / "careless").write_text(careless + "\nU7654321 from 203.0.113.9\n")
    event = {
        "time": "2026-01-01T00:00:00.000Z",
        "instance": "live",
        "type": "stuck",
        "detail": {"text": careless},
    }
    (state / "events.jsonl").write_text(
        json.dumps(event) + "\n" + json.dumps(event, ensure_ascii=False) + "\n"
    )
    (tmp_path / "bin/systemctl").write_text(
        f'#!/bin/sh\ncase "$*" in *list-units*) echo "ibgateway@live.service loaded active running x" ;; '
        f"*) printf '{UNIT}'; cat {tmp_path}/careless ;; esac\n"
    )
    (tmp_path / "bin/journalctl").write_text(f"#!/bin/sh\ncat {tmp_path}/careless\n")
    for tool in (tmp_path / "bin").iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(ctl_bundle, "CONFIG", tmp_path / "alerting/config.toml")
    monkeypatch.setattr(ctl_bundle.os, "geteuid", lambda: 0)
    monkeypatch.setattr(credential_tool, "reveal", lambda name, _file: SECRETS[name].encode())
    return tmp_path


def made(place: Path) -> tuple[dict, dict[str, bytes]]:
    output = place / "bundle.tar.gz"
    result = ctl_bundle.make(Host(place / "etc"), ["live"], output, offline=True)
    assert output.stat().st_mode & 0o777 == 0o600
    with tarfile.open(output) as tar:
        return result, {info.name.partition("/")[2]: tar.extractfile(info).read() for info in tar}


def test_no_secret_in_any_spelling(place: Path):
    result, files = made(place)
    for name, data in files.items():
        for secret in CANARIES:
            for form in spellings(secret):
                assert form.encode() not in data, (name, secret)
        assert b"U7654321" not in data
        assert b"203.0.113.9" not in data
        assert b"Anna" not in data
    assert result["exact"] is True
    assert b"ACCOUNT-1" in files["journal/live.log"]
    assert b"USERNAME-1" in files["journal/live.log"]


def test_what_a_helper_needs_is_there(place: Path):
    result, files = made(place)
    assert json.loads(files["status.json"])["instances"][0]["instance"] == "live"
    assert b"checks:" in files["doctor.txt"]
    assert b"daily restart" in files["schedule.txt"]
    assert b"ReadOnlyApi=yes" in files["config/live/ibc.ini"]
    assert b"stuck" in files["events/live.jsonl"]
    assert b"ActiveState=active" in files["units/ibgateway@live.service.txt"]
    assert b"Python" in files["versions.txt"]
    assert sorted(files) == result["members"]
    # No alerting database here: it says so instead of failing.
    assert "incidents.json" in result["missing"]
    assert b"incidents.json" in files["README.txt"]


def test_a_part_that_breaks_does_not_end_it(place: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError(PASSWORD)

    monkeypatch.setattr(ctl_bundle.ctl_schedule, "show", broken)
    result, files = made(place)
    assert result["missing"]["schedule.txt"].startswith("ZeroDivisionError")
    assert PASSWORD not in result["missing"]["schedule.txt"]
    assert "status.json" in files


def test_a_spelling_that_slips_through_is_left_out(place: Path):
    text = base64.b64encode(b"xy" + PASSWORD.encode()).decode()
    (place / "etc/live/ibc.ini").write_text(f"Odd={text}\n")
    result, files = made(place)
    assert "config/live/ibc.ini" not in files
    assert "held a password" in result["missing"]["config/live/ibc.ini"]


def test_without_root_it_says_so(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ctl_bundle.os, "geteuid", lambda: 1000)
    result, files = made(place)
    assert result["exact"] is False
    assert b"by their looks alone" in files["README.txt"]
    assert "Made without root" in ctl_bundle.lines(result)
    for data in files.values():
        assert b"canary-77aa-token/" not in data
        assert b"U7654321" not in data


def test_a_credential_of_another_host_makes_it_less_sure(place: Path, monkeypatch: pytest.MonkeyPatch):
    def foreign(*_: object) -> bytes:
        raise credential_tool.Failed("another key")

    monkeypatch.setattr(credential_tool, "reveal", foreign)
    assert made(place)[0]["exact"] is False


def test_an_archive_that_is_there_is_not_overwritten(place: Path):
    (place / "bundle.tar.gz").write_text("mine")
    with pytest.raises(CtlError, match="name another one") as refused:
        made(place)
    assert refused.value.code == 2
    assert (place / "bundle.tar.gz").read_text() == "mine"


def test_a_full_disk_leaves_no_half(place: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ctl_bundle.tarfile.TarFile, "addfile", full)
    with pytest.raises(CtlError, match="disk is not full"):
        made(place)
    assert not (place / "bundle.tar.gz").exists()


def test_the_command_tells_where_it_is(place: Path, capsys: pytest.CaptureFixture[str]):
    output = place / "mine.tar.gz"
    assert ctl.main(["support-bundle", "--offline", "--json", "-o", str(output)], place / "etc") == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(output)
    assert output.exists()


# --- the redactor -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "account U1234567 and DU7654321, U1234567 again",
            "account ACCOUNT-1 and ACCOUNT-2, ACCOUNT-1 again",
        ),
        ("from 8.8.8.8:443 to 127.0.0.1:4001, 10.1.2.3", "from IP-1:443 to 127.0.0.1:4001, 10.1.2.3"),
        ("from 2001:db8::7: refused, ::1, fe80::1", "from IP-1: refused, ::1, fe80::1"),
        ("[2001:db8::7]:443", "[IP-1]:443"),
        ("at 12:34:56 on 2026-11-24T12:34:56.789Z", "at 12:34:56 on 2026-11-24T12:34:56.789Z"),
        ("IB Gateway 10.45.1, IBC 3.25.0", "IB Gateway 10.45.1, IBC 3.25.0"),
        ("see https://x.example/a?b=c now", "see https://ADDRESS-1 now"),
        ("file:///usr/local/share/x", "file:///usr/local/share/x"),
        ("bot 7000000001:AAabcdefghijklmnopqrstuvwxyz012345", "bot TOKEN-1"),
        ("mail anna@example.org; unit ibgateway@live.service", "mail MAIL-1; unit ibgateway@live.service"),
        ("IbPassword=hunter2 x", "IbPassword=VALUE-1 x"),
        ('{"api_token": "abc", "token_restarts": 3}', '{"api_token": "VALUE-1", "token_restarts": 3}'),
        ("consent asked for by maria, Maria-Luise", "consent asked for by OPERATOR-1, Maria-Luise"),
        ("sha256 " + "f" * 64, "sha256 " + "f" * 64),
    ],
)
def test_what_looks_like_a_secret(text: str, expected: str):
    assert redact.Redactor([("operator", "maria")])(text) == expected


def test_longer_secrets_first_and_short_ones_as_words():
    redactor = redact.Redactor([("username", "anna12"), ("password", "anna12-secret"), ("password", "abc")])
    assert redactor("anna12-secret anna12 abc abcdef") == "PASSWORD-1 USERNAME-1 PASSWORD-2 abcdef"
    assert redactor.counts == {"password": 2, "username": 1}


def test_parts_of_a_channels_address():
    assert set(redact.of_url(URL)) == {URL, "7000000001", "canary-77aa-token"}
    slack = "slack://tokenA-canary/tokenB-canary/tokenC-canary"
    assert set(redact.of_url(slack)) == {slack, "tokenA-canary", "tokenB-canary", "tokenC-canary"}
    assert redact.of_url("http://[broken") == ["http://[broken"]


def test_json_stays_json():
    text = json.dumps(
        {"a": PASSWORD, "b": ["U1234567", "x=password: y", 'password: "z"'], "acknowledged_by": "Anna"}
    )
    blacked = redact.Redactor([("password", PASSWORD)])(text)
    assert json.loads(blacked)["acknowledged_by"].startswith("VALUE-")
    assert PASSWORD not in blacked


def test_the_bundle_is_read_back_whole(place: Path):
    made(place)
    data = (place / "bundle.tar.gz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert all(info.isreg() and info.mode == 0o600 and (info.uid, info.gid) == (0, 0) for info in tar)
