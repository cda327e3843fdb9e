"""`scripts/ops lock`: what the publishers have is recorded once, kept, and compared."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml
from lock_desk import GATEWAY_NAME, IBC_NAME, INSTALLER, Desk, sha256
from publisher import AARCH64, IBC_VERSION, VERSION, ibc_zip, installer

from scripts.lib import ops
from scripts.lib.artifacts import lockfile

ROOT = Path(__file__).resolve().parents[2]


def test_the_first_run_records_what_it_saw_and_keeps_the_files(desk: Desk) -> None:
    assert desk.run() == 0
    content = installer()
    assert desk.locked() == {
        "ibgateway_artifacts": {
            VERSION: {
                "path": f"../artifacts/{GATEWAY_NAME}",
                "url": f"{desk.server.url}{INSTALLER}",
                "sha256": sha256(content),
                "size": len(content),
                "first_seen": "2026-11-24",
            }
        },
        "ibc_artifacts": {
            IBC_VERSION: {
                "path": f"../artifacts/{IBC_NAME}",
                "url": f"{desk.server.url}/{IBC_NAME}",
                "sha256": sha256(ibc_zip()),
                "size": len(ibc_zip()),
                "first_seen": "2026-11-24",
            }
        },
    }
    assert desk.files() == [IBC_NAME, GATEWAY_NAME]
    assert (desk.mirror / GATEWAY_NAME).read_bytes() == content
    assert "IB Gateway 10.45.1e" in desk.said()


def test_a_second_run_writes_nothing_and_downloads_nothing(desk: Desk) -> None:
    desk.run()
    files = desk.lock, desk.mirror / GATEWAY_NAME
    before = [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files]
    desk.server.requests.clear()
    code, found = desk.json(day=date(2027, 1, 1))
    assert code == 0
    assert {entry["action"] for entry in found.values()} == {"unchanged"}
    assert [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files] == before
    assert desk.server.asked(INSTALLER) == [], "size and date told that it is the same"


def test_a_new_version_is_told_and_added_on_request_only(desk: Desk) -> None:
    desk.run()
    desk.server.offer_gateway("10.46.1a", installer("10.46.1a"))
    code, found = desk.json()
    assert (code, found["ibgateway 10.46.1a"]["action"]) == (0, "not locked")
    assert list(desk.locked()["ibgateway_artifacts"]) == [VERSION]
    assert desk.run("--update", day=date(2026, 12, 1)) == 0
    assert list(desk.locked()["ibgateway_artifacts"]) == [VERSION, "10.46.1a"], (
        "the old one is for going back"
    )
    assert desk.locked()["ibgateway_artifacts"]["10.46.1a"]["first_seen"] == "2026-12-01"


def test_the_other_channel(desk: Desk) -> None:
    desk.server.offer_gateway("10.46.1a", installer("10.46.1a"), "latest")
    assert desk.run("--channel", "latest") == 0
    assert list(desk.locked()["ibgateway_artifacts"]) == ["10.46.1a"]
    assert desk.run("--channel", "beta") == 1
    assert "There is no channel beta: choose one of stable, latest." in desk.said()


@pytest.mark.processes
def test_ansible_reads_the_lock_as_the_inventorys_variables(desk: Desk) -> None:
    desk.run()
    command = [Path(sys.executable).parent / "ansible-inventory", "-i", desk.inventory, "--host", "vps1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout).items() >= desk.locked().items()


def test_check_changes_nothing_and_says_what_is_not_locked(desk: Desk) -> None:
    code, found = desk.json("--check")
    assert (code, {entry["action"] for entry in found.values()}) == (3, {"not locked"})
    assert not desk.lock.exists()
    assert not desk.mirror.exists()
    desk.run()
    assert desk.run("--check") == 0
    (desk.mirror / IBC_NAME).unlink()
    code, found = desk.json("--check")
    assert (code, found[f"ibc {IBC_VERSION}"]["action"]) == (3, "missing")
    assert desk.files() == [GATEWAY_NAME]


def test_check_tells_of_a_publisher_that_cannot_be_reached(desk: Desk) -> None:
    desk.run()
    desk.server.faults["/stable/version.json"] = [("status", 500)]
    assert desk.run("--check") == 1


def test_files_at_hand_are_locked_without_a_publisher(desk: Desk) -> None:
    (desk.downloads / "ibgateway-stable-standalone-linux-x64.sh").write_bytes(installer())
    (desk.downloads / IBC_NAME).write_bytes(ibc_zip())
    (desk.downloads / "holiday.jpg").write_bytes(b"x")
    assert desk.run("--from", str(desk.downloads)) == 0
    assert desk.server.requests == []
    (gateway,) = desk.locked()["ibgateway_artifacts"].items()
    assert gateway == (
        VERSION,
        {
            "path": f"../artifacts/{GATEWAY_NAME}",
            "sha256": sha256(installer()),
            "size": len(installer()),
            "first_seen": "2026-11-24",
        },
    )
    assert desk.files() == [IBC_NAME, GATEWAY_NAME]
    assert desk.run("--from", str(desk.downloads), "--check") == 0
    assert desk.run("--from", str(desk.mirror)) == 0, "the mirror itself"


def test_files_that_lie_in_the_mirror_already_are_locked_there(desk: Desk) -> None:
    desk.mirror.mkdir()
    (desk.mirror / GATEWAY_NAME).write_bytes(installer())
    assert desk.run("--from", str(desk.mirror)) == 0
    assert list(desk.locked()["ibgateway_artifacts"]) == [VERSION]
    assert desk.files() == [GATEWAY_NAME]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (GATEWAY_NAME, b"<html><body>404</body></html>", "is a web page, not IBKR's offline Linux installer"),
        (GATEWAY_NAME, b"", "is empty, not"),
        (GATEWAY_NAME, installer(machine=AARCH64), "brings a Java for aarch64"),
        (f"ibgateway-{VERSION}-standalone-linux-arm.sh", installer(), "is not for Linux on x86_64"),
        (f"ibgateway-{VERSION}-standalone-windows-x64.exe", b"MZ", "is not for Linux on x86_64"),
        (f"IBCWin-{IBC_VERSION}.zip", ibc_zip(), "is not for Linux on x86_64"),
        (IBC_NAME, b"<html>", "is a web page, or damaged, not IBC's Linux release"),
        ("ibgateway-stable-standalone-linux-x64.sh", installer("soon"), "does not tell its version: name it"),
        ("ibgateway-10.37.1-standalone-linux-x64.sh", installer(), "holds build 10.45.1e, not 10.37.1"),
    ],
)
def test_a_wrong_file_at_hand_is_refused(desk: Desk, name: str, content: bytes, sentence: str) -> None:
    (desk.downloads / name).write_bytes(content)
    assert desk.run("--from", str(desk.downloads)) == 1
    assert sentence in desk.said()
    assert not desk.lock.exists()
    assert desk.files() == []


def test_a_file_at_hand_that_is_not_the_locked_one_is_refused(desk: Desk) -> None:
    desk.run()
    (desk.downloads / GATEWAY_NAME).write_bytes(installer(seed=4))
    assert desk.run("--from", str(desk.downloads)) == 1
    assert "is not the one that was locked" in desk.said()
    assert (desk.mirror / GATEWAY_NAME).read_bytes() == installer()


def test_a_folder_without_files_is_told(desk: Desk) -> None:
    assert desk.run("--from", str(desk.downloads)) == 1
    assert "put one there" in desk.said()
    assert desk.run("--from", str(desk.downloads / "no")) == 1
    assert "cannot be read (No such file or directory)" in desk.said()


def test_a_file_of_a_colleague_gets_its_address_later(desk: Desk) -> None:
    (desk.downloads / GATEWAY_NAME).write_bytes(installer())
    assert desk.run("--from", str(desk.downloads)) == 0
    (desk.mirror / GATEWAY_NAME).unlink()
    assert desk.run(day=date(2027, 1, 1)) == 0
    entry = desk.locked()["ibgateway_artifacts"][VERSION]
    assert (entry["url"], entry["first_seen"]) == (f"{desk.server.url}{INSTALLER}", "2026-11-24")


def test_the_text_is_stable_and_its_order_is_that_of_versions(tmp_path: Path) -> None:
    entry = {"size": 5, "sha256": "ab" * 32, "first_seen": "2026-11-24", "note": "mine", "path": "a"}
    lock = {"ibgateway": {"10.9.1": entry, "10.45.1e": entry, "10.45.1": entry}, "ibc": {}}
    text = lockfile.render(lock)
    assert list(yaml.safe_load(text)["ibgateway_artifacts"]) == ["10.9.1", "10.45.1", "10.45.1e"]
    assert list(yaml.safe_load(text)["ibgateway_artifacts"]["10.9.1"]) == [
        *("path", "sha256", "size", "first_seen", "note")
    ]
    file = tmp_path / "lock.yml"
    file.write_text(text)
    file.chmod(0o640)
    assert lockfile.render(lockfile.read(file)) == text
    lockfile.write(file, {"ibgateway": {}, "ibc": {}})
    assert file.stat().st_mode & 0o777 == 0o640


def test_the_examples_lock_is_an_empty_one() -> None:
    example = ROOT / "inventories/example/group_vars/gateways/artifacts.lock.yml"
    assert example.read_text() == lockfile.render({"ibgateway": {}, "ibc": {}})


def test_a_lock_written_by_hand_stays_valid(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "gateway.sh").write_bytes(installer())
    monkeypatch.chdir(tmp_path)
    desk.lock.parent.mkdir(parents=True)
    entry = {"path": "old/gateway.sh", "sha256": sha256(installer()).upper(), "size": len(installer())}
    desk.lock.write_text(yaml.safe_dump({"ibgateway_artifacts": {VERSION: entry}}))
    assert desk.run() == 0
    assert desk.locked()["ibgateway_artifacts"] == {VERSION: entry}
    assert desk.files() == [IBC_NAME]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[", "cannot be read"),
        ("other: 1\n", "holds more than ibgateway_artifacts and ibc_artifacts"),
        ("ibgateway_artifacts: {10.45: {}}\n", "must be versions, in quotes"),
        ("ibgateway_artifacts: {'10.45': {size: 1}}\n", "needs sha256"),
        (
            f"ibc_artifacts: {{'3.24.1': {{sha256: '{'0' * 64}', size: 0}}}}\n",
            "or remove the entry and run again",
        ),
    ],
)
def test_a_lock_that_cannot_be_understood_is_left_alone(desk: Desk, text: str, sentence: str) -> None:
    desk.lock.parent.mkdir(parents=True)
    desk.lock.write_text(text)
    assert desk.run() == 1
    assert sentence in desk.said()
    assert desk.lock.read_text() == text


def test_a_group_file_is_not_put_out_of_action(desk: Desk) -> None:
    (desk.inventory / "group_vars").mkdir()
    (desk.inventory / "group_vars/gateways.yml").write_text("a: 1\n")
    assert desk.run() == 1
    assert "would not be read any more beside a folder gateways/" in desk.said()
    assert not desk.lock.parent.exists()


def test_a_mirror_elsewhere_is_named_in_full(desk: Desk, tmp_path: Path) -> None:
    assert desk.run("--mirror", str(tmp_path / "m"), "--lock", str(tmp_path / "l.yml")) == 0
    entry = yaml.safe_load((tmp_path / "l.yml").read_text())["ibc_artifacts"][IBC_VERSION]
    assert entry["path"] == str(tmp_path / "m" / IBC_NAME)


def test_usage(desk: Desk, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert desk.run("--update", "--check") == 2
    assert ops.main(["lock"]) == 2
    assert "name your inventory" in capsys.readouterr().err
    assert ops.main(["lock", "-i", str(tmp_path / "none")]) == 1
    assert "There is no inventory" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        ops.main(["lock", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for words in ("scripts/ops lock -i inventories/mine --update", "Exit codes", "--from DIR"):
        assert words in shown


def test_publishers_are_named_in_full(desk: Desk) -> None:
    desk.publishers.write_text('{"ibgateway": {"channels": ["stable"]}}')
    assert desk.run() == 1
    assert "must name ibgateway.channels" in desk.said()


def test_an_address_that_is_no_web_address_is_refused(desk: Desk) -> None:
    desk.publishers.write_text(desk.publishers.read_text().replace("http://", "file://"))
    assert desk.run() == 1
    assert "is no http or https address" in desk.said()
