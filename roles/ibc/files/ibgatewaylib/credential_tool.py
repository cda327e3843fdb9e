"""Keep systemd credentials encrypted on disk, and say whether that changed anything.

The secrets come on standard input and go nowhere but into `systemd-creds`: not into an argument, the
environment, a message or a temporary file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_LIMIT = 1 << 20

HELP = """\
Examples:
  printf %s "$SECRET" | credential set --name password --file /etc/ibgateway/live/credentials/password.cred
  … credential set --name password --file … --check     says what would happen, writes nothing

  … credential set-all < SECRETS      several: a JSON object of files' paths, each with its secret;
                                      a credential has the name of its file, without the suffix

`set` prints `changed` or `unchanged`, `set-all` the paths that changed, as JSON: {"changed": […]}.
Exit codes: 0 done, 1 failed (standard error says why), 2 usage.
"""


class Failed(Exception):  # noqa: N818 - it is what happened
    """The credential could not be kept; the message names the remedy."""


def keep(secret: bytes, name: str, file: Path, *, check: bool) -> bool:
    """Bring an encrypted credential to the wanted content.

    Args:
        secret: the wanted content.
        name: the credential's name; `systemd-creds` binds it into the ciphertext.
        file: where; mode 0600 in a directory of mode 0700, replaced as a whole.
        check: change nothing.

    Returns:
        whether the file differed (or, without `check`, was rewritten).

    Raises:
        Failed: `systemd-creds` or the file system refused.
    """
    if _exists(file) and _decrypt(name, file) == secret:
        return False
    if check:
        return True
    encrypted = _systemd_creds("encrypt", "--with-key=host", f"--name={name}", "-", "-", data=secret)
    try:
        if not file.parent.is_dir():
            file.parent.mkdir(mode=0o700)
        _replace(file, encrypted)
    except OSError as error:
        raise Failed(
            f"{file} cannot be written: {error.strerror}; run as root, see that the disk is not full"
        ) from None
    return True


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError as error:
        raise Failed(f"{file} cannot be looked at ({error.strerror}): run as root") from None


def reveal(name: str, file: Path) -> bytes:
    """The content of an encrypted credential; needs root.

    Raises:
        Failed: it cannot be decrypted here, by this user, or under this name.
    """
    return _systemd_creds("decrypt", f"--name={name}", str(file), "-")


def _decrypt(name: str, file: Path) -> bytes | None:
    try:
        return reveal(name, file)
    except Failed:
        # Written for another host key or name: nobody can read it any more, so it is replaced.
        print(f"{file} cannot be decrypted on this host, it is replaced", file=sys.stderr)
        return None


def _systemd_creds(*arguments: str, data: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            ["systemd-creds", *arguments], input=data, capture_output=True, timeout=60, check=False
        )
    except FileNotFoundError:
        raise Failed(
            "systemd-creds is missing: this needs systemd 250 or later (Debian 12 or later)"
        ) from None
    except subprocess.TimeoutExpired:
        raise Failed("systemd-creds did not answer within 60 s") from None
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Failed(
            f"systemd-creds {arguments[0]} failed ({reason[-1] if reason else done.returncode}): "
            "run as root, and see that /var/lib/systemd, where the host's key is kept, is writable"
        )
    return done.stdout


def _replace(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{file.name}.new")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(
            draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def main(argv: list[str]) -> int:
    """Run the tool.

    Args:
        argv: the arguments without the program's name.

    Returns:
        the exit code.
    """
    parser = argparse.ArgumentParser(
        prog="credential",
        description=__doc__,
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    setting = commands.add_parser("set", help="keep a credential as given on standard input")
    setting.add_argument(
        "--name", required=True, help="the credential's name, as LoadCredentialEncrypted= has it"
    )
    setting.add_argument("--file", required=True, type=Path, help="the encrypted file")
    every = commands.add_parser("set-all", help="keep several as given on standard input")
    for command in (setting, every):
        command.add_argument("--check", action="store_true", help="say what would happen, write nothing")
    options = parser.parse_args(argv)
    given = sys.stdin.buffer.read(_LIMIT + 1)
    if len(given) > _LIMIT:
        print("credential: standard input is larger than 1 MiB: pass the secret there", file=sys.stderr)
        return 1
    secrets = _several(given, parser) if options.command == "set-all" else {}
    if options.command == "set":
        _check_file(options.name, options.file, parser)
        secrets = {options.file: (options.name, given.removesuffix(b"\n"))}

    changed = []
    for file, (name, secret) in secrets.items():
        if not secret:
            print(f"credential {name}: there is no secret: pass it on standard input", file=sys.stderr)
            return 1
        try:
            if keep(secret, name, file, check=options.check):
                changed.append(str(file))
        except Failed as failed:
            print(f"credential {name}: {failed}", file=sys.stderr)
            return 1
    if options.command == "set-all":
        print(json.dumps({"changed": changed}))
    else:
        print("changed" if changed else "unchanged")
    return 0


def _several(given: bytes, parser: argparse.ArgumentParser) -> dict[Path, tuple[str, bytes]]:
    """Return the files with name and secret of each."""
    try:
        files = {Path(path): secret.encode() for path, secret in json.loads(given).items()}
    except (ValueError, AttributeError):
        # Without its reason, which may quote what was given.
        parser.error("standard input must hold a JSON object of paths, each with a text")
    for file in files:
        _check_file(file.stem, file, parser)
    return {file: (file.stem, secret) for file, secret in files.items()}


def _check_file(name: str, file: Path, parser: argparse.ArgumentParser) -> None:
    if not _NAME.fullmatch(name):
        parser.error(f"a credential's name may hold letters, digits, '.', '_' and '-' only, not {name!r}")
    if not file.is_absolute():
        parser.error(f"a credential's file must be an absolute path, not {str(file)!r}")
