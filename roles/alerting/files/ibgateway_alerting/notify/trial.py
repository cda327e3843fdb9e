"""Send a test message on every channel and report each: `ibgateway-notify --test`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ..model import Message
from .channel import Channel
from .channels import Configured
from .errors import DeliveryError, RefusedError


def run(configured: Configured, host: str, *, as_json: bool) -> int:
    """Send, print one line (or one JSON list) about the channels.

    Args:
        configured: the channels.
        host: how messages call this machine.
        as_json: print `[{"channel", "ok", "detail"}]` in place of lines.

    Returns:
        0 when every channel took it, 1 otherwise or when there is no channel.
    """
    results = [
        *asyncio.run(_send_all(configured.usable, _message(host))),
        *(_result(name, problem) for name, problem in configured.problems.items()),
    ]
    if as_json:
        print(json.dumps(results))
    else:
        for result in results:
            print(f"{result['channel']}: {'ok' if result['ok'] else 'FAILED (' + result['detail'] + ')'}")
        if not results:
            print("no channel is configured: set alerting_channels and run the playbook with --tags alerting")
    return 0 if results and all(result["ok"] for result in results) else 1


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
