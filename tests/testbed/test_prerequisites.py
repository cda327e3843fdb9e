"""Each missing prerequisite is one line that names the remedy, and a non-zero exit code."""

import os
import signal
import subprocess
import time

import pytest

# A Python that answers what the scripts ask of it and makes a virtual environment out of itself.
FAKE_PYTHON = """
case "$1 $2" in
  "-V "*) echo Python 3.12.9 ;;
  "-c "*version_info*) echo 3.12 ;;
  "-c "*ensurepip*) exit {ensurepip} ;;
  "-c "*) exit 0 ;;
  "-m venv") mkdir -p "$4/bin"; cat "$0" >"$4/bin/python"; /bin/chmod 755 "$4/bin/python" ;;
  "-m pip") touch {root}/pip-runs; {pip} ;;
  "-m testbed.lib.root") echo "ERROR: please install by hand: $3" >&2; exit 1 ;;
  *progress.py*) shift 3; exec "$@" ;;
  *) echo "unexpected: $*" >&2; exit 99 ;;
esac
"""


def one_error(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode not in (0, 99), done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("script", ["scripts/demo", "scripts/test", "scripts/bootstrap"])
def test_no_python(sandbox, script):
    line = one_error(sandbox.run(script))
    assert "Python 3.11, 3.12 or 3.13 is needed" in line
    assert "apt-get install python3 python3-venv" in line


def test_a_python_that_is_too_old_or_does_not_start_is_no_python(sandbox):
    sandbox.fake("python3", "echo 3.9")
    sandbox.fake("python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    assert "is needed and none is here" in one_error(sandbox.run("scripts/bootstrap"))


def test_pyenv_is_asked_for_a_python_that_is_not_on_the_path(sandbox, tmp_path):
    home = tmp_path / "pyenv"
    (home / "versions" / "3.12.9" / "bin").mkdir(parents=True)
    found = sandbox.fake("real", FAKE_PYTHON.format(ensurepip=0, pip="exit 0", root=sandbox.root))
    found.rename(home / "versions" / "3.12.9" / "bin" / "python3.12")
    sandbox.fake("pyenv", f"echo {home}")
    assert sandbox.run("scripts/bootstrap").returncode == 0
    assert (sandbox.root / ".venv" / ".ready").exists()


@pytest.fixture
def of_the_system(sandbox, tmp_path):
    """A folder that stands for the system's, last on PATH; gives what writes the Python 3.12 in it."""
    folder = tmp_path / "system"
    folder.mkdir()
    common = sandbox.root / "scripts" / "lib" / "common.sh"
    assert "SYSTEM_BIN=/usr/bin\n" in common.read_text()
    common.write_text(common.read_text().replace("SYSTEM_BIN=/usr/bin", f"SYSTEM_BIN={folder}"))
    sandbox.more = (folder,)

    def write(ensurepip: int) -> None:
        fake = sandbox.fake("fake", FAKE_PYTHON.format(ensurepip=ensurepip, pip="exit 0", root=sandbox.root))
        fake.rename(folder / "python3.12")

    return write


@pytest.mark.parametrize(("ensurepip", "taken"), [(0, "system"), (1, "bin")])
def test_the_systems_own_python_is_taken_before_others_if_it_can_make_environments(
    sandbox, of_the_system, tmp_path, ensurepip, taken
):
    sandbox.fake("python3.12", FAKE_PYTHON.format(ensurepip=0, pip="exit 0", root=sandbox.root))
    of_the_system(ensurepip)
    done = sandbox.shell(". scripts/lib/common.sh; find_python ''")
    assert done.stdout == f"{tmp_path / taken / 'python3.12'}\n"


def test_a_version_that_is_not_here(sandbox):
    line = one_error(sandbox.run("scripts/test", "--python", "3.13"))
    assert "there is no Python 3.13 here" in line
    assert "apt-get install python3.13 python3.13-venv" in line


@pytest.mark.parametrize("version", ["3.9", "", "three"])
def test_a_version_that_is_not_supported(sandbox, version):
    assert "--python wants one of 3.13, 3.12, 3.11" in one_error(
        sandbox.run("scripts/test", "--python", version)
    )


def test_no_venv_module_and_no_way_to_install_it(sandbox):
    sandbox.fake("python3.12", FAKE_PYTHON.format(ensurepip=1, pip="exit 0", root=sandbox.root))
    done = sandbox.run("scripts/bootstrap")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("apt-get install python3.12-venv.")


def test_no_network_for_the_tools(sandbox):
    sandbox.fake("python3.12", FAKE_PYTHON.format(ensurepip=0, pip="exit 1", root=sandbox.root))
    assert "check pip's configuration" in one_error(sandbox.run("scripts/bootstrap"))
    assert not (sandbox.root / ".venv" / ".ready").exists()


def test_no_ssh(sandbox):
    sandbox.fake("python3.12", FAKE_PYTHON.format(ensurepip=0, pip="exit 0", root=sandbox.root))
    assert (
        one_error(sandbox.run("scripts/demo"))
        == "ERROR: the program ssh is missing: apt-get install openssh-client."
    )


def test_no_engine(sandbox):
    sandbox.real_python()
    line = one_error(sandbox.run("testbed/host", "list"))
    assert line == "ERROR: no Docker engine answers: run testbed/engine up."


@pytest.mark.parametrize("arguments", [["--what"], ["extra"]])
@pytest.mark.parametrize("script", ["scripts/demo", "scripts/bootstrap"])
def test_an_unknown_argument_shows_the_usage(sandbox, script, arguments):
    done = sandbox.run(script, *arguments)
    assert done.returncode == 2
    assert f"Usage: {script}" in done.stderr


@pytest.mark.parametrize("script", ["scripts/demo", "scripts/test", "scripts/bootstrap"])
def test_help_needs_nothing(sandbox, script):
    done = sandbox.run(script, "--help")
    assert done.returncode == 0
    assert f"Usage: {script}" in done.stdout


def test_tools_are_made_once_and_again_when_the_lock_changes(sandbox):
    sandbox.fake("python3.12", FAKE_PYTHON.format(ensurepip=0, pip="exit 0", root=sandbox.root))
    runs = sandbox.root / "pip-runs"
    assert sandbox.run("scripts/bootstrap").returncode == 0
    assert runs.exists()
    runs.unlink()
    assert sandbox.run("scripts/bootstrap").returncode == 0
    assert not runs.exists()
    with (sandbox.root / "requirements" / "controller.txt").open("a") as lock:
        lock.write("# changed\n")
    assert sandbox.run("scripts/bootstrap").returncode == 0
    assert runs.exists()


def test_the_tools_of_another_checkout_are_not_emptied(sandbox, tmp_path):
    sandbox.fake("python3.12", FAKE_PYTHON.format(ensurepip=0, pip="exit 0", root=sandbox.root))
    other = tmp_path / "other"
    other.mkdir()
    (other / "keep").touch()
    (sandbox.root / ".venv").symlink_to(other)
    run = sandbox.run("scripts/bootstrap")
    assert run.returncode != 0
    assert "remove the link" in run.stderr
    assert (other / "keep").exists()


def test_ctrl_c_while_the_tools_are_made_leaves_nothing_the_next_run_trusts(sandbox):
    sandbox.fake("python3.12", FAKE_PYTHON.format(ensurepip=0, pip="exec sleep 30", root=sandbox.root))
    child = subprocess.Popen(
        [sandbox.root / "scripts" / "bootstrap"],
        env=sandbox.environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 20
    while not (sandbox.root / "pip-runs").exists():
        assert time.monotonic() < until
        assert child.poll() is None
        time.sleep(0.02)
    # A terminal sends it to the whole process group.
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(timeout=20) != 0
    assert not (sandbox.root / ".venv" / ".ready").exists()
    sandbox.fake("python3.12", FAKE_PYTHON.format(ensurepip=0, pip="exit 0", root=sandbox.root))
    (sandbox.root / "pip-runs").unlink()
    assert sandbox.run("scripts/bootstrap").returncode == 0
    assert (sandbox.root / "pip-runs").exists()
    assert (sandbox.root / ".venv" / ".ready").exists()
