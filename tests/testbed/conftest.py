"""A copy of the scripts in a folder of its own, and a PATH on which only chosen programs exist."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

# What any Debian has before anything is installed.
BASE = (
    *("bash", "sh", "env", "dirname", "basename", "sed", "cut", "cat", "mkdir", "rm", "sha256sum"),
    *("flock", "sleep", "touch", "tr", "id", "kill", "true"),
)


class Sandbox:
    """A checkout with only what the scripts need, run with a PATH made of BASE and fakes."""

    def __init__(self, folder: Path):
        self.root = folder / "checkout"
        self.bin = folder / "bin"
        self.bin.mkdir()
        # Further folders on PATH, after `bin`.
        self.more: tuple[Path, ...] = ()
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "scripts", self.root / "scripts", ignore=ignore)
        shutil.copytree(ROOT / "testbed" / "lib", self.root / "testbed" / "lib", ignore=ignore)
        for name in ("engine", "host", "artifacts"):
            shutil.copy(ROOT / "testbed" / name, self.root / "testbed" / name)
        shutil.copytree(ROOT / "testbed" / "image", self.root / "testbed" / "image")
        shutil.copytree(ROOT / "requirements", self.root / "requirements")
        self.allow(*BASE)

    def allow(self, *programs: str) -> None:
        """Let real programs be found."""
        for program in programs:
            found = shutil.which(program)
            assert found, f"this test needs {program}"
            (self.bin / program).symlink_to(found)

    def fake(self, name: str, body: str) -> Path:
        """Put a shell script in the place of a program."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def real_python(self) -> None:
        """Let this very Python be found, under its versioned name."""
        # Not by a link: a virtual environment's Python finds its home by the path it is called by.
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        for name in (version, "python3"):
            self.fake(name, f'exec {sys.executable} "$@"')

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": ":".join(map(str, (self.bin, *self.more))),
            "HOME": str(self.root),
            "LC_ALL": "C.UTF-8",
        }

    def shell(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run a line of Bash in the checkout."""
        return self._run(str(self.bin / "bash"), "-c", text)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of the checkout's programs."""
        return self._run(str(self.root / command[0]), *command[1:])

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.root,
        )


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_counts() -> None:
    """Let the programs under test hear SIGINT, although a shell's background job is started deaf to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.fixture
def fake_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Replace docker by a shell script; gives the function that writes its body, and the log of its calls."""
    from testbed.lib import docker

    folder = tmp_path / "docker-bin"
    folder.mkdir()
    log = tmp_path / "docker.log"
    log.touch()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(body: str) -> Path:
        path = folder / "docker"
        path.write_text(f'#!/bin/sh\necho "$*" >>{log}\ncase "$1" in info) echo 99.9; exit ;; esac\n{body}\n')
        path.chmod(0o755)
        docker.command.cache_clear()
        return log

    yield write
    docker.command.cache_clear()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the testbed's modules keep their things in a fresh folder."""
    from testbed.lib import aptpool, engine, host, image, lock, root

    folder = tmp_path / "cache" / "testbed"
    folder.mkdir(parents=True)
    for module in (aptpool, host, image, lock):
        monkeypatch.setattr(module, "TESTBED", folder)
    monkeypatch.setattr(image, "LOGS", tmp_path / "log")
    monkeypatch.setattr(host, "KEY", folder / "id_ed25519")
    monkeypatch.setattr(host, "KNOWN_HOSTS", folder / "known_hosts")
    monkeypatch.setattr(host, "PIP_CACHE", folder / "pip")
    monkeypatch.setattr(engine, "RECORD", folder / "engine.json")
    monkeypatch.setattr(root, "RECORD", folder / "installed.json")
    return folder
