"""Installing a release: wholly or not at all, whatever the installer does."""

from __future__ import annotations

import getpass
import hashlib
import importlib.util
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "roles" / "ibgateway" / "files" / "install_release.py"
SPEC = importlib.util.spec_from_file_location("install_release", SCRIPT)
module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(module)

VERSION = "10.45.1"

# A stand-in for IBKR's installer: same arguments, same layout, a JRE where $JAVA_PLACE says.
INSTALLER = r"""#!/bin/sh
set -eu
[ "$1" = -q ] && [ "$2" = -dir ]
dir=$3
mkdir -p "$dir/jars" "$dir/.install4j"
echo jar > "$dir/jars/jts4launch-1045.jar"
echo -Xmx768m > "$dir/ibgateway.vmoptions"
printf '#!/bin/sh\n' > "$dir/ibgateway"
chmod 777 "$dir/ibgateway" "$dir/jars"
jre() {
  mkdir -p "$1/bin"
  printf '#!/bin/sh\nexit 0\n' > "$1/bin/java"
  chmod 755 "$1/bin/java"
}
"""
LAYOUTS = {
    "program": 'jre "$dir/jre"\n',
    "program, stale pointer": 'jre "$dir/jre"\necho /tmp/gone/jre > "$dir/.install4j/inst_jre.cfg"\n',
    "home, inst_jre": 'jre "$HOME/.jres/17"\necho "$HOME/.jres/17" > "$dir/.install4j/inst_jre.cfg"\n',
    "home, pref_jre": 'jre "$HOME/.jres/17"\necho "$HOME/.jres/17" > "$dir/.install4j/pref_jre.cfg"\n',
    "pointer into the program": 'jre "$dir/own/j"\necho "$dir/own/j" > "$dir/.install4j/inst_jre.cfg"\n',
}


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """An empty releases directory."""
    path = tmp_path / "releases"
    path.mkdir()
    return path


