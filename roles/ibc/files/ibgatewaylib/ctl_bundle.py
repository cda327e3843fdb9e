"""`ibgatewayctl support-bundle`: what a helper needs, in one archive, with every secret blacked out."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from . import ctl_codes, ctl_events, ctl_incidents, ctl_schedule, ctl_timeline, doctor, redact
from .ctl_alerting import CONFIG
from .ctl_host import CtlError, Host
from .doctor import Machine

JOURNAL_LINES = 1500
EVENTS = 500
DAYS = 14
OPERATORS = "ibgateway-operators"


def make(host: Host, names: list[str], output: Path | None, *, offline: bool) -> dict:
    """Write a bundle.

    Args:
        host: this host.
        names: known instances.
        output: the archive, which must not exist; none: a new one in the working directory.
        offline: do not try to reach IBKR.

    Returns:
        `file`; `members`, their names; `missing`, what could not be had, and why; `redacted`, how often what
        was blacked out; `exact`, whether the secrets themselves were known.

    Raises:
        CtlError: the archive cannot be written.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    output = output or Path(f"ibgateway-support-{stamp}.tar.gz")
    known, exact = secrets(host)
    redactor = redact.Redactor(known)
    members: dict[str, bytes] = {}
    missing: dict[str, str] = {}
    for name, ask in _parts(host, names, offline=offline):
        try:
            text = ask()
        except Exception as error:  # a bundle is for when things are broken: one more thing must not end it
            missing[name] = redactor(f"{type(error).__name__}: {error}")
            continue
        if text is None:
            missing[name] = "there is none, or this user may not read it"
            continue
        data = redactor(text).encode("utf-8", "replace")
        if leaks := redactor.leaks(data):
            missing[name] = f"left out, for it held a {leaks[0]} in a form that could not be blacked out"
        else:
            members[name] = data
    members["README.txt"] = _readme(redactor, missing, exact=exact).encode()
    _write(output, f"ibgateway-support-{stamp}", members)
    return {
        "file": str(output),
        "members": sorted(members),
        "missing": missing,
        "redacted": dict(sorted(redactor.counts.items())),
        "exact": exact,
    }


def lines(result: dict) -> str:
    """What to print."""
    counts = ", ".join(f"{count} {kind}" for kind, count in result["redacted"].items())
    told = [f"{result['file']}: {len(result['members'])} files, blacked out: {counts or 'nothing'}"]
    told += [f"  missing: {name} ({why})" for name, why in sorted(result["missing"].items())]
    if not result["exact"]:
        told.append(
            "  Made without root: secrets were found by their looks, not compared with those of this host. "
            "Read it before you send it, or use sudo."
        )
    return "\n".join(told)


# --- what is secret -----------------------------------------------------------------------------------------


def secrets(host: Host) -> tuple[list[tuple[str, str]], bool]:
    """Return kind and value of the secrets of this host, and whether all of them could be read.

    They are needed only to be found, and stay in memory. Without root none can be read.
    """
    found = [("operator", name) for name in _operators()]
    if os.geteuid() != 0:
        return found, False
    from . import credential_tool

    complete = True
    files = [*host.etc.glob("*/credentials/*.cred"), *CONFIG.parent.glob("channels.cred")]
    for file in files:
        try:
            text = credential_tool.reveal(file.stem, file).decode("utf-8", "replace")
        except credential_tool.Failed:
            complete = False
            continue
        found += _of_channels(text) if file.stem == "channels" else [(file.stem, text.strip("\n"))]
    for name in host.names([]):
        try:
            instance = host.instance(name)
        except CtlError:
            complete = False
            continue
        for file in instance.settings_dir.glob("*/autorestart*"):
            found.append(("token", _text(file).strip()))
        found.append(("password", _text(instance.run_dir / "vnc-password").strip()))
        cookie = instance.run_dir / "Xauthority"
        if cookie.is_file():
            found.append(("token", cookie.read_bytes()[-16:].hex()))
    return [(kind, value) for kind, value in found if value], complete


def _of_channels(text: str) -> list[tuple[str, str]]:
    return [("address", part) for entry in json.loads(text) for part in redact.of_url(entry["url"])]


def _operators() -> list[str]:
    import grp

    names = {os.environ.get("SUDO_USER", "")} - {"", "root"}
    with contextlib.suppress(KeyError):
        names.update(grp.getgrnam(OPERATORS).gr_mem)
    return sorted(names)


# --- what is in it ------------------------------------------------------------------------------------------

Part = tuple[str, Callable[[], str | None]]


