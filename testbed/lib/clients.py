"""The API client libraries that tests use inside a host, one folder per Python version, mounted read-only."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from testbed.lib.lock import only_one
from testbed.lib.paths import LOGS, ROOT, TESTBED
from testbed.lib.progress import UserError, must

REQUIREMENTS = ROOT / "requirements" / "api-clients.txt"
PYTHON = {"bookworm": "3.11", "trixie": "3.13"}


def ensure(release: str) -> Path:
    """Install the libraries for a release's Python unless they are there.

    Args:
        release: code name.

    Returns:
        The folder for PYTHONPATH.

    Raises:
        UserError: no pip here, or the download failed.
    """
    version = PYTHON[release]
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = TESTBED / "clients" / f"{version}-{digest}"
    with only_one("clients"):
        if not folder.is_dir():
            _install(version, folder)
    return folder


def _install(version: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="new-", dir=folder.parent) as scratch:
        made = Path(scratch) / "made"
        command = [
            python_with_pip(),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--only-binary=:all:",
            f"--python-version={version}",
            f"--target={made}",
            f"--requirement={REQUIREMENTS}",
        ]
        must(f"Download the API client libraries for Python {version}", command, LOGS / "clients.log")
        made.chmod(0o755)
        for old in folder.parent.glob(f"{version}-*"):
            shutil.rmtree(old, ignore_errors=True)
        made.replace(folder)


def python_with_pip() -> str:
    """Find a Python that can run pip: the project's own, or the one that runs this.

    Returns:
        Path of an interpreter.

    Raises:
        UserError: neither has pip.
    """
    for candidate in (str(ROOT / ".venv/bin/python"), sys.executable):
        try:
            found = subprocess.run([candidate, "-m", "pip", "--version"], capture_output=True, check=False)
        except FileNotFoundError:
            continue
        if found.returncode == 0:
            return candidate
    raise UserError("no pip here: run scripts/bootstrap, which makes the project's .venv.")
