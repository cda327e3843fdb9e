"""Bring lock, mirror and publishers together: what is new is recorded, what is recorded never changes."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from scripts.lib.artifacts import ArtifactError, download, lockfile, publishers
from scripts.lib.artifacts.judging import expect_same, facts, identify, same, title, verify
from scripts.lib.artifacts.publishers import Offer

PARTS = {"ibgateway": "ibgateway-*.part", "ibc": "IBC*.part"}
SEEN = ".seen-"
MIRRORED = "the file in the mirror"

# What became of an artifact, and whether lock and mirror are now (or already) as they should be.
LOCKED, SAME, FETCHED = "locked", "unchanged", "fetched"
UNLOCKED, MISSING = "not locked", "missing"
REFUSED, FAILED = "refused", "failed"


@dataclass
class Outcome:
    """What became of one artifact.

    Attributes:
        product: ibgateway or ibc.
        version: its version; a file's name or a channel where that is not known.
        action: one of the above.
        text: more about it, with the remedy where one is needed.
        recorded: what the lock says, where that differs.
        seen: what was seen instead (size, sha256, date).
    """

    product: str
    version: str
    action: str
    text: str = ""
    recorded: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return {key: value for key, value in asdict(self).items() if value or key == "text"}


@dataclass
class Workshop:
    """Lock, mirror, and how to work on them.

    Attributes:
        lock_file: artifacts.lock.yml.
        mirror: the folder with the files.
        base: paths in the lock are relative to it; None: they are absolute.
        patience: how long to wait for a publisher.
        today: the date that new entries get.
        progress: called with an artifact's title; returns what is told of its bytes.
        change: whether anything may be written.
    """

    lock_file: Path
    mirror: Path
    base: Path | None
    patience: download.Patience
    today: date
    progress: Callable[[str], download.Report]
    change: bool = True
    lock: lockfile.Lock = field(init=False)

    def __post_init__(self) -> None:
        """Read the lock.

        Raises:
            ArtifactError: it cannot be used.
        """
        self.lock = lockfile.read(self.lock_file)

    def tidy(self) -> None:
        """Remove what a killed run left that serves nobody."""
        for folder in self.mirror.glob(f"{SEEN}*"):
            shutil.rmtree(folder, ignore_errors=True)

    # ---- what the publishers have ----

    def offer(self, ask: Callable[[], Offer], add: bool) -> Outcome:
        """Compare what a publisher has with the lock, and lock it where that is wanted.

        Args:
            ask: asks the publisher; once more after a download, for it may have changed meanwhile.
            add: lock a new version even if another is locked already.

        Raises:
            ArtifactError: it could not be had, or is nothing that could be used.
        """
        offer = ask()
        entries = self.lock[offer.product]
        if offer.version in entries:
            return self._compare(offer, entries[offer.version])
        if not self.change or (entries and not add):
            have = ", ".join(sorted(entries, key=lockfile.version_key)) or "nothing"
            return Outcome(
                offer.product,
                offer.version,
                UNLOCKED,
                f"the publisher has it; locked: {have}. Add it: scripts/ops lock --update",
            )
        part = self.mirror / f"{offer.name}.part"
        self._forget_others(part, offer.product)
        download.fetch(offer.url, part, self.progress(title(offer)), self.patience)
        try:
            note = verify(part, offer)
            expect_same(offer, ask())
        except ArtifactError:
            download.discard(part)
            raise
        target = self.mirror / offer.name
        return self._record(offer.product, offer.version, part, target, note, url=offer.url)

    def _forget_others(self, part: Path, product: str) -> None:
        """Remove what came of versions that are not current any more: it will never be continued."""
        for other in self.mirror.glob(PARTS[product]):
            if other != part:
                download.discard(other)

    def _compare(self, offer: Offer, recorded: dict[str, Any]) -> Outcome:
        """Compare a version that is locked with what its publisher has under that version now."""
        target = self._mirrored(recorded) or self.mirror / offer.name
        if not target.exists() and self.change:
            part = target.with_name(f"{target.name}.part")
            download.fetch(offer.url, part, self.progress(title(offer)), self.patience)
            seen = facts(part)
            if not same(recorded, seen):
                download.discard(part)
                return self._refusal(offer.product, offer.version, recorded, seen, "the publisher's file")
            return self._complete(offer.product, offer.version, part, target, recorded, offer.url)
        outcome = self._check_mirror(offer.product, offer.version, recorded, self._mirrored(recorded))
        if outcome.action == REFUSED:
            return outcome
        seen = self._seen(offer, recorded)
        if not same(recorded, seen):
            return self._refusal(offer.product, offer.version, recorded, seen, "the publisher's file")
        return outcome

    def _seen(self, offer: Offer, recorded: dict[str, Any]) -> dict[str, Any]:
        """Return what the publisher's file is; read only where its headers leave a doubt."""
        if offer.sha256 == recorded["sha256"].lower():
            return {"size": recorded["size"], "sha256": offer.sha256}
        seen = download.look(offer.url, self.patience.stall)
        since = str(recorded.get("first_seen", ""))
        unchanged = seen.size == recorded["size"] and seen.changed is not None and str(seen.changed) <= since
        if unchanged and offer.sha256 is None:
            return {"size": seen.size, "sha256": recorded["sha256"].lower()}
        # In the mirror there is room; where nothing may change, it is the system's place for such files.
        with tempfile.TemporaryDirectory(prefix=SEEN, dir=self.mirror if self.change else None) as folder:
            part = Path(folder, offer.name)
            download.fetch(offer.url, part, self.progress(title(offer)), self.patience)
            return facts(part) | ({"date": str(seen.changed)} if seen.changed else {})

    # ---- what lies in a folder ----

    def take(self, file: Path) -> Outcome:
        """Lock a file that is at hand, and copy it to the mirror.

        Args:
            file: an installer of IB Gateway, IBC's ZIP or the wheel.

        Raises:
            ArtifactError: it is nothing that could be used.
        """
        product, version, note = identify(file)
        seen = facts(file)
        recorded = self.lock[product].get(version)
        name = publishers.gateway_file_name(version) if product == "ibgateway" else file.name
        target = (self._mirrored(recorded) if recorded else None) or self.mirror / name
        if recorded and not same(recorded, seen):
            return self._refusal(product, version, recorded, seen, str(file))
        if recorded and (target.exists() or not self.change):
            return self._check_mirror(product, version, recorded, target)
        if not self.change:
            return Outcome(product, version, UNLOCKED, f"{file} would be added")
        part = target.with_name(f"{target.name}.part")
        if target.resolve() == file.resolve():
            part = target
        else:
            _copy(file, part)
        if recorded:
            return self._complete(product, version, part, target, recorded)
        return self._record(product, version, part, target, note)

    # ---- what is locked ----

    def check_locked(self, product: str, version: str) -> Outcome:
        """Compare an entry with the mirror; fetch what its address still has.

        Args:
            product: ibgateway or ibc.
            version: one of the lock.

        Raises:
            ArtifactError: it could not be had.
        """
        recorded = self.lock[product][version]
        target = self._mirrored(recorded)
        # IBC's addresses name the version; IBKR's has the current build alone.
        if target and not target.exists() and product == "ibc" and "url" in recorded and self.change:
            return self._compare(Offer(product, version, recorded["url"], target.name), recorded)
        return self._check_mirror(product, version, recorded, target)

    def _check_mirror(
        self, product: str, version: str, recorded: dict[str, Any], target: Path | None
    ) -> Outcome:
        if target is None:
            return Outcome(product, version, SAME, "by its address alone, no file is kept")
        if not target.exists():
            hint = (
                "IBKR serves its current build alone"
                if product == "ibgateway"
                else "its publisher was not asked"
            )
            return Outcome(
                product,
                version,
                MISSING,
                f"{target} is not there, and {hint}: bring it from another controller with --from, or remove "
                "the entry.",
            )
        seen = facts(target)
        if not same(recorded, seen):
            return self._refusal(product, version, recorded, seen, MIRRORED)
        return Outcome(product, version, SAME, f"first seen {recorded.get('first_seen', 'unknown')}")

    # ---- writing ----

    def _record(
        self, product: str, version: str, part: Path, target: Path, note: str, url: str | None = None
    ) -> Outcome:
        if target.exists() and target != part and not same(facts(part), facts(target)):
            download.discard(part)
            raise ArtifactError(
                f"{target} is there, is not locked, and is another file than the one seen now: move it away "
                "and run again."
            )
        entry = {"path": self._relative(target), **facts(part), "first_seen": str(self.today)}
        self.lock[product][version] = entry | ({"url": url} if url else {})
        _settle(part, target)
        lockfile.write(self.lock_file, self.lock)
        text = f"{entry['size'] / download.MEGABYTE:.1f} MB, sha256 {entry['sha256']}"
        return Outcome(product, version, LOCKED, f"{text}{note}", seen=dict(self.lock[product][version]))

    def _complete(
        self,
        product: str,
        version: str,
        part: Path,
        target: Path,
        recorded: dict[str, Any],
        url: str | None = None,
    ) -> Outcome:
        """Put a file that is locked already into the mirror, and tell the lock of both ways to it."""
        _settle(part, target)
        recorded.setdefault("path", self._relative(target))
        if url:
            recorded.setdefault("url", url)
        lockfile.write(self.lock_file, self.lock)
        return Outcome(product, version, FETCHED, f"as it was locked, now in {target}")

    def _refusal(
        self, product: str, version: str, recorded: dict[str, Any], seen: dict[str, Any], what: str
    ) -> Outcome:
        if what == MIRRORED:
            remedy = "Move it away and run again, or bring the right one with --from."
        else:
            remedy = (
                "Ask why the publisher changed it. If you trust the new file, remove the entry from "
                f"{self.lock_file} and the old file from {self.mirror}, and run again."
            )
        return Outcome(
            product,
            version,
            REFUSED,
            f"{what} is not the one that was locked; nothing was overwritten. {remedy}",
            recorded={key: recorded[key] for key in ("size", "sha256", "first_seen") if key in recorded},
            seen={"date": str(self.today)} | seen,
        )

    def _mirrored(self, recorded: dict[str, Any]) -> Path | None:
        """Return where the mirror has, or would have, the file of an entry; None: it keeps none."""
        if "path" not in recorded:
            return None
        path = Path(recorded["path"])
        place = path if path.is_absolute() else Path(self.base or self.lock_file.parent, path)
        # An old lock's path is from where ansible-playbook runs, and another mirror may have been named now.
        known = [place, Path.cwd() / path, self.mirror / path.name]
        return Path(os.path.normpath(next((file for file in known if file.exists()), known[-1])))

    def _relative(self, target: Path) -> str:
        if self.base is None:
            return str(target.resolve())
        return os.path.relpath(target.resolve(), self.base.resolve())


def _copy(file: Path, part: Path) -> None:
    try:
        shutil.copyfile(file, part)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise ArtifactError(f"{file} cannot be copied to {part.parent} ({error.strerror}).") from None


def _settle(part: Path, target: Path) -> None:
    """Give a whole file its name. It is on the disk before the lock speaks of it."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.chmod(0o644)
    part.replace(target)