@pytest.fixture(autouse=True)
def unconfined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the installer directly: these tests have no systemd. The staged home is its home."""
    monkeypatch.setattr(module, "confine", lambda staging, *_: ["env", f"HOME={staging}/home"])


def write_installer(tmp_path: Path, body: str, head: str = INSTALLER) -> Path:
    """Write an installer whose tail is `body`."""
    path = tmp_path / f"ibgateway-{VERSION}-standalone-linux-x64.sh"
    path.write_text(head + body)
    return path


def arguments(installer: Path, releases: Path, **changes: str) -> list[str]:
    """The command line for an installer, locked as it is unless `changes` say otherwise."""
    lock = {
        "sha256": hashlib.sha256(installer.read_bytes()).hexdigest(),
        "size": str(installer.stat().st_size),
    }
    lock |= changes
    command = ["--version", VERSION, "--installer", str(installer), "--releases", str(releases)]
    command += ["--user", getpass.getuser(), "--require-java"]
    return command + [part for key, value in lock.items() for part in (f"--{key}", value)]


def names(directory: Path) -> list[str]:
    """What a directory holds."""
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_installs_every_layout(layout: str, tmp_path: Path, releases: Path) -> None:
    installer = write_installer(tmp_path, layout)
    assert module.main(arguments(installer, releases)) == 0
    program = releases / VERSION
    marker = json.loads((program / ".installed").read_text())
    assert marker["version"] == VERSION
    java = Path(marker["java"])
    assert java.is_relative_to(program)
    assert (java / "bin" / "java").is_file()
    for pointer in program.glob(".install4j/*_jre.cfg"):
        assert pointer.read_text().splitlines()[0] == str(java)
    assert not (program / "ibgateway").exists()
    assert (program / "ibgateway1").is_file()
    assert names(releases) == [VERSION]
    assert not installer.exists()


def test_the_tree_is_readable_by_all_and_writable_by_its_owner_alone(tmp_path: Path, releases: Path) -> None:
    body = (
        LAYOUTS["program"]
        + 'chmod 700 "$dir/jre"; chmod 600 "$dir/ibgateway.vmoptions"; chmod 4755 "$dir/ibgateway"\n'
    )
    assert module.main(arguments(write_installer(tmp_path, body), releases)) == 0
    for path in (releases / VERSION).rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode in ({0o755} if path.is_dir() else {0o644, 0o755}), path
    assert (releases / VERSION / "ibgateway1").stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("body", "changes", "expected"),
    [
        ("", {"size": "99"}, "the artifact lock says 99"),
        ("", {"sha256": "0" * 64}, "the artifact lock says 0000"),
        ("echo broken tar >&2; exit 83\n", {}, "code 83, its last words: broken tar"),
        ('rm -r "$dir/jars"\n', {}, "left no IB Gateway"),
        ("", {}, "brought no Java"),
        (
            'jre "$dir/jre"; printf "\\177ELFx" > "$dir/jre/bin/java"\n',
            {},
            "does not run",
        ),
        ('jre "$dir/jre"; printf "#!/bin/sh\\nexit 3\\n" > "$dir/jre/bin/java"\n', {}, "does not run"),
    ],
)
def test_refuses_and_leaves_nothing(
    body: str,
    changes: dict[str, str],
    expected: str,
    tmp_path: Path,
    releases: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    installer = write_installer(tmp_path, body)
    assert module.main(arguments(installer, releases, **changes)) == 1
    message = capsys.readouterr().err
    assert expected in message
    assert message.count("\n") == 1
    assert names(releases) == []
    assert not installer.exists()


def test_refuses_a_file_that_is_no_installer(
    tmp_path: Path, releases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installer = write_installer(tmp_path, "<html>not found</html>", head="")
    assert module.main(arguments(installer, releases)) == 1
    assert "does not begin with '#!'" in capsys.readouterr().err
    assert names(releases) == []


def test_a_file_cut_short_is_refused_before_it_runs(
    tmp_path: Path, releases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installer = write_installer(tmp_path, f"touch {tmp_path}/ran\n" + LAYOUTS["program"])
    command = arguments(installer, releases)
    installer.write_bytes(installer.read_bytes()[:-10])
    assert module.main(command) == 1
    assert "fetch it again" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_without_java_is_fine_when_none_is_asked_for(tmp_path: Path, releases: Path) -> None:
    command = arguments(write_installer(tmp_path, ""), releases)
    command.remove("--require-java")
    assert module.main(command) == 0
    assert json.loads((releases / VERSION / ".installed").read_text())["java"] == ""


def test_a_failed_reinstallation_keeps_the_old_release(tmp_path: Path, releases: Path) -> None:
    assert module.main(arguments(write_installer(tmp_path, LAYOUTS["program"]), releases)) == 0
    before = (releases / VERSION / ".installed").read_text()
    assert module.main(arguments(write_installer(tmp_path, "exit 1\n"), releases)) == 1
    assert (releases / VERSION / ".installed").read_text() == before
    assert names(releases) == [VERSION]


def test_a_changed_installer_replaces_the_release(tmp_path: Path, releases: Path) -> None:
    assert module.main(arguments(write_installer(tmp_path, LAYOUTS["program"]), releases)) == 0
    changed = write_installer(tmp_path, LAYOUTS["program"] + 'echo new > "$dir/new"\n')
    assert module.main(arguments(changed, releases)) == 0
    assert (releases / VERSION / "new").exists()
    assert names(releases) == [VERSION]


def test_a_run_killed_midway_is_healed_by_the_next(tmp_path: Path, releases: Path) -> None:
    installer = write_installer(tmp_path, f"touch {tmp_path}/midway\nsleep 30\n")
    driver = (
        f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import install_release as m;"
        "m.confine = lambda staging, *_: ['env', f'HOME={staging}/home']; sys.exit(m.main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", driver, *arguments(installer, releases)], start_new_session=True
    )
    deadline = time.monotonic() + 10
    while not (tmp_path / "midway").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (releases / VERSION).exists()
    assert names(releases) != []
    assert module.main(arguments(write_installer(tmp_path, LAYOUTS["program"]), releases)) == 0
    assert names(releases) == [VERSION]
