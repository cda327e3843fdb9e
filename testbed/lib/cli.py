"""What the testbed's commands have in common: the Python they need, and one line for a problem."""

import signal
import sys
from collections.abc import Callable

from testbed.lib.progress import UserError


def main(work: Callable[[], int]) -> None:
    """Run a command's work and end the process with its exit code.

    Args:
        work: gives the exit code; a UserError becomes one line and code 1, Ctrl-C becomes 130.
    """
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        sys.exit(work())
    except UserError as problem:
        print(f"ERROR: {problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
