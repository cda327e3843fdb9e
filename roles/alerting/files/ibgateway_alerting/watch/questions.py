"""Programs that the watcher asks and does not wait for."""

from __future__ import annotations

import subprocess


def give_up(process: subprocess.Popen[bytes] | None) -> None:
    """End a program whose answer is not waited for any longer.

    Args:
        process: the program, its output a pipe; None where none runs.
    """
    if process:
        process.kill()
        process.wait()
        process.stdout.close()
