"""Install one IB Gateway release from IBKR's self-extracting installer, wholly or not at all.

The role runs this on the host as root, over standard input. It verifies the file against the
artifact lock, runs it confined and unprivileged in a staging directory beside the releases, makes
the result root-owned and read-only, and renames it into place. Whatever fails leaves no release
behind, and the next run begins anew.

Source of the layouts handled here: IBC's ibcstart.sh and public reports of real installers, which
put the JRE into PROGRAM/jre, or under the installing user's home (named in .install4j/inst_jre.cfg
or pref_jre.cfg), or name a directory there that no longer exists although PROGRAM/jre does.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path

JRE_POINTERS = (".install4j/pref_jre.cfg", ".install4j/inst_jre.cfg")
INSTALLER_MINUTES = 15
INSTALLER_UNIT = "ibgateway-install.service"


class InstallError(Exception):
    """One sentence for the operator: what is wrong and what to do."""


def confine(staging: Path, user: str, home: str) -> list[str]:
    """Return the command prefix that runs the installer unprivileged, offline and kept to `staging`.

    `home` is the user's home in the password file. Java takes it from there rather than from $HOME, so the
    staged home is mounted over it.
    """
    # An installer whose run was killed may still be writing.
    subprocess.run(["systemctl", "stop", INSTALLER_UNIT], capture_output=True, check=False)
    properties = [
        f"User={user}",
        "UMask=0022",
        f"WorkingDirectory={home}",
        f"Environment=HOME={home}",
        f"BindPaths={staging}/home:{home}",
        f"ReadWritePaths={staging}/program {home}",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "PrivateNetwork=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "RestrictSUIDSGID=yes",
        f"RuntimeMaxSec={INSTALLER_MINUTES}min",
    ]
    return [
        *("systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={INSTALLER_UNIT}"),
        *(f"--property={value}" for value in properties),
    ]


def copy_verified(source: Path, target: Path, sha256: str, size: int) -> None:
    """Copy `source` to `target` and refuse it unless it is the locked installer.

    The copy is what runs, so nothing can change between the check and the run.

    Args:
        source: the fetched file.
        target: where the verified copy goes.
        sha256: expected digest, in hexadecimal.
        size: expected length in bytes.

    Raises:
        InstallError: the file is missing, cut short, different, or no shell installer.
    """
    try:
        actual_size = source.stat().st_size
    except OSError as error:
        raise InstallError(
            f"The installer {source} cannot be read ({error.strerror}): fetch it again."
        ) from error
    if actual_size != size:
        raise InstallError(
            f"The installer {source.name} has {actual_size} bytes, the artifact lock says {size}: "
            "fetch it again, or correct the lock if the publisher changed the file."
        )
    digest = hashlib.sha256()
    start = b""
    with source.open("rb") as incoming, target.open("wb") as outgoing:
        while chunk := incoming.read(1 << 20):
            start = start or chunk[:2]
            digest.update(chunk)
            outgoing.write(chunk)
    if digest.hexdigest() != sha256.lower():
        raise InstallError(
            f"The installer {source.name} has the sha256 {digest.hexdigest()}, the artifact lock says "
            f"{sha256}: fetch it again, or correct the lock if you trust the new file."
        )
    if start != b"#!":
        raise InstallError(
            f"{source.name} is not IBKR's Linux installer (it does not begin with '#!'): lock the file named "
            "ibgateway-…-standalone-linux-x64.sh."
        )


def run_installer(staging: Path, user: pwd.struct_passwd) -> None:
    """Run the verified installer into STAGING/program as the unprivileged `user`, then take its result over.

    Raises:
        InstallError: it failed, or left no IB Gateway behind.
    """
    for name in ("program", "home"):
        (staging / name).mkdir()
        os.chown(staging / name, user.pw_uid, user.pw_gid)
    program = staging / "program"
    command = [*confine(staging, user.pw_name, user.pw_dir), "sh", str(staging / "installer.sh")]
    result = subprocess.run(
        [*command, "-q", "-dir", str(program)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
        said = f", its last words: {lines[-1]}" if lines else ""
        raise InstallError(
            f"The installer ended with code {result.returncode}{said}. Nothing was installed; check "
            "that it is the linux-x64 build and that disk and memory suffice, then run again."
        )
    for name in ("program", "home"):
        take_over(staging / name)
    if not any((program / "jars").glob("*.jar")) or not (program / "ibgateway.vmoptions").is_file():
        raise InstallError(
            "The installer ended well but left no IB Gateway (jars/ and ibgateway.vmoptions): "
            "lock IB Gateway's installer, not TWS's."
        )


def adopt_java(staging: Path, home: str, final: Path) -> str:
    """Bring the JRE into the program tree and make every pointer to it name its final place.

    Args:
        staging: the staging directory, with `program` and `home` in it.
        home: the path under which the installer saw STAGING/home.
        final: where STAGING/program will be.

    Returns:
        The JRE's final directory, or "" when the installer brought none.
    """
    program = staging / "program"
    java = ""
    for name in JRE_POINTERS:
        pointer = program / name
        if not pointer.is_file() or pointer.is_symlink():
            continue
        first, *rest = pointer.read_text(encoding="utf-8").splitlines() or [""]
        place = _staged_java(first.strip(), staging, home)
        if place is None:
            pointer.unlink()
            continue
        java = java or str(final / place.relative_to(program))
        rest_text = "".join(f"{line}\n" for line in rest)
        pointer.write_text(f"{final / place.relative_to(program)}\n{rest_text}", encoding="utf-8")
    if (program / "jre" / "bin" / "java").is_file():
        java = java or str(final / "jre")
    return java


def _staged_java(named: str, staging: Path, home: str) -> Path | None:
    """Return where in STAGING/program the JRE that a pointer names is, moving it there when needed."""
    program = staging / "program"
    staged_home = staging / "home"
    place = Path(named)
    for seen, real in ((Path(home), staged_home), (staged_home, staged_home)):
        if named and place.is_relative_to(seen):
            inside = place.relative_to(seen)
            target = program / "home" / inside
            if (real / inside / "bin" / "java").is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                (real / inside).rename(target)
            if (target / "bin" / "java").is_file():
                return target
    if named and place.is_relative_to(program) and (place / "bin" / "java").is_file():
        return place
    return program / "jre" if (program / "jre" / "bin" / "java").is_file() else None


def check_java(java: Path, user: pwd.struct_passwd) -> None:
    """Refuse a JRE that does not run on this host.

    Raises:
        InstallError: it is for another architecture, or broken.
    """
    identity = {} if os.geteuid() else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    try:
        result = subprocess.run(
            [java / "bin" / "java", "-XX:-UsePerfData", "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd="/",
            env={},
            **identity,
        )
        problem = "" if result.returncode == 0 else f"code {result.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem:
        raise InstallError(
            f"The installer's Java does not run on this {os.uname().machine} host ({problem}): "
            "lock the linux-x64 build, or set ibgateway_java_source: debian."
        )


def take_over(tree: Path) -> None:
    """Give a tree to root: readable by all, writable by root alone, no set-id bits.

    Top-down and without following links, so that nothing left running can step in between.
    """
    for _, _, names, directory in os.fwalk(tree, topdown=True, follow_symlinks=False):
        if os.geteuid() == 0:
            os.fchown(directory, 0, 0)
        os.fchmod(directory, 0o755)
        for name in names:
            _take_over_file(directory, name)


def _take_over_file(directory: int, name: str) -> None:
    if os.geteuid() == 0:
        os.chown(name, 0, 0, dir_fd=directory, follow_symlinks=False)
    mode = os.lstat(name, dir_fd=directory).st_mode
    if stat.S_ISREG(mode):
        os.chmod(name, 0o755 if mode & stat.S_IXUSR else 0o644, dir_fd=directory)


def install(options: argparse.Namespace) -> dict[str, object]:
    """Install the release that `options` describes; return what was done, for the role.

    Raises:
        InstallError: nothing was installed, and why.
    """
    user = pwd.getpwnam(options.user)
    final = options.releases / options.version
    staging = options.releases / f".staging-{options.version}"
    old = options.releases / f".old-{options.version}"
    for leftover in (staging, old):
        shutil.rmtree(leftover, ignore_errors=True)
    staging.mkdir(mode=0o755)
    try:
        installer = staging / "installer.sh"
        copy_verified(options.installer, installer, options.sha256, options.size)
        installer.chmod(0o644)
        run_installer(staging, user)
        program = staging / "program"
        java = adopt_java(staging, user.pw_dir, final)
        if options.require_java:
            if not java:
                raise InstallError(
                    "The installer brought no Java that can be found: set ibgateway_java_source: debian."
                )
            check_java(program / Path(java).relative_to(final), user)
        # IBC would rename IBKR's start script, so that Gateway cannot restart itself behind IBC's back.
        # The tree is read-only to the service, so it is done here.
        if (program / "ibgateway").is_file():
            (program / "ibgateway").rename(program / "ibgateway1")
        _write_marker(program, {"version": options.version, "sha256": options.sha256.lower(), "java": java})
        if final.exists():
            final.rename(old)
        program.rename(final)
        _sync(options.releases)
    finally:
        for leftover in (staging, old):
            shutil.rmtree(leftover, ignore_errors=True)
    return {"version": options.version, "java": java}


def _write_marker(program: Path, content: dict[str, str]) -> None:
    """Write the marker that says the release is whole; the last thing before it is renamed into place."""
    marker = program / ".installed"
    marker.write_text(json.dumps(content) + "\n", encoding="utf-8")
    marker.chmod(0o644)
    os.sync()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 0 when the release is in place, 1 with one sentence on stderr otherwise."""
    parser = argparse.ArgumentParser(description="Install one IB Gateway release.")
    parser.add_argument("--version", required=True)
    parser.add_argument("--installer", type=Path, required=True, help="the fetched file; removed at the end")
    parser.add_argument("--sha256", required=True)
    parser.add_argument("--size", type=int, required=True, help="bytes")
    parser.add_argument("--releases", type=Path, default=Path("/opt/ibgateway/releases"))
    parser.add_argument("--user", default="ibgateway", help="unprivileged account that runs the installer")
    parser.add_argument("--require-java", action="store_true", help="refuse a release without a working JRE")
    options = parser.parse_args(arguments)
    directory = os.open(options.releases, os.O_RDONLY)
    try:
        # Two runs at once would stage into each other: the second waits.
        fcntl.flock(directory, fcntl.LOCK_EX)
        print(json.dumps(install(options)))
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        os.close(directory)
        options.installer.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
