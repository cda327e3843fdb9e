"""The images: the disposable VPS, one recipe for every release, and the builder of the simulated Gateway.

Each is built once and named by a hash of what went into it.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from testbed.lib import docker, machine, root
from testbed.lib.lock import only_one
from testbed.lib.paths import LOGS, SOURCES, TESTBED
from testbed.lib.progress import UserError, must, say, timed

RELEASES = {"bookworm": "12", "trixie": "13"}
REGISTRY_SECONDS = 15.0  # how long a registry may stay silent before we make the base ourselves
RECIPES = SOURCES / "image"
HOST, BUILDER = "host", "builder"
BUILDER_RELEASE = "bookworm"


def check_release(release: str) -> None:
    """Refuse a release that there is no recipe for.

    Args:
        release: code name.

    Raises:
        UserError: unknown.
    """
    if release not in RELEASES:
        raise UserError(f"there is no Debian release {release!r} here: choose one of {', '.join(RELEASES)}.")


def ensure(release: str, recipe: str = HOST) -> str:
    """Build an image unless it is there; older ones of the same kind go.

    Args:
        release: code name.
        recipe: HOST or BUILDER.

    Returns:
        The image's name.

    Raises:
        UserError: it cannot be built.
    """
    check_release(release)
    name = image_name(release, recipe)
    with only_one(f"image-{release}"):
        if docker.image_exists(name):
            return name
        _ensure_base(release)
        _build(release, recipe, name)
        _drop_older(name)
    return name


def image_name(release: str, recipe: str = HOST) -> str:
    """Name an image by everything that makes it.

    Args:
        release: code name.
        recipe: HOST or BUILDER.

    Returns:
        repository:tag.
    """
    digest = hashlib.sha256(release.encode())
    folder = RECIPES / recipe
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{os.access(path, os.X_OK)}\0".encode())
        digest.update(path.read_bytes())
    for path, text in sorted(forwarded(release).items()):
        digest.update(f"{path}\0{text}\0".encode())
    return f"ibgw-{recipe}:{release}-{digest.hexdigest()[:12]}"


def forwarded(release: str) -> dict[str, str]:
    """Collect the files by which the host reaches packages as this machine does.

    Args:
        release: code name.

    Returns:
        Path inside the host, without the leading slash → text.
    """
    files = {
        "etc/apt/sources.list.d/testbed.sources": machine.apt_sources(release, machine.apt_mirrors()),
        "etc/apt/apt.conf.d/91testbed-machine": machine.apt_settings(),
        "etc/pip.conf": machine.pip_settings(),
    }
    for number, certificate in enumerate(machine.ca_certificates()):
        files[f"usr/local/share/ca-certificates/testbed-{number}.crt"] = certificate
    return {path: text for path, text in files.items() if text}


def base_name(release: str) -> str:
    """Name the bare system that the image starts from.

    Args:
        release: code name.

    Returns:
        repository:tag.
    """
    return f"ibgw-base:{release}"


def _ensure_base(release: str) -> None:
    name = base_name(release)
    if docker.image_exists(name):
        return
    if not _pull(release, name):
        _bootstrap(release, name)


def _pull(release: str, name: str) -> bool:
    """Take Debian's own image where a registry answers; a silent one is given up soon."""
    source = f"debian:{RELEASES[release]}"
    had = docker.image_exists(source)
    say(f"==> Pull {source}")
    begin = time.monotonic()
    log = LOGS / f"image-{release}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a+", encoding="utf-8", errors="replace") as sink:
        start = sink.seek(0, os.SEEK_END)
        child = subprocess.Popen(
            [*docker.command(), "pull", source],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
        try:
            while child.poll() is None:
                silent = log.stat().st_size == start
                if silent and time.monotonic() - begin > REGISTRY_SECONDS:
                    child.terminate()
                time.sleep(0.2)
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
    if child.returncode != 0:
        say(f"    no registry answers ({time.monotonic() - begin:.1f} s): the base is bootstrapped instead")
        return False
    docker.run("tag", source, name)
    if not had:
        docker.run("rmi", source)
    say(f"    done in {time.monotonic() - begin:.1f} s")
    return True


def _bootstrap(release: str, name: str) -> None:
    """Make Debian's minimal system from its packages."""
    if root.program("debootstrap") is None:
        root.install("debootstrap")
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    if not keyring.exists():
        root.install("debian-archive-keyring")
    log = LOGS / f"image-{release}.log"
    # Not below .cache: that file system may be mounted without device files, which debootstrap makes.
    tree = Path(tempfile.mkdtemp(prefix=f"ibgw-{release}-", dir="/var/tmp"))
    try:
        mirror = machine.apt_mirrors().get("main")
        command = [
            root.program("debootstrap") or "debootstrap",
            "--variant=minbase",
            "--include=ca-certificates",
            f"--keyring={keyring}",
            release,
            str(tree / "root"),
            *([mirror] if mirror else []),
        ]
        must(f"Bootstrap Debian {RELEASES[release]} ({release}), about a minute", root.as_root(command), log)
        pack = (
            f'rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*; '
            f'tar -C "$1" --numeric-owner -cf - . | {" ".join(docker.command())} import - {name}'
        )
        must("Import it as an image", root.as_root(["sh", "-c", pack, "sh", str(tree / "root")]), log)
    finally:
        with timed("Remove the bootstrap folder"):
            subprocess.run(root.as_root(["rm", "-rf", "--one-file-system", str(tree)]), check=False)


def _drop_older(name: str) -> None:
    """Remove earlier builds of an image; one that a host still runs from stays until the next build."""
    repository, _, tag = name.partition(":")
    release = tag.partition("-")[0]
    for other in docker.run("images", "--format={{.Repository}}:{{.Tag}}", repository).stdout.split():
        if other != name and other.startswith(f"{repository}:{release}-"):
            docker.run("rmi", other, check=False)


def _build(release: str, recipe: str, name: str) -> None:
    log = LOGS / f"image-{release}.log"
    TESTBED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="image-", dir=TESTBED) as folder:
        context = Path(folder)
        shutil.copytree(RECIPES / recipe, context, dirs_exist_ok=True)
        (context / "forwarded").mkdir()
        for path, text in forwarded(release).items():
            target = context / "forwarded" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        arguments = [f"--build-arg={key}={value}" for key, value in machine.proxies().items()]
        command = [
            *docker.command(),
            "build",
            "--label=ibgw=image",
            f"--build-arg=BASE={base_name(release)}",
            *arguments,
            f"--tag={name}",
            str(context),
        ]
        # The classic builder: it needs no plug-in, and it leaves no cache behind that only it can find.
        must(
            f"Build the {recipe} image ({release})", command, log, env={**os.environ, "DOCKER_BUILDKIT": "0"}
        )
