"""Lock what may be installed: read the publishers' versions, download, verify, record, keep a mirror.

IBKR publishes no checksums and serves its current build alone, so a file is downloaded once, recorded in
artifacts.lock.yml as it was seen (sha256, size, date), and kept. Another file under the same version is
refused, later and on every host.

Examples:
  scripts/ops lock -i inventories/mine                  the first time: the current versions; later: compare
  scripts/ops lock -i inventories/mine --update         add what is current now, keep what is locked
  scripts/ops lock -i inventories/mine --channel latest --update
  scripts/ops lock -i inventories/mine --from ~/Downloads     files you have; the publishers are not asked
  scripts/ops lock -i inventories/mine --check          change nothing, say what differs

Exit codes: 0 as locked · 1 refused or failed, and why · 2 usage · 3 differences (--check) · 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from scripts.lib.artifacts import ArtifactError, lockfile, publishers
from scripts.lib.artifacts.download import MEGABYTE, Patience, Report
from scripts.lib.artifacts.judging import TITLES, candidates
from scripts.lib.artifacts.locking import (
    FAILED,
    MISSING,
    REFUSED,
    SAME,
    Outcome,
    Workshop,
)

HELP = "record and fetch what may be installed (artifacts.lock.yml)"
LOCK = Path("group_vars/gateways/artifacts.lock.yml")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("-i", "--inventory", type=Path, help="your inventory: its folder, or hosts.yml in it")
    parser.add_argument(
        "--update", action="store_true", help="add the versions that are current now; none is removed"
    )
    parser.add_argument(
        "--channel", default="stable", help="IBKR's channel: stable or latest (default: stable)"
    )
    parser.add_argument("--from", dest="folder", type=Path, metavar="DIR", help="lock files of this folder")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 3 where something differs")
    parser.add_argument(
        "--lock", type=Path, metavar="FILE", help=f"the lock (default: {LOCK} of the inventory)"
    )
    parser.add_argument(
        "--mirror", type=Path, metavar="DIR", help="the files (default: artifacts/ beside the inventory)"
    )
    parser.add_argument(
        "--publishers",
        type=Path,
        default=publishers.SHIPPED,
        metavar="FILE",
        help="where to look for versions and files",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--plain", action="store_true", help="no live lines")


def run(options: argparse.Namespace, today: date | None = None, patience: Patience | None = None) -> int:
    """Lock, or compare.

    Args:
        options: as `arguments` made them.
        today: the date of new entries (default: today's, UTC).
        patience: how long to wait for publishers.

    Returns:
        the exit code.
    """
    if options.update and (options.check or options.folder):
        print("ERROR: --update goes with neither --check nor --from.", file=sys.stderr)
        return 2
    if not options.inventory and not (options.lock and options.mirror):
        print("ERROR: name your inventory: scripts/ops lock -i inventories/mine", file=sys.stderr)
        return 2
    try:
        with _progress(options) as progress:
            shop = _workshop(
                options,
                progress,
                today or datetime.now(UTC).date(),
                patience or Patience(),
                not options.check,
            )
            if options.check:
                outcomes = list(_work(shop, options))
            else:
                with lockfile.alone([shop.lock_file.parent, shop.mirror]):
                    # Read again: another run may have ended just now.
                    shop.lock = lockfile.read(shop.lock_file)
                    shop.tidy()
                    outcomes = list(_work(shop, options))
    except ArtifactError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; run again to go on where it ended.", file=sys.stderr)
        return 130
    _tell(shop, outcomes, options.json)
    return _exit_code(outcomes, options.check)


def _workshop(
    options: argparse.Namespace,
    progress: Callable[[str], Report],
    today: date,
    patience: Patience,
    change: bool,
) -> Workshop:
    base = None
    if options.inventory:
        if not options.inventory.exists():
            raise ArtifactError(
                f"There is no inventory {options.inventory}: cp -r inventories/example {options.inventory}"
            )
        base = options.inventory if options.inventory.is_dir() else options.inventory.parent
        base = base.absolute()
    lock = options.lock or base / LOCK
    group = lock.parent
    if not options.lock and not group.is_dir() and (shadowed := _plain_file(group)):
        raise ArtifactError(
            f"{shadowed} would not be read any more beside a folder {group.name}/: move it to "
            f"{group}/main.yml first, or name the lock with --lock."
        )
    mirror = options.mirror or base.parent / "artifacts"
    # A mirror of one's own choice may be anywhere, so its place is told in full.
    return Workshop(lock, mirror, None if options.mirror else base, patience, today, progress, change=change)


def _plain_file(group: Path) -> Path | None:
    """Return the file that Ansible would pass over if there were a folder of its name."""
    names = [group.with_name(group.name + end) for end in (".yml", ".yaml", ".json")]
    return next((name for name in names if name.is_file()), None)


def _work(shop: Workshop, options: argparse.Namespace) -> Iterator[Outcome]:
    """Yield what became of each artifact; what fails does not keep the others from being looked at."""
    touched: set[tuple[str, str]] = set()
    for name, product, act in _acts(shop, options):
        try:
            outcome = act()
        except ArtifactError as error:
            outcome = Outcome(product, name, FAILED, str(error))
        touched.add((outcome.product, outcome.version))
        yield outcome
    for product, entries in shop.lock.items():
        for version in sorted(entries, key=lockfile.version_key):
            if (product, version) not in touched:
                try:
                    yield shop.check_locked(product, version)
                except ArtifactError as error:
                    yield Outcome(product, version, FAILED, str(error))


def _acts(shop: Workshop, options: argparse.Namespace) -> Iterator[tuple[str, str, Callable[[], Outcome]]]:
    if options.folder:
        files = list(candidates(options.folder))
        if not files:
            raise ArtifactError(
                f"{options.folder} has no ibgateway-…-linux-x64.sh, IBCLinux-….zip or ibc2-….whl: put one "
                "there."
            )
        for file in files:
            product = "ibgateway" if file.name.startswith("ibgateway") else "ibc"
            yield file.name, product, lambda file=file: shop.take(file)
        return
    places = publishers.load(options.publishers)
    seconds = shop.patience.stall
    yield (
        options.channel,
        "ibgateway",
        lambda: shop.offer(lambda: publishers.gateway(places, options.channel, seconds), options.update),
    )
    yield "current", "ibc", lambda: shop.offer(lambda: publishers.ibc(places, seconds), options.update)


def _exit_code(outcomes: list[Outcome], check: bool) -> int:
    actions = {outcome.action for outcome in outcomes}
    if FAILED in actions:
        return 1
    if check:
        return 3 if actions - {SAME} else 0
    return 1 if actions & {REFUSED, MISSING} else 0


def _tell(shop: Workshop, outcomes: list[Outcome], as_json: bool) -> None:
    if as_json:
        found = {
            "lock": str(shop.lock_file),
            "mirror": str(shop.mirror),
            "artifacts": [outcome.as_dict() for outcome in outcomes],
        }
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for outcome in outcomes:
        good = outcome.action not in (REFUSED, FAILED, MISSING)
        title = f"{TITLES[outcome.product]} {outcome.version}"
        line = f"{title:24} {outcome.action:10} {outcome.text}".rstrip()
        print(line if good else f"ERROR: {line}", file=sys.stdout if good else sys.stderr)
        if outcome.recorded:
            _tell_difference(outcome)
    if any(not outcome.recorded and outcome.action not in (FAILED, MISSING) for outcome in outcomes):
        print(f"Lock {shop.lock_file}, mirror {shop.mirror}")


def _tell_difference(outcome: Outcome) -> None:
    rows = [("", "recorded", "seen now")]
    rows += [(key, outcome.recorded.get(key, ""), outcome.seen.get(key, "")) for key in ("size", "sha256")]
    rows.append(("date", outcome.recorded.get("first_seen", ""), outcome.seen.get("date", "")))
    for name, recorded, seen in rows:
        print(f"    {name:8} {recorded!s:66} {seen}".rstrip(), file=sys.stderr)


@contextlib.contextmanager
def _progress(options: argparse.Namespace) -> Iterator[Callable[[str], Report]]:
    """Give what shows the bytes of a download: a live line, or now and then a plain one, on stderr."""
    console = Console(stderr=True)
    if options.json:
        yield lambda _: lambda _done, _total: None
    elif options.plain or not console.is_terminal:
        yield _plain_report
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:

            def start(title: str) -> Report:
                task = bar.add_task(title, total=None)
                return lambda done, total: bar.update(task, completed=done, total=total)

            yield start


def _plain_report(title: str) -> Report:
    """Tell of each tenth."""
    told = -1

    def report(done: int, total: int | None) -> None:
        nonlocal told
        tenth = done * 10 // total if total else 0
        if tenth > told:
            told = tenth
            of_all = f" of {total / MEGABYTE:.1f}" if total else ""
            print(f"{title}: {done / MEGABYTE:.1f}{of_all} MB", file=sys.stderr, flush=True)

    return report