def _parts(host: Host, names: list[str], *, offline: bool) -> list[Part]:
    machine = Machine()

    def run(*command: str) -> Callable[[], str | None]:
        return lambda: machine.run(*command, seconds=30)

    parts: list[Part] = [
        ("status.json", lambda: _status(host, names)),
        ("doctor.txt", lambda: _doctor(host, names, offline=offline)),
        ("versions.txt", lambda: _versions(machine)),
        ("schedule.txt", lambda: ctl_schedule.show(host, names, zone="", days=DAYS)[0]),
        ("incidents.json", lambda: _json(ctl_incidents.show([], every=True, colour=False)[1])),
        ("timeline.txt", lambda: ctl_timeline.show(host, names, days=7, colour=False)[0]),
        ("host/memory.txt", run("free", "-m")),
        ("host/disk.txt", run("df", "-h", "--output=target,fstype,size,avail,ipcent")),
        ("host/uptime.txt", run("uptime")),
        ("host/clock.txt", run("timedatectl", "show")),
        ("host/failed-units.txt", run("systemctl", "list-units", "--failed", "--plain", "--no-legend")),
        ("timers.txt", run("systemctl", "list-timers", "--all", "--no-pager", "ibgateway-*")),
        ("config/alerting.toml", lambda: machine.read(CONFIG)),
        ("journal/others.log", _journal(machine, "ibgateway-*")),
    ]  # fmt: skip
    for name in names:
        instance = host.etc / name
        parts += [
            (f"events/{name}.jsonl", lambda name=name: _events(host, name)),
            (f"config/{name}/instance.toml", lambda file=instance / "instance.toml": machine.read(file)),
            (f"config/{name}/ibc.ini", lambda file=instance / "ibc.ini": machine.read(file)),
            (f"journal/{name}.log", _journal(machine, f"ibgateway@{name}.service")),
        ]
    parts += [(f"units/{unit}.txt", run("systemctl", "show", unit)) for unit in _units(machine)]
    return parts


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _status(host: Host, names: list[str]) -> str:
    return _json({"instances": [host.status(name) for name in names]})


def _doctor(host: Host, names: list[str], *, offline: bool) -> str:
    from . import ctl_doctor

    found = ctl_doctor.examine(host, names, offline=offline)
    return "\n".join(doctor.lines(found, colour=False, verbose=True)) + "\n"


def _versions(machine: Machine) -> str:
    told = [
        (machine.read("/etc/os-release") or "").partition("\n")[0],
        f"kernel {platform.release()}, {platform.machine()}, Python {platform.python_version()}",
        (machine.run("systemctl", "--version") or "").partition("\n")[0],
    ]
    releases = sorted(Path("/opt").glob("*/releases/[!.]*"))
    told += [f"release {place.parent.parent.name} {place.name}" for place in releases]
    packages = ("openjdk-*-jre", "xvfb", "x11vnc", "nftables", "polkitd", "tzdata", "openssh-server")
    told.append((machine.run("dpkg-query", "--show", *packages) or "").strip())
    return "\n".join(told) + "\n"


def _events(host: Host, name: str) -> str:
    file = host.instance(name).state_dir / "events.jsonl"
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in ctl_events.last(file, EVENTS))


def _journal(machine: Machine, unit: str) -> Callable[[], str | None]:
    command = ["journalctl", "--no-pager", "--no-hostname", "--output=short-iso", f"--lines={JOURNAL_LINES}"]
    return lambda: machine.run(*command, f"--unit={unit}", seconds=30)


def _units(machine: Machine) -> list[str]:
    listed = machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "ibgateway*") or ""
    return [line.split()[0] for line in listed.splitlines() if line.strip()]


def _text(file: Path) -> str:
    try:
        return file.read_bytes()[: 1 << 16].decode("utf-8", "replace")
    except OSError:
        return ""


def _readme(redactor: redact.Redactor, missing: dict[str, str], *, exact: bool) -> str:
    counts = ", ".join(f"{kind}: {count}" for kind, count in sorted(redactor.counts.items())) or "nothing"
    how = (
        "every secret of the host was looked for, word for word and in other spellings"
        if exact
        else "made without root or without all credentials: secrets were found by their looks alone"
    )
    gone = "".join(f"  {name}: {why}\n" for name, why in sorted(missing.items()))
    return (
        "A support bundle of IB Gateway, made by `ibgatewayctl support-bundle`.\n"
        f"Blacked out ({how}): {counts}.\nThe same thing has the same name in all files, such as ACCOUNT-1.\n"
        + (f"Missing:\n{gone}" if gone else "")
    )


def _write(output: Path, folder: str, members: dict[str, bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(output, flags, 0o600)
    except FileExistsError:
        raise CtlError(f"{output} is there already: name another one with -o", ctl_codes.USAGE) from None
    except OSError as error:
        raise CtlError(f"{output} cannot be made ({error.strerror}): name another place with -o") from None
    try:
        with (
            os.fdopen(descriptor, "wb") as stream,
            gzip.GzipFile(fileobj=stream, mode="wb", filename="") as zipped,
            tarfile.open(fileobj=zipped, mode="w") as tar,
        ):
            for name, data in sorted(members.items()):
                info = tarfile.TarInfo(f"{folder}/{name}")
                info.size, info.mtime, info.mode = len(data), int(time.time()), 0o600
                tar.addfile(info, io.BytesIO(data))
    except OSError as error:
        output.unlink(missing_ok=True)
        raise CtlError(
            f"{output} cannot be written ({error.strerror}): see that the disk is not full"
        ) from None
