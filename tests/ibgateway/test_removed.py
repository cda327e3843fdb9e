"""An instance that the inventory no longer has: logged out and taken off the host; its data stays."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from rendering import templar

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("remover", ROOT / "roles/ibgateway/files/remove_instances.py")
module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(module)
PROBE = importlib.util.spec_from_file_location("probe_", ROOT / "roles/ibgateway/files/probe.py")
probe = importlib.util.module_from_spec(PROBE)
PROBE.loader.exec_module(probe)


class Systemd:
    """Writes down what it is asked, and has the unit in a state of the test's choice."""

    def __init__(self, state: str = "inactive") -> None:
        self.state = state
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *arguments: str) -> str:
        self.asked.append(arguments)
        return f"{self.state}\n" if arguments[0] == "show" else ""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with the instances old and old-too."""
    for name in ("old", "old-too"):
        for file in (
            f"etc/ibgateway/{name}/instance.toml",
            f"etc/ibgateway/{name}/credentials/password.cred",
            f"etc/systemd/system/ibgateway-login@{name}.timer",
            f"run/ibgateway/{name}/state.json",
            f"var/lib/ibgateway/{name}/settings/jts.ini",
        ):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text("x" * 1000)
    (tmp_path / "etc/ibgateway/firewall.nft").write_text("")
    return tmp_path


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_its_configuration_goes_and_its_data_stays(root: Path) -> None:
    before = files(root)
    module.remove("old", root, Systemd())
    gone = {path for path in before if "/old/" in path or "@old." in path} - {
        "var/lib/ibgateway/old/settings/jts.ini"
    }
    assert len(gone) == 4
    assert files(root) == before - gone
    assert not (root / "etc/ibgateway/old").exists()
    assert module.kept("old", root) == {"name": "old", "data": "/var/lib/ibgateway/old", "mib": 1}


def test_what_could_start_it_again_is_stopped_before_it(root: Path) -> None:
    systemd = Systemd()
    module.remove("old", root, systemd)
    assert systemd.asked == [
        ("disable", "--now", "ibgateway-login@old.timer", "ibgateway-keep-token@old.service"),
        ("disable", "--now", "ibgateway@old.service"),
        ("show", "--property=ActiveState", "--value", "ibgateway@old.service"),
        ("disable", "--now", "ibgateway-display@old.service"),
        ("stop", "ibgateway-*@old.service"),
        ("reset-failed", "ibgateway@old.service"),
        ("daemon-reload",),
    ]


def test_one_that_does_not_stop_keeps_everything(root: Path) -> None:
    before = files(root)
    with pytest.raises(SystemExit, match="'old' is deactivating, though told to stop"):
        module.remove("old", root, Systemd("deactivating"))
    assert files(root) == before


def test_in_check_mode_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(module, "remove", lambda name: pytest.fail(f"{name} was removed"))
    module.main(["--check", "no-such-instance"])
    found = {"name": "no-such-instance", "data": "", "mib": 0}
    assert json.loads(capsys.readouterr().out) == [found]


@pytest.mark.parametrize("name", ["..", "a/b", "", "-x", "*"])
def test_only_names_are_removed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(module, "remove", lambda name: pytest.fail(f"{name} was removed"))
    with pytest.raises(SystemExit, match="is no name of an instance"):
        module.main(["old", name])


def test_the_look_at_the_host_finds_instances_and_nothing_else(root: Path) -> None:
    (root / "etc/ibgateway/empty").mkdir()
    assert probe.instances(root / "etc/ibgateway") == ["old", "old-too"]
    assert probe.instances(root / "nowhere") == []


@pytest.mark.parametrize(
    ("there", "heir"),
    [(["old"], "live"), (["live", "old"], "NEW"), (["old", "older"], "NEW")],
)
def test_the_recipe_names_the_new_one_where_there_is_but_one(there: list[str], heir: str) -> None:
    known = templar(host={"instances": there})
    assert known.template(known.available_variables["_ibgateway_heir"]) == heir
