"""The docker command, with sudo in front where this user needs it."""

import functools
import json
import shutil
import subprocess
from collections.abc import Sequence
from subprocess import CompletedProcess

from testbed.lib.progress import UserError

ANSWER_SECONDS = 20.0


def answers(prefix: Sequence[str]) -> bool:
    """Ask whether an engine answers.

    Args:
        prefix: command in front of `info`, such as ["docker"].

    Returns:
        True when it answered within ANSWER_SECONDS.
    """
    try:
        done = subprocess.run(
            [*prefix, "info", "--format", "{{.ServerVersion}}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    # The client says 0 and prints nothing when there is no server behind it.
    return done.returncode == 0 and done.stdout.strip() != ""


def find() -> list[str] | None:
    """Find the way to reach a running engine from this user.

    Returns:
        ["docker"] or ["sudo", "-n", "docker"]; None when no engine answers.
    """
    if shutil.which("docker") is None:
        return None
    candidates = [["docker"]]
    if shutil.which("sudo"):
        candidates.append(["sudo", "-n", "docker"])
    return next((prefix for prefix in candidates if answers(prefix)), None)


@functools.cache
def command() -> tuple[str, ...]:
    """Give the docker command of this process.

    Returns:
        The words in front of a docker sub-command.

    Raises:
        UserError: no engine answers.
    """
    prefix = find()
    if prefix is None:
        raise UserError("no Docker engine answers: run testbed/engine up.")
    return tuple(prefix)


def run(*arguments: str, check: bool = True, timeout: float | None = None) -> CompletedProcess[str]:
    """Run a short docker command and keep its output.

    Args:
        arguments: what follows `docker`.
        check: treat a failure as a UserError.
        timeout: seconds.

    Returns:
        The finished process, with text output.

    Raises:
        UserError: it failed, and check was asked for.
    """
    done = subprocess.run(
        [*command(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        raise UserError(f"docker {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done


def image_exists(name: str) -> bool:
    """Ask for a local image.

    Args:
        name: repository:tag.

    Returns:
        True when it is there.
    """
    return run("image", "inspect", name, check=False).returncode == 0


def inspect(container: str) -> dict | None:
    """Read what the engine knows about a container.

    Args:
        container: its name.

    Returns:
        The engine's description, or None when there is no such container.
    """
    done = run("container", "inspect", container, check=False)
    return json.loads(done.stdout)[0] if done.returncode == 0 else None
