"""Send a test message on every channel and report each: `ibgateway-notify --test`."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

from ..model import Message
from ..settings import Settings
from ..store import Store, StoreError
from .channel import Channel
from .channels import Configured
from .errors import DeliveryError, RefusedError

log = logging.getLogger(__name__)

REPORT = "test"
"""Under this the results are remembered, for `ibgatewayctl test-alert`: it cannot see what this prints."""


def run(configured: Configured, settings: Settings, *, as_json: bool) -> int:
    """Send, print one line (or one JSON list) about the channels, and remember the results.

    Args:
        configured: the channels.
        settings: name this machine and the database.
        as_json: print `[{"channel", "ok", "detail"}]` in place of lines.

    Returns:
        0 when every channel took it, 1 otherwise or when there is no channel.
    """
    results = [
        *asyncio.run(_send_all(configured.usable, _message(settings.host))),
        *(_result(name, problem) for name, problem in configured.problems.items()),
    ]
    _remember(settings.database, results)
    if as_json:
        print(json.dumps(results))
    else:
        for result in results:
            print(f"{result['channel']}: {'ok' if result['ok'] else 'FAILED (' + result['detail'] + ')'}")
        if not results:
            print("no channel is configured: set alerting_channels and run the playbook with --tags alerting")
    return 0 if results and all(result["ok"] for result in results) else 1


def _remember(database: Path, results: list[dict[str, Any]]) -> None:
    try:
        store = Store(database)
        try:
            store.remember(REPORT, {"time": time.time(), "results": results})
        finally:
            store.close()
    except StoreError as error:
        log.error("the results are not kept, so `ibgatewayctl test-alert` does not see them: %s", error)


def _message(host: str) -> Message:
    return Message(
        "info",
        f"[info] {host}: This is a test",
        "Somebody asked for a test message on every channel.\n"
        "The machine: It goes on watching.\nYou: Nothing.\nNext: no further message about this.",
    )


async def _send_all(channels: list[Channel], message: Message) -> list[dict[str, Any]]:
    return await asyncio.gather(*(_send(channel, message) for channel in channels))


async def _send(channel: Channel, message: Message) -> dict[str, Any]:
    try:
        await channel.send(message)
    except (DeliveryError, RefusedError) as error:
        return _result(channel.name, str(error))
    return _result(channel.name, "")


def _result(name: str, problem: str) -> dict[str, Any]:
    return {"channel": name, "ok": not problem, "detail": problem}
