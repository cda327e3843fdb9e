"""The Java command equals what the IBC distribution's own script runs, but for `DIFFERENCES`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ibgatewaylib import javacmd, tokenfile
from ibgatewaylib.exitcodes import ConfigurationInvalid

ROOT = Path(__file__).parents[2]
PIN = ROOT / "requirements" / "ibc.txt"

DIFFERENCES = {
    "-Xmx": "each instance has its own heap; the program's file is shared by all of them and read-only",
    "-Dibcsessionid=": "a new random id for every run, in both",
    "path of java": "the script writes PROGRAM/.install4j/../jre, we write PROGRAM/jre: the same file",
}

JAVA_OPTIONS = (
    "--add-opens=java.base/java.util=ALL-UNNAMED --add-exports=java.desktop/sun.swing=ALL-UNNAMED "
    "-DjxBrowserKey=KEY-1/2+3="
)


@pytest.fixture(scope="session")
def ibc_dir(tmp_path_factory) -> Path:
    """The pinned IBC distribution, from the test bed's artifacts or downloaded once."""
    digest = PIN.read_text().split("sha256:")[1].split()[0]
    candidates = [ROOT / ".cache" / "testbed" / "artifacts", ROOT / ".cache" / "tests" / "ibc"]
    wheel = next((file for place in candidates for file in place.glob("ibc2-*.whl")), None)
    if wheel is None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*command, "--dest", str(candidates[1]), "--requirement", str(PIN)], check=True)
        wheel = next(candidates[1].glob("ibc2-*.whl"))
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == digest
    target = tmp_path_factory.mktemp("ibc")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target / "ibc2" / "_ibc"


class Layout:
    """A program as an installer lays it out, with a `java` that records how it is called."""

    def __init__(self, root: Path, version: str, jre: str, options: str = JAVA_OPTIONS) -> None:
        self.tws = root / "tws"
        self.program = self.tws / "ibgateway" / version
        self.settings = root / "settings"
        self.record = root / "record"
        install4j = self.program / ".install4j"
        for place in (self.program / "jars", install4j, self.settings, self.record):
            place.mkdir(parents=True)
        number = version.replace(".", "")
        for jar in (f"twslaunch-{number}.jar", f"jts4launch-{number}.jar", "Total.2024.jar", "notes.txt"):
            (self.program / "jars" / jar).touch()
        (self.program / "ibgateway").touch()
        (self.program / "ibgateway.vmoptions").write_text(
            "# comment\n-Xmx768m\n\n   -XX:+UseG1GC  \n-XX:MaxGCPauseMillis=200\n-Dname=IB\n  # more\n-ea\n"
        )
        (install4j / "i4jparams.conf").write_text(
            f'<config>\n  <variable name="javaOptions" value="{options}" />\n</config>\n'
        )
        home = self.program / "jre" if jre == "program" else root / "jres" / "jre17"
        (home / "bin").mkdir(parents=True)
        if jre in ("pref", "inst"):
            (install4j / f"{jre}_jre.cfg").write_text(f"{home}\n")
        if jre == "pref":
            (install4j / "inst_jre.cfg").write_text("/nonexistent/jre\n")
        self.java = home / "bin" / "java"
        self.java.write_text(
            f"""#!/bin/sh
[ "$1" = -XshowSettings:properties ] && {{ echo '    java.runtime.version = 17.0.15+6'; exit; }}
printf '%s\\0' "$0" "$@" > {self.record}/argv
pwd > {self.record}/cwd
rm -f {self.settings}/*/autorestart
"""
        )
        self.java.chmod(0o755)

    def script_argv(self, ibc_dir: Path, config: Path, mode: str, *extra: str) -> list[str]:
        """What the distribution's script passes to Java."""
        subprocess.run(
            [
                "bash",
                str(ibc_dir / "scripts" / "ibcstart.sh"),
                self.program.name,
                "--gateway",
                f"--tws-path={self.tws}",
                f"--tws-settings-path={self.settings}",
                f"--ibc-path={ibc_dir}",
                f"--ibc-ini={config}",
                f"--mode={mode}",
                "--on2fatimeout=exit",
                *extra,
            ],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": "/nonexistent"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=True,
        )
        assert (self.record / "cwd").read_text().strip() == str(self.settings)
        return (self.record / "argv").read_text().split("\0")[:-1]


def configure(box, layout: Layout, ibc_dir: Path, **changes: object):
    paths = {"program_dir": layout.program, "settings_dir": layout.settings, "ibc_dir": ibc_dir}
    box.write_toml(**{key: str(value) for key, value in paths.items()}, **changes)
    return box.instance()


def without_differences(argv: list[str]) -> list[str]:
    """Drop what `DIFFERENCES` lists, once each."""
    kept = [os.path.normpath(argv[0])]
    for prefix in ("-Xmx", "-Dibcsessionid="):
        assert prefix in DIFFERENCES
        assert sum(word.startswith(prefix) for word in argv) == 1
    return kept + [word for word in argv[1:] if not word.startswith(("-Xmx", "-Dibcsessionid="))]


