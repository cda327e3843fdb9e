"""How long each step may take, in seconds, before the launcher ends the run. IBC itself waits for ever."""

from __future__ import annotations


class Limits:
    """The limits in force; tests shorten them.

    A saved session or a login window that does not come costs nothing to repeat, so those are short. Where
    the credentials may have been submitted, time is more generous: a repetition costs a login, or a tap.
    """

    java = 120.0
    """Java's start to the controller's first line."""
    resuming = 180.0
    """Resuming a saved session to its completion; a stale token makes IBC wait without a word."""
    login_dialog = 120.0
    """Waiting for, and filling in, the login window."""
    logging_in = 180.0
    """Since the last sign of progress of a login."""
    logging_in_total = 900.0
    """The whole of one login; a link that comes and goes shows progress for ever."""
    two_factor_notice = 1.0
    """A window about the second factor that stays this long is a request, not a list IBC deals with."""
    two_factor_grace = 60.0
    """Added to IBC's SecondFactorAuthenticationTimeout."""
    two_factor_answered = 60.0
    """Added to IBC's SecondFactorAuthenticationExitInterval; a denied push shows as nothing happening."""
    configuring = 180.0
    """Login complete to all settings applied."""
    settle = 3.0
    """Settings entered to the API's first probe, if their window is not seen to close."""
    api = 120.0
    """Settings applied to the API's answer."""
    api_probe = 5.0
    """One attempt to reach the API."""
    api_pause = 0.3
    """Between two attempts."""
    choice = 300.0
    """A choice only a person can make (over VNC): which session, which device."""
    code = 600.0
    """A code only a person can type (over VNC)."""
    link = 300.0
    """The API answers, but Gateway has no link to IBKR's servers; a reset does not count."""
    link_told = 1.0
    """After its handshake the API tells how the link is."""
    out_of_memory = 20.0
    """Java's end after its heap was full; what still runs then cannot be relied on."""
    display = 15.0
    """The X server's answer, before anything is started."""
    look_again = 30.0
    """While a start waits, the gate is asked again at least so often: clocks and files change."""
    unknown_notice = 10.0
    """An unknown window is reported when it stays this long."""
    unknown_dialog = 300.0
    """An unknown window ends the run when it stays this long without progress."""
    own_end = 10.0
    """The controller's own way out, once a run is known to be over."""
    stop_reply = 5.0
    """The command server's answer to STOP."""
    stop = 45.0
    """A tidy shutdown after STOP. With `term`, it stays below the unit's TimeoutStopSec=90."""
    term = 10.0
    """SIGTERM to SIGKILL."""

    polite_attempts = 1
    """How often a session that somebody else took is asked for once more."""
    polite_again = 3600.0
    """A session that lasted this long since the last such attempt was really back."""
    restart = 75.0
    """RESTART to Gateway's end: it takes place at the next full minute."""
