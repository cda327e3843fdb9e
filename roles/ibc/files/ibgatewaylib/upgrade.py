"""`ibgatewayctl upgrade VERB NAME`: another release, judged at its first start, and left again if it fails.

The steps, each of which may be interrupted and repeated: `note` writes down from what to what; `switch` lets
the next start use it; the launcher copies the settings before that start; `judge` looks what became of it,
and confirms it or goes back. Playbooks and units call this as root; `ibgateway-upgrade@NAME` is the unit that
judges, after a run that failed and after each daily restart.
"""

from __future__ import annotations

import subprocess
import time

from . import act, ctl_codes, ctl_follow, ctl_history, releases, settings_copy
from .act_user import as_service_user
from .appointment import Lock
from .ctl_host import CtlError, Host, manage, parse_time
from .events import timestamp
from .instance import Instance
from .releases import Versions

GOOD, BAD, WAITS, NOTHING = "good", "bad", "waits", "nothing"

NOT_THE_RELEASE = frozenset(
    [
        "stopped", "paused", "consent", "budget", "login_not_now", "token_expired", "credentials_rejected",
        "throttled", "maintenance", "connection_failed", "two_factor_missed", "second_factor_refused",
        "choice_missing", "code_missing", "competing_session", "session_taken",
    ]
)  # fmt: skip
"""Reasons of `reasons.REASONS` that say nothing about the program that runs."""
_FAILURES = ("crashed", "stuck", "unknown_dialog", "configuration_invalid")
_ENOUGH = 2
"""Runs of a release that failed, in a row, after which it is left though the launcher would go on trying."""
_UNTRIED = "it takes effect at the next start"
_PAUSE = 2.0


def note(host: Host, name: str, to: Versions, *, again: bool) -> bool:
    """Write down that an instance changes to other versions; the next start under them is the trial.

    Args:
        host: this host.
        name: a known instance.
        to: the versions.
        again: also those that it has left because they failed, or by hand.

    Returns:
        whether anything was written.

    Raises:
        CtlError: not installed, or left before.
    """
    instance = host.instance(name)
    releases.require_installed(to)
    with Lock(instance):
        return _note(instance, to, again=again)


def begin(host: Host, name: str, to: Versions, *, again: bool = True) -> bool:
    """Note a change, and have the next start use it.

    Returns:
        whether anything changed.

    Raises:
        CtlError: as `note`.
    """
    instance = host.instance(name)
    releases.require_installed(to)
    with Lock(instance):
        noted = _note(instance, to, again=again)
        return releases.switch(instance, to) or noted


def roll_back(host: Host, name: str) -> str:
    """Have the next start use what the instance came from.

    Returns:
        what was done.

    Raises:
        CtlError: nothing is known to go back to.
    """
    instance = host.instance(name)
    with Lock(instance):
        record = releases.read(instance)
        pending = record["pending"]
        to = pending["from"] if pending else record["previous"]
        here = releases.of(instance)
        if not to or to == here:
            raise CtlError(f"{name} has no release to go back to: it uses {releases.words(here)}")
        releases.require_installed(to)
        _note(instance, to, again=True)
        left = {"versions": here, "why": "rolled back by hand", "at": timestamp(time.time())}
        releases.write(instance, releases.read(instance) | {"left": left})
        releases.switch(instance, to)
    return f"{name}: {releases.step(here, to)} at its next start"


def judge(host: Host, name: str, *, in_time: bool = True) -> tuple[str, str]:
    """Look what became of a pending change; confirm it, or go back.

    Args:
        host: this host.
        name: a known instance.
        in_time: false when nobody waits any longer for it to get ready.

    Returns:
        GOOD, BAD, WAITS or NOTHING, and a sentence.

    Raises:
        CtlError: what was decided could not be done.
    """
    instance = host.instance(name)
    with Lock(instance):
        record = releases.read(instance)
        pending = record["pending"]
        if not pending:
            return NOTHING, f"{name}: no change of versions is pending"
        if pending.get("leaving"):
            return BAD, _leave(instance, record)
        step = releases.step(pending["from"], pending["to"])
        if releases.of(instance) != pending["to"]:
            return NOTHING, f"{name}: {step} is noted, and takes effect when the playbook is run again"
        verdict, why = look(host, instance, pending, in_time=in_time)
        if verdict == GOOD:
            releases.write(instance, record | {"pending": None, "previous": pending["from"]})
            act.emit(instance, "upgraded", {"from": pending["from"], "to": pending["to"], "text": step})
            return GOOD, f"{name}: {step}, and ready"
        if verdict == BAD:
            pending["leaving"] = why
            # Noted, since going back may be interrupted: what its operator stopped stays so.
            pending["start"] = host.status(name)["state"] != "stopped"
            releases.write(instance, record)
            return BAD, _leave(instance, record)
        return WAITS, f"{name}: {step} is pending: {why}"


def look(host: Host, instance: Instance, pending: dict, *, in_time: bool) -> tuple[str, str]:
    """Whether the versions that are on trial work; changes nothing.

    Returns:
        GOOD, BAD or WAITS, and why.
    """
    status = host.status(instance.name)
    since = parse_time(pending["since"]) or 0.0
    events = [event for event in ctl_history.read(instance.state_dir / "events.jsonl") if event[0] >= since]
    trial = _trial(events, pending["to"])
    begun = (parse_time(status.get("started")) or 0.0) >= since
    runs_it = begun and releases.said_by(status) == pending["to"]
    if not trial and not runs_it:
        return WAITS, _UNTRIED
    if any(kind == "ready" for _, kind, _ in trial):
        return GOOD, "it got ready"
    outlived = ctl_history.token_outlived(
        ctl_history.read(instance.state_dir / "events.jsonl"), ctl_history.now()
    )
    failures = [_said(kind, detail) for _, kind, detail in trial if _counts(kind, detail, outlived)]
    down = status["unit"]["active_state"] in ("inactive", "failed")
    reason = (status.get("end") or {}).get("reason", "")
    if down and runs_it and reason and reason not in NOT_THE_RELEASE:
        return BAD, str(status["status"])
    if len(failures) >= _ENOUGH or (failures and down and status["state"] != "stopped"):
        return BAD, failures[-1]
    # A tap, or the end of a reset window, may take its time; a pause after a failure may not.
    patient = status["state"] in ("two_factor", "deferred") and not failures
    if not in_time and not patient and not down:
        return BAD, f"it is not ready in time: {status['status']}"
    return WAITS, str(status["status"])


