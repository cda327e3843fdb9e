"""Every way a run can end: the reason's word → the exit codes it may have. docs/states.md explains each."""

from __future__ import annotations

from .exitcodes import CONFIGURATION, PARKED, RELAUNCH, STOPPED

REASONS: dict[str, tuple[int, ...]] = {
    # asked for, or planned
    "stopped": (STOPPED,),
    "paused": (STOPPED,),
    "token_restart": (RELAUNCH,),
    "cold_restart": (RELAUNCH,),
    # the gate
    "consent": (PARKED,),
    "budget": (PARKED,),
    "restarts": (PARKED,),
    "login_not_now": (RELAUNCH,),
    # the saved session
    "token_expired": (RELAUNCH,),
    "several_tokens": (RELAUNCH,),
    "stuck_resuming": (RELAUNCH,),
    # the login
    "credentials_rejected": (PARKED,),
    "login_refused": (PARKED,),
    "throttled": (PARKED,),
    "maintenance": (RELAUNCH,),
    "connection_failed": (RELAUNCH,),
    "stuck_logging_in": (RELAUNCH,),
    "stuck_login_dialog": (RELAUNCH,),
    "stuck_login_window": (RELAUNCH, PARKED),
    "unknown_dialog": (PARKED,),
    # the second factor
    "two_factor_missed": (RELAUNCH, PARKED),
    "second_factor_refused": (PARKED,),
    "choice_missing": (PARKED,),
    "code_missing": (PARKED,),
    # other sessions
    "competing_session": (PARKED,),
    "session_taken": (RELAUNCH, PARKED),
    "closed": (PARKED,),
    # after the login
    "stuck_configuring": (RELAUNCH,),
    "stuck_api": (RELAUNCH,),
    "stuck_link": (RELAUNCH,),
    # Java and the host
    "stuck_java": (RELAUNCH,),
    "stuck_memory": (RELAUNCH,),
    "stuck_display": (RELAUNCH,),
    "crashed": (RELAUNCH,),
    "java": (CONFIGURATION,),
    "configuration": (CONFIGURATION,),
}
