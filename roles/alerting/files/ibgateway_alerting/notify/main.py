"""The notifier's command: deliver, test the channels, or check the configuration."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from .. import settings as configuration
from ..journal import log_to_journal
from . import channels, credential, trial
from .notifier import Notifier

log = logging.getLogger(__name__)

EX_CONFIG = 78


def main(config: Path, arguments: Sequence[str] | None = None) -> int:
    """Deliver until asked to stop, or test the channels.

    Args:
        config: the configuration file.
        arguments: of the command line; without, those of this process.

    Returns:
        0 done · 1 a channel failed its test · 78 the configuration or credential is unusable.
    """
    options = _parse(arguments)
    log_to_journal()
    try:
        settings = configuration.load(config)
        urls = credential.load(credential.path())
        configured = channels.make(settings.channels, urls)
    except (configuration.SettingsError, credential.CredentialError) as error:
        log.error("%s", error)
        return EX_CONFIG
    except ImportError as error:
        log.error(
            "%s is not usable: run the playbook with --tags alerting_install", error.name or "a library"
        )
        return EX_CONFIG
    for name, problem in configured.problems.items():
        log.error(
            "%s: nothing is told there: %s; correct alerting_channels and run the playbook", name, problem
        )
    if options.check:
        return EX_CONFIG if configured.problems else 0
    if options.test:
        return trial.run(configured, settings, as_json=options.json)
    Notifier(settings, configured, urls.get(credential.DEADMAN, "")).run()
    _leave()
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ibgateway-notify",
        description="Deliver what the watcher has to say, and bring button presses back.",
        epilog="It reads the channels' URLs from the systemd credential 'channels'.",
    )
    once = parser.add_mutually_exclusive_group()
    once.add_argument(
        "--test", action="store_true", help="send a test message on every channel, and report each"
    )
    once.add_argument("--check", action="store_true", help="check configuration and credential; send nothing")
    parser.add_argument("--json", action="store_true", help="with --test: report as JSON")
    return parser.parse_args(arguments)


def _leave() -> None:
    """End at once when a call still hangs: the interpreter would wait for the resolver's threads."""
    if any(thread is not threading.main_thread() for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(0)
