"""jts.ini: our keys in, everything that Gateway wrote kept."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("jts_ini", ROOT / "roles/ibgateway/files/jts_ini.py")
module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(module)

ZONE = "America/New_York"
SEED = """[Logon]
Locale=en
UseSSL=true
s3store=true
displayedproxymsg=1
TimeZone=America/New_York
[IBGateway]
ApiOnly=true
TrustedIPs=127.0.0.1
"""
WRITTEN = """[IBGateway]
WriteDebug=false
TrustedIPs=127.0.0.1,10.0.0.7
ApiOnly=false

[Logon]
Peer=cdc1.ibllc.com:4000
TimeZone=Europe/Zurich
tradingMode=l

[Communication]
ctciAutoEncrypt=true
"""


def test_seeds_a_missing_file() -> None:
    assert module.merge("", ZONE) == SEED


def test_a_second_merge_changes_nothing() -> None:
    assert module.merge(SEED, ZONE) == SEED
    merged = module.merge(WRITTEN, ZONE)
    assert module.merge(merged, ZONE) == merged


def test_keeps_what_gateway_wrote_and_sets_what_is_ours() -> None:
    lines = module.merge(WRITTEN, ZONE).splitlines()
    kept = ["WriteDebug=false", "TrustedIPs=127.0.0.1,10.0.0.7", "Peer=cdc1.ibllc.com:4000", "tradingMode=l"]
    assert all(line in lines for line in [*kept, "ctciAutoEncrypt=true", "[Communication]"])
    assert "ApiOnly=true" in lines
    assert "ApiOnly=false" not in lines
    logon = lines[lines.index("[Logon]") : lines.index("[Communication]")]
    assert {"TimeZone=America/New_York", "Locale=en", "UseSSL=true", "s3store=true"} <= set(logon)


def test_keeps_line_endings_and_odd_bytes(tmp_path: Path) -> None:
    path = tmp_path / "jts.ini"
    path.write_bytes(b"[Logon]\r\nname=caf\xe9\r\n")
    module.update(path, ZONE)
    content = path.read_bytes()
    assert b"name=caf\xe9\r\n" in content
    assert content.count(b"\n") == content.count(b"\r\n")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_command_makes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "paper" / "settings" / "jts.ini"
    path.parent.mkdir(parents=True)
    monkeypatch.setattr(module, "STATE", tmp_path)
    monkeypatch.setattr(module.os, "geteuid", lambda: 998)
    assert module.main(["paper", ZONE]) == 0
    assert path.read_text() == SEED


def test_what_has_our_keys_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "jts.ini"
    path.write_text(SEED)
    before = path.stat().st_ino
    module.update(path, ZONE)
    assert path.stat().st_ino == before


def test_root_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "STATE", tmp_path)
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    assert module.main(["paper", ZONE]) == 1
    assert "runuser -u ibgateway" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
