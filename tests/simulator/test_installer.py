"""The self-extracting installers: their layouts, their refusals, and that a build can be repeated."""

import hashlib
import os
import subprocess

import pytest
from simulator_source import FOLDER, artifact

# In one worker, for the installers take a while to build.
pytestmark = [pytest.mark.workshop, pytest.mark.together("installers")]

BUILD = FOLDER / "build"


def install(installer, target, home, *extra):
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    words = ["sh", installer, *(extra or ("-q", "-dir", target))]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False)


def java_works(java):
    subprocess.run([java, "-version"], check=True, capture_output=True)


def test_tree_of_the_program(installers, tmp_path):
    done = install(installers["program"], tmp_path / "program", tmp_path)
    assert done.returncode == 0, done.stderr
    names = {
        str(p.relative_to(tmp_path / "program"))
        for p in (tmp_path / "program").rglob("*")
        if "jre" not in p.parts
    }
    assert names == {
        "jars", "jars/jts4launch-10371.jar", "jars/twslaunch-10371.jar", "ibgateway", "ibgateway.vmoptions",
        "uninstall", ".install4j", ".install4j/i4jparams.conf", ".install4j/i4jruntime.jar",
    }  # fmt: skip
    java_works(tmp_path / "program" / "jre" / "bin" / "java")


@pytest.mark.parametrize("layout", ["inst", "pref"])
def test_jre_outside_the_program(installers, tmp_path, layout):
    done = install(installers[layout], tmp_path / "program", tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "program" / "jre").exists()
    home = (tmp_path / "program" / ".install4j" / f"{layout}_jre.cfg").read_text().strip()
    assert home.startswith(str(tmp_path / "home" / ".local" / "share" / "i4j_jres"))
    java_works(f"{home}/bin/java")


def test_no_jre(installers, tmp_path):
    assert install(installers["none"], tmp_path / "program", tmp_path).returncode == 0
    assert not list((tmp_path / "program").rglob("java"))
    assert not list((tmp_path / "program" / ".install4j").glob("*_jre.cfg"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-dir", "x"), "there is no dialog here; use -q -dir DIR"),
        (("-q",), "no folder given; use -q -dir DIR"),
        (("-q", "-dir"), "-dir wants a folder"),
        (("-q", "-overwrite"), "unknown option -overwrite; use -q -dir DIR"),
    ],
)
def test_installer_refuses_what_it_cannot_do(installers, tmp_path, words, message):
    done = install(installers["none"], None, tmp_path, *words)
    assert done.returncode == 1
    assert message in done.stderr


def test_damaged_installer_installs_nothing(installers, tmp_path):
    whole = installers["none"].read_bytes()
    for name, content in (("short", whole[:-100]), ("changed", whole[:-100] + bytes(100))):
        (tmp_path / name).write_bytes(content)
        done = install(tmp_path / name, tmp_path / "program", tmp_path)
        assert done.returncode == 1
        assert "damaged or incomplete; download it again" in done.stderr
        assert not (tmp_path / "program").exists()


def test_other_machine_is_refused(installers, tmp_path):
    fake = tmp_path / "bin" / "uname"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\n[ "$1" = -m ] && echo riscv64 || echo Linux\n')
    fake.chmod(0o755)
    env = {"PATH": f"{fake.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    words = ["sh", installers["none"], "-q", "-dir", tmp_path / "program"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "this machine is riscv64" in done.stderr
    assert not (tmp_path / "program").exists()


@pytest.mark.parametrize("layout", ["program", "inst"])
def test_build_can_be_repeated(installers, layout):
    """It gave the same when testbed/artifacts built it, at another time, by itself."""
    before = artifact(installers[layout].name)
    assert _sha256(before) == _sha256(installers[layout])


def _sha256(path):
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--version", "ten"], "--version wants digits and dots"),
        (["--jre-layout", "inst"], "--jre-layout belongs after the --version"),
        (["--version", "1.2", "--jre-layout", "elsewhere"], "--jre-layout wants program, inst, pref or none"),
        (["--fast"], "unknown option --fast"),
    ],
)
def test_build_refuses_bad_options(tmp_path, words, message):
    done = subprocess.run([BUILD, tmp_path, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
