"""The launcher's exit codes: each one tells systemd what to do next (sysexits.h where a name fits)."""

from __future__ import annotations

STOPPED = 0
"""Stopped as asked; systemd leaves the unit alone."""

RELAUNCH = 75
"""EX_TEMPFAIL: start again (`RestartForceExitStatus=75`): a token restart, or an unplanned death."""

PARKED = 77
"""EX_NOPERM: another attempt needs an operator (`RestartPreventExitStatus=77`)."""

CONFIGURATION = 78
"""EX_CONFIG: a file or setting must be corrected first (`RestartPreventExitStatus=78`)."""

MEANINGS = {
    STOPPED: "stopped as asked",
    RELAUNCH: "ended; systemd starts it again",
    PARKED: "parked: it needs you",
    CONFIGURATION: "configuration refused",
}


class ConfigurationInvalid(Exception):  # noqa: N818 - named after the event it becomes
    """A file, setting or credential cannot be used; the message is one sentence that names the remedy."""
