"""What the demo and the tests install: simulated IB Gateways, real IBC, and the lock that pins both."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from testbed.lib import clients, docker, image
from testbed.lib.lock import only_one
from testbed.lib.paths import LOGS, ROOT, SOURCES, TESTBED
from testbed.lib.progress import must, say

SIMULATOR = SOURCES / "simulator"
REQUIREMENTS = ROOT / "requirements" / "ibc.txt"
FOLDER = TESTBED / "artifacts"
LOCK = TESTBED / "artifacts.lock.yml"
GATEWAYS = {version: f"ibgateway-{version}-standalone-linux-x64.sh" for version in ("10.37.1", "10.45.1")}
# The wheel's own version is the fork's; what counts is the IBC in it.
IBC = {"3.25.0": "ibc2-0.1.0-py3-none-any.whl"}


def ensure() -> None:
    """Build and download what is missing or out of date, then write the lock.

    Raises:
        UserError: no engine, no pip, or a build failed.
    """
    with only_one("artifacts"):
        FOLDER.mkdir(parents=True, exist_ok=True)
        _ensure_gateways()
        _ensure_ibc()
        lock = lock_text()
        if not LOCK.exists() or LOCK.read_text() != lock:
            partial = LOCK.with_suffix(".new")
            partial.write_text(lock)
            partial.replace(LOCK)
    say(f"Artifacts are ready, pinned in {LOCK.relative_to(ROOT)}")


def sources_digest() -> str:
    """Hash what the installers are made of.

    Returns:
        Hexadecimal digits that change with any source of the simulator or with the builder's image.
    """
    digest = hashlib.sha256(image.image_name(image.BUILDER_RELEASE, image.BUILDER).encode())
    for path in sorted(path for path in SIMULATOR.rglob("*") if path.is_file()):
        # The host's command and the documentation are no part of an installer.
        if path.suffix not in {".py", ".md", ".pyc"}:
            digest.update(f"\0{path.relative_to(SIMULATOR)}\0{os.access(path, os.X_OK)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _ensure_gateways() -> None:
    stamp = FOLDER / ".simulator"
    wanted = sources_digest()
    if (
        stamp.exists()
        and stamp.read_text() == wanted
        and all((FOLDER / name).exists() for name in GATEWAYS.values())
    ):
        return
    builder = image.ensure(image.BUILDER_RELEASE, image.BUILDER)
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="artifacts-", dir=TESTBED) as folder:
        box = f"ibgw-build-{os.getpid()}"
        command = [
            *docker.command(),
            "run",
            "--rm",
            "--init",
            f"--name={box}",
            "--label=ibgw=build",
            "--network=none",
            # The container has no locale, and javac would read the sources as ASCII.
            "--env=LC_ALL=C.UTF-8",
            f"--user={os.getuid()}:{os.getgid()}",
            f"--volume={SIMULATOR}:/simulator:ro",
            f"--volume={folder}:/out",
            builder,
            "/simulator/build",
            "/out",
        ]
        try:
            must("Build the simulated IB Gateway", command, LOGS / "simulator.log")
        except BaseException:
            docker.run("rm", "-f", box, check=False)
            raise
        for name in GATEWAYS.values():
            (Path(folder) / name).replace(FOLDER / name)
    stamp.write_text(wanted)


def _ensure_ibc() -> None:
    if all(_sha256(FOLDER / name) == pinned for name, pinned in pinned_wheels().items()):
        return
    with tempfile.TemporaryDirectory(prefix="artifacts-", dir=TESTBED) as folder:
        command = [
            clients.python_with_pip(),
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
            f"--dest={folder}",
            f"--requirement={REQUIREMENTS}",
        ]
        must("Download IBC", command, LOGS / "ibc.log")
        for name in IBC.values():
            (Path(folder) / name).replace(FOLDER / name)


def pinned_wheels() -> dict[str, str]:
    """Read the pin.

    Returns:
        File name → sha256 in hexadecimal.
    """
    digest = REQUIREMENTS.read_text().rpartition("sha256:")[2].strip()
    return dict.fromkeys(IBC.values(), digest)


def lock_text() -> str:
    """Write what the files are; JSON is YAML too, and needs no library here.

    Returns:
        The text of the artifact lock.
    """
    return (
        "---\n# Written by testbed/artifacts: what the demo and the tests may install.\n"
        + f"ibgateway_artifacts: {json.dumps(_entries(GATEWAYS), indent=2)}\n"
        + f"ibc_artifacts: {json.dumps(_entries(IBC), indent=2)}\n"
    )


def _entries(files: Mapping[str, str]) -> dict[str, dict[str, str | int]]:
    return {
        version: {
            "path": str(FOLDER / name),
            "sha256": _sha256(FOLDER / name),
            "size": (FOLDER / name).stat().st_size,
        }
        for version, name in files.items()
    }


def _sha256(path: Path) -> str:
    """Hash a file; one that is not there has no hash that anything could equal."""
    if not path.exists():
        return ""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
