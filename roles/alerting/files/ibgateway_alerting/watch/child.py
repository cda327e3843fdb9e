"""The end of a program that the watcher asks something and does not wait for."""

from __future__ import annotations

import subprocess


def end(process: subprocess.Popen[bytes] | None) -> None:
    """Kill a program and let go of its output.

    Args:
        process: started with a pipe for its output; None is nothing to do.
    """
    if process:
        process.kill()
        process.wait()
        process.stdout.close()