@pytest.mark.parametrize("token", [False, True], ids=["login", "token"])
@pytest.mark.parametrize("jre", ["program", "inst", "pref"])
@pytest.mark.parametrize(("version", "mode"), [("10.37.1", "live"), ("10.45.1", "paper")])
def test_same_command_as_the_distributions_script(box, tmp_path, ibc_dir, version, mode, jre, token):
    layout = Layout(tmp_path / "layout", version, jre)
    config = box.run / "config.ini"
    config.touch()
    if token:
        (layout.settings / ("a" * 40)).mkdir()
        (layout.settings / ("a" * 40) / "autorestart").touch()
    tokens = tokenfile.find(layout.settings)
    theirs = layout.script_argv(ibc_dir, config, mode)  # renames the program's own start script, too
    instance = configure(box, layout, ibc_dir, mode=mode, gateway_version=version)
    command = javacmd.build(instance, config, tokens)

    assert without_differences(command.argv) == without_differences(theirs)
    assert "-Xmx512m" in command.argv
    assert command.argv[0] == str(layout.java)
    assert (f"-Drestart={'a' * 40}" in theirs) == token == command.resumes
    assert "-DjxBrowserKey=KEY-1/2+3=" in command.argv


def test_installer_without_java_options(box, tmp_path, ibc_dir):
    layout = Layout(tmp_path / "layout", "10.45.1", "program", options="")
    config = box.run / "config.ini"
    config.touch()
    theirs = layout.script_argv(ibc_dir, config, "live")
    ours = javacmd.build(configure(box, layout, ibc_dir), config, []).argv
    assert without_differences(ours) == without_differences(theirs)


def test_debians_java(box, tmp_path, ibc_dir, monkeypatch):
    layout = Layout(tmp_path / "layout", "10.45.1", "program")
    config = box.run / "config.ini"
    config.touch()
    home = tmp_path / "java-17"
    (home / "bin").mkdir(parents=True)
    layout.java.rename(home / "bin" / "java")
    (tmp_path / "java").symlink_to(home / "bin" / "java")
    monkeypatch.setattr(javacmd, "SYSTEM_JAVA", tmp_path / "java")
    theirs = layout.script_argv(ibc_dir, config, "live", f"--java-path={home / 'bin'}")
    instance = configure(box, layout, ibc_dir, java_source="debian")
    with pytest.raises(ConfigurationInvalid, match="headless"):
        javacmd.build(instance, config, [])
    (home / "lib").mkdir()
    (home / "lib" / "libawt_xawt.so").touch()
    assert without_differences(javacmd.build(instance, config, []).argv) == without_differences(theirs)


def test_upstreams_ibc_opens_its_own_list_and_adds_the_browser_key(box, tmp_path, ibc_dir):
    """Upstream's script is no wheel and no test can fetch it; its list was compared by hand with 3.24.1's."""
    upstream = tmp_path / "upstream"
    (upstream / "scripts").mkdir(parents=True)
    (upstream / "IBC.jar").touch()
    (upstream / "scripts" / "ibcstart.sh").write_text("moduleAccess=…\njxbrowser_key=…\n")
    layout = Layout(tmp_path / "layout", "10.45.1", "program")
    (layout.program / "ibgateway").unlink()
    argv = javacmd.build(configure(box, layout, upstream), box.run / "config.ini", []).argv
    assert tuple(argv[1:21]) == javacmd.UPSTREAM_MODULES
    assert argv[21] == "-cp"
    assert argv[-4:-1] == ["-DjxBrowserKey=KEY-1/2+3=", javacmd.ENTRY_POINT, str(box.run / "config.ini")]


def test_several_tokens_resume_nothing(box, tmp_path, ibc_dir):
    layout = Layout(tmp_path / "layout", "10.45.1", "program")
    (layout.program / "ibgateway").unlink()
    for name in ("a", "b"):
        (layout.settings / name).mkdir()
        (layout.settings / name / "autorestart").touch()
    tokens = tokenfile.find(layout.settings)
    assert len(tokens) == 2
    command = javacmd.build(configure(box, layout, ibc_dir), box.run / "config.ini", tokens)
    assert not any(word.startswith("-Drestart") for word in command.argv)
    assert not command.resumes


def test_no_credential_is_an_argument(box):
    command = javacmd.build(box.instance(), box.run / "config.ini", [])
    assert "trader" not in " ".join(command.argv)


def test_environment_keeps_other_tools_out():
    base = {"PATH": "/bin", "TZ": "America/New_York", "JAVA_TOOL_OPTIONS": "x", "NOTIFY_SOCKET": "y"}
    assert javacmd.environment(base) == {"PATH": "/bin", "TZ": "America/New_York"}
