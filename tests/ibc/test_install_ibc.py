"""IBC is installed whole or not at all, and only what is locked."""

from __future__ import annotations

import hashlib
import importlib.util
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from host_look import look
from ibc_host import ibc_missing_releases

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "ibc" / "files" / "install_release.py"
SPEC = importlib.util.spec_from_file_location("install_ibc_release", SCRIPT)
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


CONTENT = {
    "IBC.jar": "jar",
    "version": "3.24.1",
    "config.ini": "FIX=no\r\n",
    "scripts/ibcstart.sh": "#!/bin/bash\n",
    "gatewaystart.sh": "#!/bin/bash\n",
    "scripts/StartIBC.bat": "windows",
}


def make_zip(place: Path, content: dict[str, str]) -> Path:
    """Write a ZIP without modes, as IBC's own is."""
    with zipfile.ZipFile(place, "w") as archive:
        for name, text in content.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return place


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """IBC's release ZIP in small."""
    return make_zip(tmp_path / "IBCLinux-3.24.1.zip", CONTENT)


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """An empty folder of releases."""
    folder = tmp_path / "releases"
    folder.mkdir()
    return folder


def install(artifact: Path, releases: Path, version: str = "3.24.1", **lock: Any) -> bool:
    """Install an artifact by its true lock, or by the one given."""
    found = {"sha256": sha256(artifact), "size": artifact.stat().st_size} | lock
    return script.install(artifact, version, found["sha256"], found["size"], releases)


def refusal(artifact: Path, releases: Path, **how: Any) -> str:
    """The sentence with which an artifact is refused; nothing may be left behind."""
    with pytest.raises(script.RefusedError) as caught:
        install(artifact, releases, **how)
    assert list(releases.iterdir()) == []
    assert str(caught.value).endswith(".")
    return str(caught.value)


def modes(folder: Path) -> dict[str, str]:
    """Every path under a folder with its mode."""
    return {str(path.relative_to(folder)): stat.filemode(path.stat().st_mode) for path in folder.rglob("*")}


def test_the_zip_becomes_a_release_that_all_can_read_and_whose_scripts_run(
    artifact: Path, releases: Path
) -> None:
    assert install(artifact, releases) is True
    assert modes(releases / "3.24.1") == {
        "IBC.jar": "-rw-r--r--",
        "version": "-rw-r--r--",
        "config.ini": "-rw-r--r--",
        "gatewaystart.sh": "-rwxr-xr-x",
        "scripts": "drwxr-xr-x",
        "scripts/ibcstart.sh": "-rwxr-xr-x",
        ".installed": "-rw-r--r--",
    }


def test_the_wheel_has_the_same_layout(wheel: Path, releases: Path) -> None:
    assert install(wheel, releases, version="3.25.0") is True
    found = modes(releases / "3.25.0")
    assert {"IBC.jar", "version", "config.ini", "scripts/ibcstart.sh"} <= found.keys()
    assert found["scripts/ibcstart.sh"] == "-rwxr-xr-x"
    assert not [name for name in found if name.endswith((".py", ".bat", ".vbs"))]


def test_a_second_run_changes_nothing(artifact: Path, releases: Path) -> None:
    install(artifact, releases)
    before = (releases / "3.24.1").stat()
    assert install(artifact, releases) is False
    assert (releases / "3.24.1").stat() == before


def test_releases_stand_side_by_side(artifact: Path, wheel: Path, releases: Path) -> None:
    install(artifact, releases)
    install(wheel, releases, version="3.25.0")
    assert sorted(path.name for path in releases.iterdir()) == ["3.24.1", "3.25.0"]


def test_half_an_install_heals(artifact: Path, releases: Path) -> None:
    for name in ("3.24.1", ".3.24.1.part"):
        (releases / name / "scripts").mkdir(parents=True)
        (releases / name / "scripts" / "half").write_text("half")
    assert install(artifact, releases) is True
    assert [path.name for path in releases.iterdir()] == ["3.24.1"]
    assert not (releases / "3.24.1" / "scripts" / "half").exists()


def test_another_file_for_an_installed_version_is_refused(
    artifact: Path, releases: Path, tmp_path: Path
) -> None:
    install(artifact, releases)
    other = make_zip(tmp_path / "other.zip", CONTENT | {"IBC.jar": "other"})
    with pytest.raises(script.RefusedError, match="installed from another file"):
        install(other, releases)
    assert (releases / "3.24.1" / "IBC.jar").read_text() == "jar"


@pytest.mark.parametrize(
    ("lock", "expected"),
    [({"size": 7}, "7 are locked"), ({"sha256": "0" * 64}, f"{'0' * 64} is locked")],
)
def test_what_is_not_locked_is_refused(
    artifact: Path, releases: Path, lock: dict[str, Any], expected: str
) -> None:
    assert expected in refusal(artifact, releases, **lock)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (CONTENT | {"version": "3.23.0"}, "holds 3.23.0: correct ibc_artifacts or ibc_version"),
        ({"version": "3.24.1"}, "lacks IBC.jar"),
        (CONTENT | {"../../evil": "x"}, "leaves its folder: do not use it"),
        (CONTENT | {"/etc/evil": "x"}, "leaves its folder: do not use it"),
    ],
)
def test_what_is_not_this_ibc_is_refused(
    tmp_path: Path, releases: Path, content: dict[str, str], expected: str
) -> None:
    assert expected in refusal(make_zip(tmp_path / "bad.zip", content), releases)


def test_what_is_no_zip_is_refused(tmp_path: Path, releases: Path) -> None:
    page = tmp_path / "IBC.zip"
    page.write_text("<html>not found</html>")
    assert "is no ZIP file" in refusal(page, releases)


def test_the_command_says_what_it_did_and_removes_the_artifact(
    artifact: Path, releases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(artifact), "3.24.1", sha256(artifact), str(artifact.stat().st_size), str(releases)]
    assert script.main(arguments) == 0
    assert capsys.readouterr().out == "installed\n"
    assert not artifact.exists()
    assert script.main([arguments[0], "3.24.2", *arguments[2:]]) == 1
    assert "is missing: check path or url" in capsys.readouterr().err


def test_the_role_sees_by_the_marker_what_is_installed(artifact: Path, tmp_path: Path) -> None:
    releases = tmp_path / "opt/ibc/releases"
    releases.mkdir(parents=True)
    locks = {"3.24.1": {"sha256": sha256(artifact)}, "3.25.0": {"sha256": "1" * 64}}
    install(artifact, releases)
    installed = look(tmp_path, {"files": [], "units": [], "groups": [], "instances": []})["releases"]
    assert ibc_missing_releases(["3.24.1", "3.25.0"], locks, installed) == ["3.25.0"]
    assert ibc_missing_releases(["3.24.1"], {"3.24.1": {"sha256": "2" * 64}}, installed) == ["3.24.1"]
