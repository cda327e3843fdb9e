"""What the later stages need: a container engine, artifacts, images. Made while the first stages run.

Making them is mostly downloading and unpacking, in processes that use one core at most: what does not need
each other is made side by side. What the next stage does not wait for is polite to what it does wait for.
"""

import sys
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from scripts.lib.results import Result
from testbed.lib.paths import LOGS, ROOT
from testbed.lib.progress import run_step

# By its name, what makes a thing; what is there already takes no time.
MAKE = {
    "engine": ("testbed/engine", "up"),
    "artifacts": ("testbed/artifacts",),
    "bookworm": ("testbed/host", "image", "bookworm"),
    "trixie": ("testbed/host", "image", "trixie"),
    "clients": ("testbed/host", "clients"),
}
# What must be there before. Two at a time are enough; the artifacts are built on bookworm's base.
AFTER = {"artifacts": "engine", "bookworm": "artifacts", "trixie": "engine", "clients": "trixie"}
NEEDED = {"real-ibc": ("engine", "artifacts"), "molecule": tuple(MAKE)}
# For the first stage that needs any.
URGENT = ("engine", "artifacts")
NOT_TRIED = -1


class Needs:
    """Makes what stages need, in threads; a context manager, which ends them.

    Args:
        stages: those that will run.
        environment: for the commands.
    """

    def __init__(self, stages: Collection[str], environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._stop = threading.Event()
        wanted = {name for stage, names in NEEDED.items() if stage in stages for name in names}
        # A thread each, since most of them wait for another.
        self._pool = ThreadPoolExecutor(max_workers=len(MAKE))
        self._made: dict[str, Future[int]] = {}
        for name in MAKE:
            if name in wanted:
                self._made[name] = self._pool.submit(self._make, name)

    def of(self, stage: str) -> Result:
        """Wait until all that a stage needs has been made, or cannot be.

        Args:
            stage: one of those that will run.

        Returns:
            A row: a check for each thing made, and how long the stage waited.
        """
        begin = time.monotonic()
        row = Result(f"{stage}: needs", 0.0)
        for name in NEEDED[stage]:
            code = self._made[name].result()
            if code == 0:
                row.passed += 1
            elif code != NOT_TRIED:
                row.failures.append(" ".join(MAKE[name]))
        row.seconds = time.monotonic() - begin
        return row

    def _make(self, name: str) -> int:
        """Make one thing, once what it needs is there; NOT_TRIED when that cannot be made."""
        if name in AFTER and self._made[AFTER[name]].result() != 0:
            return NOT_TRIED
        return run_step(
            f"For later stages: {' '.join(MAKE[name])}",
            [*([] if name in URGENT else ["nice"]), sys.executable, *MAKE[name]],
            LOGS / f"needs-{name}.log",
            env=self._environment,
            cwd=ROOT,
            show=True,
            label=name,
            stop=self._stop,
        )

    def __enter__(self) -> "Needs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