def wait(host: Host, name: str, seconds: float, say) -> int:
    """Follow a pending change that was started until it is judged, and left where it failed.

    Args:
        host: this host.
        name: a known instance.
        seconds: how long the new one may take to get ready, from its start on.
        say: a Teller.

    Returns:
        the exit code: done, failed, or not now where it waits for the operator.
    """
    begins = time.monotonic() + ctl_follow.RESTART_BEGINS
    deadline = None
    while True:
        now = time.monotonic()
        verdict, sentence = judge(host, name, in_time=deadline is None or now <= deadline)
        if verdict != WAITS:
            say(sentence)
            return ctl_codes.FAILED if verdict == BAD else ctl_codes.DONE
        if deadline is None and not sentence.endswith(_UNTRIED):
            deadline = now + seconds
        status = host.status(name)
        down = status["unit"]["active_state"] in ("inactive", "failed")
        # Late, and not judged as bad: it waits for a tap, or for the end of a reset window.
        if down or now > (begins if deadline is None else deadline):
            say(f"{sentence}; it is judged when it gets ready")
            return ctl_codes.NOT_NOW
        time.sleep(_PAUSE)


def _note(instance: Instance, to: Versions, *, again: bool) -> bool:
    record = before = releases.read(instance)
    here, pending, left = releases.of(instance), record["pending"], record["left"]
    if left and left["versions"] == to and to != here:
        if not again:
            raise CtlError(
                f"{instance.name} has left {releases.words(to)} ({left['why']}), and uses "
                f"{releases.words(here)}: name those versions in the inventory, or try again with "
                "playbooks/upgrade.yml"
            )
        record = record | {"left": None}
    origin = pending["from"] if pending and not pending.get("leaving") else here
    if to == origin:
        record = record | {"pending": None}
    elif not pending or pending["to"] != to:
        record = record | {"pending": {"from": origin, "to": to, "since": timestamp(time.time())}}
    if record == before:
        return False
    releases.write(instance, record)
    return True


def _trial(events: list[tuple[float, str, dict]], to: Versions) -> list[tuple[float, str, dict]]:
    """The events from the first start of the versions on trial on."""
    for index, (_, kind, detail) in enumerate(events):
        if kind == "starting" and releases.said_by(detail) == to:
            return events[index:]
    return []


def _counts(kind: str, detail: dict, outlived: bool | None) -> bool:
    """Whether an event speaks against the release; a saved session that IBKR had ended hangs under any."""
    return kind in _FAILURES and not (outlived and detail.get("where") == "resuming")


def _said(kind: str, detail: dict) -> str:
    return str(detail.get("text") or detail.get("title") or kind.replace("_", " "))


def _leave(instance: Instance, record: dict) -> str:
    """Go back, and restart what was there before; each step may be done twice."""
    pending = record["pending"]
    why, old, new = pending["leaving"], pending["from"], pending["to"]
    name, unit = instance.name, f"ibgateway@{instance.name}.service"
    start = pending["start"]
    evidence = _keep_evidence(instance, pending)
    if start:
        manage("stop", unit, wait=True)
    releases.switch(instance, old)
    token = as_service_user(lambda: settings_copy.restore_token(instance))
    detail = {"from": old, "to": new, "text": f"{releases.step(old, new)}: {why}", "evidence": evidence}
    act.emit(instance, "upgrade_failed", detail)
    left = {"versions": new, "why": why, "at": timestamp(time.time())}
    releases.write(instance, {"pending": None, "previous": record["previous"], "left": left})
    if start:
        manage("reset-failed", unit)
        manage("start", unit)
    session = ", with its saved session" if token else ""
    started = f", which starts again{session}" if start else ""
    return (
        f"{name}: left {releases.words(new)} ({why}) for {releases.words(old)}{started}. Evidence: {evidence}"
    )


def _keep_evidence(instance: Instance, pending: dict) -> str:
    """Keep what the trial said, for whoever asks why it was left; the journal holds no secret.

    Returns:
        the folder's path.
    """
    stamp = "".join(character for character in pending["since"][:19] if character.isdigit())
    folder = instance.state_dir / "evidence" / f"{stamp}-{pending['to']['gateway_version']}"
    command = [
        "journalctl", "--no-pager", "--output=short-iso", "--lines=2000",
        f"--since=@{int(parse_time(pending['since']) or 0)}", f"--unit=ibgateway@{instance.name}.service",
    ]  # fmt: skip
    try:
        journal = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError as error:
        journal = f"journalctl cannot be run: {error.strerror}\n"

    def keep() -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "journal.txt").write_text(journal, encoding="utf-8")
        (folder / "why.txt").write_text(f"{pending['leaving']}\n", encoding="utf-8")
        for source in (instance.state_dir / "events.jsonl", instance.run_dir / "state.json"):
            if source.is_file():
                (folder / source.name).write_bytes(source.read_bytes())

    as_service_user(keep)
    return str(folder)
