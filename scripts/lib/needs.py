"""What the later stages need: a container engine, artifacts, images. Made while the first stages run.

Making them is mostly downloading and unpacking, which leaves half of the processors to linters and tests.
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

_ARTIFACTS = (("testbed/engine", "up"), ("testbed/artifacts",))
# By stage, in the order in which they are made; what is there already takes no time.
STEPS = {
    "real-ibc": _ARTIFACTS,
    "molecule": (
        *_ARTIFACTS,
        ("testbed/host", "clients"),
        ("testbed/host", "image", "bookworm"),
        ("testbed/host", "image", "trixie"),
    ),
}


class Needs:
    """Makes what stages need, in a thread; a context manager, which ends it.

    Args:
        stages: those that will run.
        environment: for the commands.
    """

    def __init__(self, stages: Collection[str], environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._made: dict[str, Future[Result]] = {
            stage: self._pool.submit(self._make, stage) for stage in STEPS if stage in stages
        }

    def of(self, stage: str) -> Result:
        """Wait until all that a stage needs has been made.

        Args:
            stage: one of those that will run.

        Returns:
            A row: a check for each thing made.
        """
        return self._made[stage].result()

    def _make(self, stage: str) -> Result:
        begin = time.monotonic()
        row = Result(f"{stage}: needs", 0.0)
        for words in STEPS[stage]:
            name = " ".join(words)
            code = run_step(
                f"For {stage}: {name}",
                [sys.executable, *words],
                LOGS / "needs.log",
                env=self._environment,
                cwd=ROOT,
                show=True,
                label="needs",
                stop=self._stop,
            )
            if code != 0:
                row.failures.append(name)
                break
            row.passed += 1
        row.seconds = time.monotonic() - begin
        return row

    def __enter__(self) -> "Needs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
