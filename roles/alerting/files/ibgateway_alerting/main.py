"""The watcher's main program: a courier for each channel, and a loop that wakes them when a file grows."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from . import config, systemd
from .courier import Channel, Courier, CourierThread
from .deadline import Deadline
from .journal import JournalChannel, log_to_journal
from .messages import Message
from .positions import Bookmarks, forget_others

if TYPE_CHECKING:
    from .channels import AppriseChannel

log = logging.getLogger(__name__)

# Looking at a file's size five times a second costs less than 0.1 % of a core, and needs no foreign code.
LOOK_SECONDS = 0.2
PING_SECONDS = 5.0
TEST_SECONDS = 15.0
EX_CONFIG = 78


def main(config_path: Path, arguments: Sequence[str] | None = None) -> int:
    """Watch until asked to stop, or test the channels.

    Args:
        config_path: the configuration file.
        arguments: of the command line; without, those of this process.

    Returns:
        0 done · 1 a channel failed its test · 78 the configuration or credential is unusable.
    """
    parser = argparse.ArgumentParser(
        prog="ibgateway-watch", description="Tell people what happens to IB Gateway."
    )
    parser.add_argument(
        "--test", action="store_true", help="send a test message to every channel, and report"
    )
    options = parser.parse_args(arguments)
    log_to_journal()
    # Imported late, so that a broken installation of Apprise still gives one clear line.
    try:
        from . import channels
    except ImportError as error:
        log.error("Apprise is not usable (%s): run the playbook with --tags alerting_install", error)
        return EX_CONFIG
    try:
        settings = config.load(config_path)
        usable, problems = channels.load(
            Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), "channels")
        )
    except (config.ConfigError, channels.ChannelError) as error:
        log.error("%s", error)
        return EX_CONFIG
    for problem in problems:
        log.error(
            "%s: nothing is told there until you correct alerting_channels and run the playbook", problem
        )
    if options.test:
        return test(usable, problems, settings.host)
    state = Path(os.environ.get("STATE_DIRECTORY", "/var/lib/ibgateway-watch"))
    Watcher(settings, usable, problems, state).run()
    return 0


def test(usable: Sequence[AppriseChannel], problems: Sequence[str], host: str) -> int:
    """Send a test message to each channel; return 0 when all took it, else 1."""
    message = Message(
        "info",
        f"[info] test from {host}",
        "This is a test of the watcher's channels.\nThe machine: It goes on watching.\nYou: Nothing.",
    )
    failed = len(problems)
    for channel in usable:
        try:
            Deadline(TEST_SECONDS).call(lambda channel=channel: channel.send(message))
        except Exception as error:  # each is reported, whatever its plug-in does
            failed += 1
            known = type(error).__module__.startswith(__package__)
            log.error("%s: FAILED (%s)", channel.name, error if known else type(error).__name__)
        else:
            log.info("%s: ok", channel.name)
    if not usable and not problems:
        log.warning("no channel is configured: set alerting_channels and run the playbook")
        failed = 1
    return 1 if failed else 0


class Watcher:
    """Runs a courier for each channel and for the journal, wakes them, and answers for them to systemd."""

    def __init__(
        self, settings: config.Config, channels: Sequence[Channel], problems: Sequence[str], state: Path
    ) -> None:
        self._files = list(settings.events.values())
        self._instances = list(settings.events)
        self._problems = problems
        self._stop = threading.Event()
        everyone = [JournalChannel(), *channels]
        directory = state / "positions"
        forget_others(directory, {channel.name for channel in everyone})
        self._threads = [
            CourierThread(
                lambda wait, channel=channel: Courier(
                    channel,
                    settings.events,
                    Bookmarks(directory / f"{channel.name}.json"),
                    settings.host,
                    pause=wait,
                    report=not isinstance(channel, JournalChannel),
                )
            )
            for channel in everyone
        ]

    def run(self) -> None:
        """Watch until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        for thread in self._threads:
            thread.start()
        systemd.notify("READY=1", f"STATUS={self._status()}")
        log.info("%s", self._status())
        self._loop()
        systemd.notify("STOPPING=1")
        for thread in self._threads:
            thread.stop.set()
            thread.wake.set()
        for thread in self._threads:
            thread.join(2)  # one that hangs is left behind: what it was about is told after the next start

    def _loop(self) -> None:
        seen: list[tuple[int, int] | None] = []
        pinged = 0.0
        while not self._stop.wait(LOOK_SECONDS):
            present = [_signature(path) for path in self._files]
            if present != seen:
                seen = present
                for thread in self._threads:
                    thread.wake.set()
            if time.monotonic() - pinged >= PING_SECONDS:
                pinged = time.monotonic()
                self._ping()

    def _ping(self) -> None:
        """Answer systemd's watchdog, unless a courier is wedged: then a restart is what helps."""
        still = [thread.name for thread in self._threads if not thread.moves()]
        if still:
            log.error("%s does not move: letting systemd restart the watcher", ", ".join(still))
            return
        systemd.notify("WATCHDOG=1", f"STATUS={self._status()}")

    def _status(self) -> str:
        names = [thread.name for thread in self._threads[1:]]
        parts = [
            f"watching {', '.join(self._instances)}",
            f"telling {', '.join(names)}" if names else "telling nobody: no channel is configured",
            *(f"unusable: {problem}" for problem in self._problems),
            *(
                f"{thread.name} failing since {thread.courier.failing_since:%H:%M} UTC"
                for thread in self._threads
                if thread.courier.failing_since
            ),
        ]
        return "; ".join(parts)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()


def _signature(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size
