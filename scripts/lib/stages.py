"""The stages of scripts/test: lint, unit, processes, real-ibc, molecule."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from scripts.lib import results, scratch
from scripts.lib.needs import Needs
from scripts.lib.results import Result
from testbed.lib import workshop
from testbed.lib.paths import CACHE, LOGS, ROOT
from testbed.lib.progress import UserError, run_step, say

REPORTS = CACHE / "results"
# Many unit tests wait for a process most of their time, so more of them than cores run at once.
FORKS, TESTS_AT_A_TIME = 5, 8
# Linters, and scenarios, beside each other on two cores: fewer scenarios use them up, but some only wait.
BESIDE_EACH_OTHER = 5
# Begun first and in this order, so that the last of them does not run alone: what takes long, or waits.
LONGEST = ("interrupted", "upgrade", "alerting", "debian-upgrade", "session", "upgrade-interrupted", "moving")
STAGES = ("lint", "unit", "processes", "real-ibc", "molecule")
Named = TypeVar("Named")
Found = TypeVar("Found")
GENERATED = {".git", ".cache", ".ansible", "__pycache__"}


def scripts_by_language(root: Path = ROOT) -> dict[str, list[str]]:
    """Find the programs that no file name gives away, by their first line.

    Args:
        root: the project.

    Returns:
        "python" and "shell" → paths relative to the root.
    """
    found: dict[str, list[str]] = {"python": [], "shell": []}
    for path in repository_files(root):
        with path.open("rb") as handle:
            first = handle.readline(80).decode("utf-8", "replace")
        name = str(path.relative_to(root))
        if path.suffix == ".sh" or (first.startswith("#!") and first.rstrip().endswith(("sh", "bash"))):
            found["shell"].append(name)
        elif first.startswith("#!") and "python" in first and path.suffix != ".py":
            found["python"].append(name)
    return found


def repository_files(root: Path) -> list[Path]:
    """List the project's own files: what Git would keep, or everything where this is no Git checkout.

    Args:
        root: the project.

    Returns:
        Existing regular files, sorted.
    """
    query = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        listed = None
    if listed is not None and listed.returncode == 0:
        paths = [root / name for name in listed.stdout.split("\0") if name]
    else:
        paths = [path for path in root.rglob("*") if _is_ours(path.relative_to(root))]
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def _is_ours(path: Path) -> bool:
    return GENERATED.isdisjoint(path.parts) and not path.parts[0].startswith(".venv")


def lint_commands(root: Path = ROOT) -> dict[str, list[str]]:
    """Say what lint runs.

    Args:
        root: the project.

    Returns:
        Name → command.
    """
    programs = scripts_by_language(root)
    return {
        # Takes longer than the others together, which run beside it. Has ansible-playbook check the syntax of
        # each playbook and role, so that there is no step of its own for that.
        "ansible-lint": ["ansible-lint", "--strict", "--nocolor"],
        # Every test can be loaded. It compiles them, too, on the core that ansible-lint leaves idle.
        "pytest --collect-only": [sys.executable, "-m", "pytest", "tests", "--collect-only", "--quiet"],
        "ruff check": ["ruff", "check", ".", *programs["python"]],
        "ruff format": ["ruff", "format", "--check", ".", *programs["python"]],
        "shellcheck": ["shellcheck", "--external-sources", *programs["shell"]],
        "yamllint": ["yamllint", "--strict", "."],
    }


def lint() -> list[Result]:
    """Run every linter, some at once; one does not stop the next.

    Returns:
        One row, a check per linter.

    Raises:
        KeyboardInterrupt: the linters that ran have ended.
    """
    begin = time.monotonic()
    row = Result("lint", 0.0)
    commands = lint_commands()
    for name, code in zip(commands, _side_by_side(_linter, list(commands.items())), strict=True):
        if code == 0:
            row.passed += 1
        else:
            row.failures.append(name)
    row.seconds = time.monotonic() - begin
    return [row]


def _linter(named: tuple[str, list[str]], stop: threading.Event) -> int:
    name, command = named
    log = LOGS / f"lint-{name.replace(' ', '-')}.log"
    return run_step(f"Lint: {name}", command, log, env=_compiling(), cwd=ROOT, label=name, stop=stop)


def unit() -> list[Result]:
    """Run the tests that need no host and start none of our programs.

    Returns:
        One row.
    """
    return _tests("unit", "Unit tests", "not workshop and not processes")


def processes() -> list[Result]:
    """Run the tests that start launcher, watcher, notifier or ansible-playbook on this machine.

    Returns:
        One row.
    """
    return _tests("processes", "Tests that start our programs on this machine", "processes")


def _tests(name: str, title: str, marks: str) -> list[Result]:
    report = _report(name)
    command = [sys.executable, "-m", "scripts.lib.pytest_forks", str(FORKS), str(TESTS_AT_A_TIME)]
    command += ["tests", "-q", "-m", marks, f"--junitxml={report}"]
    begin = time.monotonic()
    with scratch.in_memory() as there:
        environment = {**_compiling(), **there}
        code = run_step(title, command, LOGS / f"{name}.log", env=environment, cwd=ROOT, show=True)
    return [results.read_junit(report, name, time.monotonic() - begin, code)]


def real_ibc(needs: Needs) -> list[Result]:
    """Run the tests in which real IBC drives the simulated Gateway, in a container with Java and an X server.

    Args:
        needs: makes the engine and the artifacts.

    Returns:
        Two rows: what the tests need, and the tests.

    Raises:
        UserError: no engine, or no image.
    """
    made = needs.of("real-ibc")
    if made.failures:
        return [made]
    report = _report("real-ibc")
    begin = time.monotonic()
    code = workshop.run_tests("Real IBC and the simulated Gateway", report, LOGS / "real-ibc.log")
    row = results.read_junit(report, "real-ibc", time.monotonic() - begin, code)
    if row.skipped:
        row.failures.append(f"{row.skipped} tests of real IBC skipped what is here for certain")
    return [made, row]


def scenarios(root: Path = ROOT) -> list[str]:
    """Find Molecule's scenarios.

    Args:
        root: the project.

    Returns:
        Their names, `default` first: others may begin with what it leaves behind. Then the longest ones.
    """
    names = sorted(path.parent.name for path in root.glob("molecule/*/molecule.yml"))
    first = [name for name in ("default", *LONGEST) if name in names]
    return [*first, *(name for name in names if name not in first)]


def molecule(needs: Needs, chosen: Sequence[str] = ()) -> list[Result]:
    """Run scenarios on real hosts.

    Args:
        needs: makes the engine, the artifacts and the images.
        chosen: names; all when empty.

    Returns:
        A row for what they need, then two rows each: the sequence of steps, and the tests of its verify step.
    """
    made = needs.of("molecule")
    if made.failures:
        return [made]
    names = list(chosen or scenarios())
    # Each has hosts of its own, and waits for them at times. Some begin with what the first one keeps.
    waiting = [name for name in names[1:] if begins_converged(name)]
    kept = threading.Event()

    def run(name: str, stop: threading.Event) -> list[Result]:
        return _scenario(name, stop, kept.set if name == names[0] else None)

    return [made, *(row for found in _side_by_side(run, names, waiting, kept) for row in found)]


def begins_converged(name: str, root: Path = ROOT) -> bool:
    """Whether a scenario begins with the snapshot of a host that another scenario converged.

    Args:
        name: of the scenario.
        root: the project.
    """
    return "testbed_begin_converged: true" in (root / "molecule" / name / "inventory/hosts.yml").read_text()


def _side_by_side(
    do: Callable[[Named, threading.Event], Found],
    things: Sequence[Named],
    waiting: Sequence[Named] = (),
    ready: threading.Event | None = None,
) -> list[Found]:
    """Do the same to several things, some at once.

    Args:
        do: takes a thing, and what is set when it shall end early.
        things: what to do it to.
        waiting: those of them that begin later.
        ready: is set when they can begin; when the first thing has ended, they begin anyway.

    Returns:
        What it gave, in the order of the things.

    Raises:
        KeyboardInterrupt: what ran has ended.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=BESIDE_EACH_OTHER) as pool:
        begun = {at: pool.submit(do, thing, stop) for at, thing in enumerate(things) if thing not in waiting}
        try:
            if waiting:
                ready = ready or threading.Event()
                begun[0].add_done_callback(lambda _: ready.set())
                ready.wait()
                if begun[0].done():
                    begun[0].result()
            for at, thing in enumerate(things):
                if thing in waiting:
                    begun[at] = pool.submit(do, thing, stop)
            return [begun[at].result() for at in range(len(things))]
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _scenario(
    name: str, stop: threading.Event | None = None, kept: Callable[[], None] | None = None
) -> list[Result]:
    """Run a scenario; `kept` is called once it has kept what it keeps for others, and only verifies."""
    report = _report(f"molecule-{name}")
    environment = {
        **_environment(),
        "PYTEST_ADDOPTS": f"--junitxml={report}",
        "ANSIBLE_FORCE_COLOR": "0",
        "NO_COLOR": "1",
    }
    begin = time.monotonic()
    # Named, because Molecule looks for this file at the root of a Git checkout only.
    shared = ROOT / ".config/molecule/config.yml"
    command = ["molecule", "--base-config", str(shared), "test", "--scenario-name", name]
    log = LOGS / f"molecule-{name}.log"

    # As Molecule says it. If it came to say it otherwise, the others would begin at this one's end.
    def hear(line: str) -> None:
        if kept and f"[{name} > verify] Executing" in line:
            kept()

    code = run_step(
        f"Molecule scenario {name}",
        command,
        log,
        env=environment,
        cwd=ROOT,
        show=True,
        label=name,
        stop=stop,
        hear=hear,
    )
    seconds = time.monotonic() - begin
    sequence = Result(f"molecule {name}", seconds)
    tests = results.read_junit(report, f"molecule {name}: tests on the host", 0.0, 0)
    if code == 0:
        sequence.passed = 1
        if tests.passed == 0:
            tests.failures.append(f"molecule {name}: its verify step ran no test")
    else:
        sequence.failures.append(f"molecule {name} ended with exit code {code}, see {log}")
    return [sequence, tests]


