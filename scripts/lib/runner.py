"""Run a playbook through ansible-runner: the one place that does, for all verbs of scripts/ops.

A run leaves a folder `.cache/runs/TIME-VERB` with `log`, what ansible-playbook printed, and, written by the
caller, `result.json`. ansible-runner's own files (the command line, each event with the tasks' arguments)
live in a scratch folder that ends with the run; the environment, written there too, only for a moment.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from ansible_runner.config.runner import RunnerConfig
from ansible_runner.runner import Runner

from scripts.lib import run_events
from scripts.lib.run_events import Event

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / ".cache" / "runs"
KEEP = 20
# How soon Ctrl-C is noticed, and how long ansible may take to end its workers before it is killed.
POLL_SECONDS = 0.3
GRACE_SECONDS = 10.0
MARK = "AWX_ISOLATED_DATA_DIR"  # ansible-runner names the scratch folder so to everything that it starts

# Plays on the controller prepare and check; they are no hosts of the operator's.
CONTROLLER = "localhost"


@dataclass(frozen=True)
class Task:
    """What became of a task on a host, where it changed something or failed."""

    name: str
    status: str
    item: str = ""
    paths: tuple[str, ...] = ()
    diff: str = ""
    said: tuple[str, ...] = ()
    reason: str = ""


@dataclass
class HostResult:
    """What became of a host.

    Attributes:
        ok: tasks that ran well.
        changed: tasks, or items of loops, that changed something, or would.
        failed: tasks that failed.
        unreachable: it did not answer.
        tasks: those that changed something or failed.
        said: the playbook's messages to the operator, by the task's name.
        outputs: what the playbook's commands printed, by the task's name.
        facts: what the playbook kept by set_fact.
    """

    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: bool = False
    tasks: list[Task] = field(default_factory=list)
    said: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        """It answered, and nothing failed."""
        return not self.failed and not self.unreachable

    @property
    def reason(self) -> str:
        """Why it is not well, in a sentence."""
        bad = [task for task in self.tasks if task.status in ("failed", "unreachable")]
        # The loop's own reason only tells that an item has one.
        items = [task for task in bad if task.item] or bad
        return f"{items[0].name}: {items[0].reason}" if items else ""

    @property
    def warnings(self) -> list[str]:
        """What tasks say whose name begins with Warn."""
        return [line for task, said in self.said.items() if task.startswith("Warn") for line in said]

    def rescue(self) -> None:
        """Take its failures for what they were: the playbook went on after them, or undid what led there."""
        self.failed = 0
        self.tasks = [
            dataclasses.replace(task, status="rescued") if task.status == "failed" else task
            for task in self.tasks
        ]

    def add(self, event: Event) -> None:
        """Take an event of this host into account."""
        if event.said:
            self.said.setdefault(event.task, []).extend(event.said)
        if event.kind == "ok" and event.output:
            self.outputs[event.task] = event.output
        self.facts |= event.facts
        if event.kind == "ok":
            self.ok += 1
        if event.kind == "failed" and not event.ignored:
            self.failed += 1
        if event.kind == "unreachable":
            self.unreachable = True
        if (event.kind in ("ok", "item_ok") and event.changed and not event.looped) or (
            event.kind in ("failed", "item_failed", "unreachable")
            and not (event.ignored and event.kind != "unreachable")
        ):
            status = {"ok": "changed", "item_ok": "changed", "item_failed": "failed"}.get(
                event.kind, event.kind
            )
            self.changed += status == "changed"
            self.tasks.append(
                Task(event.task, status, event.item, event.paths, event.diff, event.said, event.reason)
            )


@dataclass
class Result:
    """What became of a run.

    Attributes:
        hosts: by their names in the inventory.
        rc: of ansible-playbook.
        log: what it printed.
        refusals: why nothing, or not all, was done, beside what the hosts say.
        interrupted: the operator ended it.
    """

    hosts: dict[str, HostResult]
    rc: int
    log: Path
    refusals: list[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def code(self) -> int:
        """The exit code: 0 done, 1 refused, 4 some hosts failed or unreachable, 130 interrupted."""
        if self.interrupted:
            return 130
        if any(not host.well for host in self.hosts.values()):
            return 4
        return 1 if self.rc or self.refusals else 0


class _Interrupt:
    """Count the operator's Ctrl-C (and a SIGTERM), and end the run for it."""

    def __init__(self) -> None:
        self.count = 0
        self.pid = 0
        self._asked: float | None = None

    def __call__(self) -> bool:
        """Tell ansible-runner whether to kill ansible now; asked all POLL_SECONDS."""
        if not self.count:
            return False
        if self._asked is None:
            self._asked = time.monotonic()
            # As if Ctrl-C had been pressed in its own terminal: it ends its workers, and prints what it has.
            if not self.pid or not _signal(self.pid, signal.SIGINT):
                return True
        return self.count > 1 or time.monotonic() - self._asked > GRACE_SECONDS

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take the signals over; the main thread's matter."""

        def noted(_number: int, _frame: FrameType | None) -> None:
            self.count += 1

        before = {number: signal.signal(number, noted) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run(
    playbook: str | Path,
    *,
    verb: str,
    inventory: Sequence[str] = (),
    limit: str = "",
    extravars: Mapping[str, Any] | None = None,
    extra: Sequence[str] = (),
    tags: str = "",
    check: bool = False,
    diff: bool = False,
    vault_password_files: Sequence[str] = (),
    passwords: Mapping[str, str] | None = None,
    on_event: Callable[[Event], None] = lambda _event: None,
    runs: Path = RUNS,
) -> Result:
    """Run a playbook to its end.

    Args:
        playbook: its file.
        verb: what the run is called, in its folder's name.
        inventory: as ansible-playbook takes them with -i; none for the default of ansible.cfg.
        limit: a pattern of hosts; empty for all.
        extravars: variables that stand above all others.
        extra: the operator's own -e, as ansible-playbook has it.
        tags: only these, with commas.
        check: change nothing.
        diff: have differences told.
        vault_password_files: as ansible-playbook has it.
        passwords: what to answer to which prompt of ansible-playbook (a pattern).
        on_event: called for every event, as it comes.
        runs: where the run's folder is made.

    Returns:
        What became of it; failed hosts are no exception.
    """
    folder = _folder(runs, verb)
    words = [*(["--check"] if check else []), *(["--diff"] if diff else [])]
    for file in vault_password_files:
        words += ["--vault-password-file", str(Path(file).absolute())]
    words += ["--ask-vault-pass"] if _asks(passwords, "Vault") else []
    words += ["--ask-become-pass"] if _asks(passwords, "BECOME") else []
    interrupt, gathered = _Interrupt(), _Gathered()
    log = folder / "log"
    with (
        tempfile.TemporaryDirectory(prefix="ops-", ignore_cleanup_errors=True) as scratch,
        log.open("w", encoding="utf-8") as printed,
    ):
        for number, text in enumerate([*extra, *([json.dumps(dict(extravars))] if extravars else [])]):
            words += ["--extra-vars", _as_file(text, Path(scratch) / f"extra-{number}.json")]

        def handle(raw: Mapping[str, Any]) -> bool:
            interrupt.pid = interrupt.pid or (raw.get("pid") or 0)
            event = run_events.read(raw)
            if event.text:
                printed.write(event.text + "\n")
                printed.flush()
            gathered.add(event)
            on_event(event)
            return False  # not to be kept

        config = _config(
            scratch,
            playbook=str(Path(playbook).absolute()),
            inventory=[_absolute(entry) for entry in inventory] or None,
            limit=limit or None,
            tags=tags or None,
            cmdline=shlex.join(words) or None,
            passwords=dict(passwords or {}) or None,
        )

        def status(told: Mapping[str, Any], **_: Any) -> None:
            if told["status"] == "running":  # ansible-runner has just written the environment to this file
                Path(config.artifact_dir, "command").unlink(missing_ok=True)

        with interrupt.watching():
            runner = Runner(config, event_handler=handle, status_handler=status, cancel_callback=interrupt)
            runner.run()
            if interrupt.count:
                _end_leftovers(config.env[MARK])
    _rotate(runs)
    interrupted = bool(interrupt.count)
    refusals = [] if interrupted else gathered.refusals(inventory, limit)
    return Result(gathered.hosts, runner.rc, log, refusals, interrupted)


class _Gathered:
    """Put the events of a run together."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostResult] = {}
        self._controller = HostResult()
        self._errors: list[str] = []
        self._unread: dict[str, str] = {}
        self._why_unread = ""
        self._empty_plays = 0

    def add(self, event: Event) -> None:
        if event.host == CONTROLLER:
            self._controller.add(event)
        elif event.host:
            self.hosts.setdefault(event.host, HostResult()).add(event)
        if event.kind == "end":
            for name, host in self.hosts.items():
                if name not in event.failures:
                    host.rescue()
        self._empty_plays += event.kind == "no_hosts"
        if event.kind == "other":
            self._complain(event.text)

    def _complain(self, text: str) -> None:
        """Take in what ansible-playbook says about itself."""
        if found := re.match(r"\[ERROR\]: (.*)", text, re.DOTALL):
            # The sentence; where in which file follows after an empty line, and is in the log.
            self._errors.append(" ".join(found[1].split("\n\n")[0].split("\nOrigin:")[0].split()))
        elif found := re.match(r"\[WARNING\]: Failed to parse inventory with '\w+' plugin: (.*)", text):
            self._why_unread = self._why_unread or found[1]
        elif found := re.match(r"\[WARNING\]: Unable to parse (.*) as an inventory source", text):
            self._unread[found[1]] = self._why_unread

    def refusals(self, inventory: Sequence[str], limit: str) -> list[str]:
        found = [
            f"the inventory {source} cannot be read" + (f": {why}" if why else "")
            for source, why in self._unread.items()
        ]
        if self._controller.failed and self._controller.reason:
            found.append(self._controller.reason.partition(": ")[2])
        if not found:
            found += self._errors
        if not found and not self.hosts and self._empty_plays:
            given = f" {' '.join(inventory)}" if inventory else ""
            wanted = f" that matches {limit}" if limit else ""
            found.append(f"the inventory{given} has no host in the group gateways{wanted}")
        return found


def _config(scratch: str, **given: Any) -> RunnerConfig:
    """Configure ansible-runner, and take back what it does that ansible-playbook would not."""
    config = RunnerConfig(
        private_data_dir=scratch,
        project_dir=str(Path.cwd()),
        ident="run",
        quiet=True,
        # A fact cache would be one more file with what the playbook knows.
        fact_cache_type="memory",
        suppress_env_files=True,
        **given,
    )
    config.prepare()
    # The log is our own, and a signal must not wait for the next line of output.
    config.suppress_output_file = True
    config.pexpect_timeout = POLL_SECONDS
    if "ANSIBLE_HOST_KEY_CHECKING" not in os.environ:
        # It switches the check of ssh's host keys off; whether they are checked is ansible.cfg's matter.
        config.env.pop("ANSIBLE_HOST_KEY_CHECKING", None)
    config.env["ANSIBLE_NOCOLOR"] = "1"
    return config


def _asks(passwords: Mapping[str, str] | None, word: str) -> bool:
    return any(word in pattern for pattern in passwords or {})


def _as_file(text: str, file: Path) -> str:
    """Have a -e in a file of its own: the command line is for everybody to see in `ps`."""
    if text.startswith("@"):
        return f"@{Path(text[1:]).expanduser().absolute()}"
    if not text.lstrip().startswith(("{", "[")):
        text = json.dumps(dict(word.partition("=")[::2] for word in shlex.split(text)))
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return f"@{file}"


def _absolute(inventory: str) -> str:
    return inventory if "," in inventory else str(Path(inventory).absolute())


def _folder(runs: Path, verb: str) -> Path:
    """Make a run's folder; nobody else may look into it."""
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{verb}"
    for number in range(1, 1000):
        folder = runs / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{runs / name}: there are too many runs of this second")


def _rotate(runs: Path) -> None:
    """Remove all but the newest runs; their names begin with the time."""
    for old in sorted(folder for folder in runs.iterdir() if folder.is_dir())[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end_leftovers(scratch: str) -> None:
    """End what an interrupted run still has on this machine: workers, ssh, local modules."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + 2.0
        for pid in _ours(scratch):
            _signal(pid, number)
        while _ours(scratch) and time.monotonic() < until:
            time.sleep(0.05)


def _ours(scratch: str) -> list[int]:
    """Return the processes that were started with this scratch folder in their environment."""
    wanted = f"{MARK}={scratch}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return found
