"""`ibgatewayctl test-alert`: a message on every channel, really sent, and what became of each."""

from __future__ import annotations

import time

from . import ctl_alerting, ctl_codes
from .ctl_host import CtlError, manage

UNIT = "ibgateway-test-alert.service"
REPORT = "test"
"""Under this the notifier remembers `time`, and `results` with `channel`, `ok` and `detail` of each."""


def send() -> list[dict]:
    """Have a test message sent on every channel, and wait for it.

    Returns:
        `channel`, `ok` and `detail` (why not) of each, in their order.

    Raises:
        CtlError: there is no alerting or no channel here, not permitted (3), or nothing came of it.
    """
    alerting = ctl_alerting.Alerting()
    began = time.time()
    failed: CtlError | None = None
    try:
        manage("start", UNIT, wait=True)
    except CtlError as error:
        if error.code == ctl_codes.NOT_PERMITTED:
            raise
        failed = error  # it fails, too, when one channel did not take its message
    report = alerting.recall(REPORT)
    if not isinstance(report, dict) or report.get("time", 0) < began:
        raise failed or CtlError(f"{UNIT} has left no report: see `journalctl -u {UNIT}`")
    if not report["results"]:
        raise CtlError("no channel is configured: set alerting_channels and run the playbook")
    return report["results"]


def lines(results: list[dict]) -> str:
    """The results for people."""
    width = max(len(result["channel"]) for result in results)
    return "\n".join(
        f"{result['channel']:{width}}  {'sent' if result['ok'] else 'FAILED: ' + str(result['detail'])}"
        for result in results
    )