def _report(name: str) -> Path:
    """Name a report's file, without one from an earlier run in it."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{name}.xml"
    path.unlink(missing_ok=True)
    return path


def _environment() -> dict[str, str]:
    return {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PYTHONDONTWRITEBYTECODE": "1"}


def _compiling() -> dict[str, str]:
    """As `_environment`, for many short processes, each of which would compile all modules anew."""
    environment = _environment()
    del environment["PYTHONDONTWRITEBYTECODE"]
    return environment


def plan(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Read the command line: stages, and scenarios after `molecule`.

    Args:
        words: arguments.

    Returns:
        (stage, its arguments) in order; all stages when there are no words.

    Raises:
        UserError: a word that is no stage, or no scenario.
    """
    chosen: list[tuple[str, list[str]]] = []
    known = scenarios()
    for word in words:
        if word in STAGES:
            chosen.append((word, []))
        elif chosen and chosen[-1][0] == "molecule":
            if word not in known:
                raise UserError(f"there is no scenario {word!r}: choose from {', '.join(known)}.")
            chosen[-1][1].append(word)
        else:
            raise UserError(f"there is no stage {word!r}: choose from {', '.join(STAGES)}.")
    return chosen or [(stage, []) for stage in STAGES]


def main(words: Sequence[str]) -> int:
    """Run stages and sum up.

    Args:
        words: arguments.

    Returns:
        Exit code: 0 all passed, 1 something failed, 2 usage, 130 interrupted.
    """
    try:
        stages = plan(words)
    except UserError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 2
    rows: list[Result] = []
    interrupted = False
    with Needs([stage for stage, _ in stages], _environment()) as needs:
        run: dict[str, Callable[[list[str]], list[Result]]] = {
            "lint": lambda _: lint(),
            "unit": lambda _: unit(),
            "processes": lambda _: processes(),
            "real-ibc": lambda _: real_ibc(needs),
            "molecule": lambda names: molecule(needs, names),
        }
        for stage, arguments in stages:
            begin = time.monotonic()
            try:
                rows += run[stage](arguments)
            except UserError as error:
                rows.append(Result(stage, time.monotonic() - begin, failures=[str(error)]))
            except KeyboardInterrupt:
                rows.append(Result(stage, time.monotonic() - begin, failures=["interrupted"]))
                interrupted = True
                break
    say(results.summary(rows))
    if interrupted:
        return 130
    return 1 if any(row.failures for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
