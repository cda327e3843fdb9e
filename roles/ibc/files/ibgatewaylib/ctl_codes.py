"""The exit codes of `ibgatewayctl` and `act`; docs/ibgatewayctl.md lists them."""

from __future__ import annotations

DONE = 0
FAILED = 1
USAGE = 2
NOT_PERMITTED = 3
UNKNOWN = 4
NOT_NOW = 5
INTERRUPTED = 130

DOCTOR_WARNS = 10
DOCTOR_FAILS = 20

MEANINGS = {
    DONE: "done; with status: all ready; with doctor: all well",
    FAILED: "it failed, or something is not ready",
    USAGE: "usage",
    NOT_PERMITTED: "not permitted: become an operator, or use sudo",
    UNKNOWN: "unknown instance, incident or section of the runbook",
    NOT_NOW: "not now: a reset window, the login budget or the instance's state forbids it",
    DOCTOR_WARNS: "doctor: a warning",
    DOCTOR_FAILS: "doctor: something is wrong",
    INTERRUPTED: "interrupted; what was asked for goes on",
}
