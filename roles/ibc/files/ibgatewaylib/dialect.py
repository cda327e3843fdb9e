"""What a controller's log lines mean.

One controller = one `Dialect`: a table of patterns. Another controller is another table; nothing else in the
launcher knows any wording. Patterns match case-insensitively, since IBC has changed case between versions.

The signals (`Signal.name`) every table maps to:

====================  =========================================================================
process_up            the controller runs inside Java (`version`)
resuming              a saved session is resumed: no login is coming
login_dialog          the login window is there
login_attempt         the credentials are being submitted (`attempt`)
progress              the login moves on (`title`)
two_factor_open       a window about the second factor: a request, or a list of devices (`title`)
two_factor_asked      it is a request
two_factor_seen       its window got the focus; for when its opening was not reported (`title`)
two_factor_closed     that window went away; says nothing about why
two_factor_duration   seconds from the login to its closing (`seconds`)
two_factor_retry      it was missed; the controller logs in again in a moment
two_factor_idle       it was missed; the controller does nothing more
two_factor_failed     answered, but the login did not complete in time
device_choice         a second factor device must be chosen, none is configured or found (`text`)
device_chosen         the controller chose a device, if such a list is shown (else it means nothing)
existing_session      another session uses this user name (`scenario`, `text`)
choice_made           the window that asked about another session went away
taken                 another session took over while logged in; the controller logs in again
handoff               another session, seen after the second factor (`text`)
login_failed          the login was refused without a reason
login_error           the login was refused (`text`)
connection_failed     IBKR was not reachable (`text`)
credentials_rejected  wrong user name or password
throttled             too many attempts (`text`)
maintenance           IBKR's system is not available
password_expiring     a notice about the password
no_login_dialog       the login window did not come
login_window_broken   the login window lacks a control, or lost it (`text`)
main_window           the main window is there
logged_in             the login is complete
configured            all settings are entered
settings_applied      the settings window went away: Gateway has taken them, and reopened its API if need be
setting_refused       a setting could not be applied (`text`)
command_port_failed   the command server could not open its port
command               somebody sent a command (`verb`)
restart_scheduled     Gateway will restart with its token (`at`)
shutdown              Gateway is shutting down
cold_restart          the controller ends in order to start afresh
error_exit            the controller gives up with its own code (`code`)
exception             an exception (`text`)
out_of_memory         Java's heap is full
java_refused          Java itself did not start (`text`)
display_lost          the X server is gone, or was never there
setting_found         what a setting is now (`key`: a word of readback.py, `value`)
unknown_window        a window nobody handles opened (`title`)
window_closed         a window went away (`title`)
window_text           words shown by the last window (`text`)
====================  =========================================================================
"""

from __future__ import annotations

import re

_WORDS = re.compile(r"\{(?:\[Disabled\])?(?:JLabel|JTextArea|JTextPane|JOptionPane): (.*?)(\}?)$")
_TAGS = re.compile(r"<[^>]*>")


class Signal:
    """One fact read from the log: a name of the table above and its details."""

    __slots__ = ("detail", "name")

    def __init__(self, name: str, **detail: str) -> None:
        self.name = name
        self.detail = detail

    def __repr__(self) -> str:
        return f"Signal({self.name!r}, {self.detail!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signal) and (self.name, self.detail) == (other.name, other.detail)

    __hash__ = None


class Dialect:
    """One controller's wording.

    Args:
        prefix: matches what precedes the message (group `message`); a line without it is a continuation
            or comes from Gateway itself.
        messages: (signal, pattern of the whole message); the first match wins; groups become details.
        raw: the same for lines without prefix.
        windows: (signal, pattern of the title, events it counts for); the first match wins.
        window_line: pattern of a line that reports a window event (groups `title`, `event`).
        continued: signals whose text follows on the next lines without prefix.
    """

    def __init__(
        self,
        prefix: str,
        messages: list[tuple[str, str]],
        raw: list[tuple[str, str]],
        windows: list[tuple[str | None, str, tuple[str, ...]]],
        window_line: str,
        continued: tuple[str, ...],
    ) -> None:
        self.prefix = re.compile(prefix)
        self.messages = [(name, re.compile(pattern, re.IGNORECASE)) for name, pattern in messages]
        self.raw = [(name, re.compile(pattern)) for name, pattern in raw]
        self.windows = [
            (name, re.compile(pattern, re.IGNORECASE), events) for name, pattern, events in windows
        ]
        self.window_line = re.compile(window_line, re.IGNORECASE)
        self.continued = continued


_OPEN = ("opened", "activated", "focused")
_OPENED = ("opened",)
_CLOSED = ("closed",)

# Wording: IBC 3.24.1 (source) and ibc2 3.25.0 (runs); one row for each state either of them reports.
IBC = Dialect(
    prefix=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3} IBC: (?P<message>.*)$",
    messages=[
        ("process_up", r"version: (?P<version>\S+)"),
        ("resuming", r"Re-starting session"),
        ("login_dialog", r"Login dialog WINDOW_OPENED: LoginState is \w+"),
        ("login_attempt", r"Login attempt: (?P<attempt>\d+)"),
        ("main_window", r"Found Gateway main window"),
        ("logged_in", r"Login has completed"),
        ("configured", r"Configuration tasks completed"),
        ("two_factor_asked", r"Second Factor Authentication initiated"),
        ("two_factor_duration", r"Duration since login: (?P<seconds>\d+) seconds"),
        ("two_factor_retry", r"Re-login after second factor authentication timeout in \d+ seconds?"),
        ("two_factor_idle", r"Re-login after second factor authentication timeout not required"),
        (
            "two_factor_failed",
            r"IBC closing because login has not completed after Second Factor Authentication",
        ),
        ("device_choice", r"(?P<text>You should specify the required second factor device.*)"),
        ("device_choice", r"(?P<text>could not (?:find|select) second factor device.*)"),
        ("device_chosen", r"Selected second factor device: .*|Click button: OK"),
        ("existing_session", r"(?P<text>.*) \(scenario (?P<scenario>[1-6])\)"),
        ("taken", r"Re-login to session"),
        ("handoff", r"Trading Login Handoff dialog; (?P<text>.*)"),
        ("login_failed", r"Login failed"),
        ("login_error", r"Login error message:"),
        ("connection_failed", r"(?P<text>Connection to server failed.*)"),
        ("throttled", r"(?P<text>Too many failed login attempts\. Please wait.*)"),
        ("maintenance", r"The system is not currently available\."),
        ("no_login_dialog", r"IBC closing after TWS/Gateway failed to display login dialog"),
        ("login_window_broken", r"(?P<text>Login dialog has been invalidated - initiate cold restart)"),
        ("login_window_broken", r"could not login: (?P<text>could not find control: .*)"),
        ("cold_restart", r"Cold restart in progress"),
        ("setting_refused", r"(?P<text>getConfigDialog could not find .*)"),
        ("setting_refused", r"(?P<text>Auto (?:restart|log ?off) time setting must be .*)"),
        ("setting_refused", r"(?P<text>Invalid number \".*\" for property .*)"),
        ("setting_refused", r"(?P<text>ExistingSessionDetectedAction has an invalid value.*)"),
        ("command_port_failed", r"CommandServer failed to create socket"),
        ("command", r"CommandServer received command: (?P<verb>\S+).*"),
        ("setting_found:port", r"TWS API socket port (?:now set|is already set) to (?P<value>.*)"),
        ("setting_found:read_only", r"Read-Only API checkbox is (?:now|already) set to: (?P<value>.*)"),
        ("setting_found:master_client", r"TWS Master Client ID (?:now set|is already set) to (?P<value>.*)"),
        (
            "setting_found:localhost_only",
            r"'Allow connections from localhost only' is (?:now|already) set to: (?P<value>.*)",
        ),
        (
            "setting_found:us_lots",
            r"Send Market Data In Lots checkbox is (?:now|already) set to: (?P<value>.*)",
        ),
        (
            "setting_found:restart_time",
            r"Auto restart time (?:already set to|changed from .* to|set to) (?P<value>.*)",
        ),
        (
            "setting_found:logoff_time",
            r"Auto log ?off time (?:already set to|changed from .* to|set to) (?P<value>.*)",
        ),
        (
            "setting_found:box",
            r"(?:Checkbox )?'(?P<box>.*)' is (?:now|already) (?P<value>selected|unselected)",
        ),
        (
            "setting_refused",
            r"(?P<text>could not find .*(?:checkbox|component|field|settings|section|button).*)",
        ),
        ("setting_refused", r"(?P<text>Could not find .* section in config dialog)"),
        ("restart_scheduled", r"Setting auto-restart time to (?P<at>.*)"),
        ("error_exit", r"Exiting after error with exit code=(?P<code>\d+)"),
        ("exception", r"An exception has occurred:"),
    ],
    raw=[
        ("out_of_memory", r"java\.lang\.OutOfMemoryError"),
        (
            "java_refused",
            r"^(?P<text>Unrecognized (?:VM )?option.*|Error: (?:Could not|Unable to|Invalid) .*)",
        ),
        ("display_lost", r"Can't connect to X11 window server|[Ff]atal IO error \d+ .*on X server"),
        ("display_lost", r"^X connection to \S+ broken|^No X11 DISPLAY variable was set"),
        ("java_refused", r"^(?P<text>Error occurred during initialization of .*)"),
        ("java_refused", r"^(?P<text>Invalid maximum heap size.*|Could not reserve enough space .*)"),
    ],
    windows=[
        ("two_factor_closed", r"(?:Second Factor|Security Code Card) Authentication", _CLOSED),
        ("choice_made", r"Existing session detected|Trading Login Handoff", _CLOSED),
        ("settings_applied", r"Configuration$", _CLOSED),
        ("window_closed", r"", _CLOSED),
        ("two_factor_open", r"(?:Second Factor|Security Code Card) Authentication", _OPENED),
        ("two_factor_seen", r"(?:Second Factor|Security Code Card) Authentication", _OPEN),
        ("credentials_rejected", r"^Unrecognized Username or Password", _OPEN),
        # IBC presses its button at either event, dies of that, and may never come to log the other.
        ("maintenance", r"^Login$", _OPEN),
        ("password_expiring", r"Password Notice", _OPENED),
        (
            "progress",
            r"^(?:Loading|Authenticating|Requesting startup parameters|Starting application)",
            _OPEN,
        ),
        ("progress", r"Connecting to server", _OPEN),
        ("shutdown", r"^Shutdown progress", _OPENED),
        # Windows that a handler takes care of, or that are simply Gateway itself.
        (None, r"(?:IBKR|IB|Interactive Brokers) Gateway|Configuration|Existing session detected", _OPENED),
        (None, r"Re-login is required|Trading Login Handoff|^Login failed|^Login Error|^Warning$", _OPENED),
        (
            None,
            r"^(?:Trades|Tip of the Day|Exit Session Setting|NSE Compliance|IBKR Trader Workstation)",
            _OPENED,
        ),
        ("unknown_window", r"", _OPENED),
    ],
    window_line=r"^detected (?:frame|dialog) entitled: (?P<title>.*); event=(?P<event>[\w ]+)$",
    continued=("login_error", "exception"),
)


class Parser:
    """Turns lines into signals; remembers only what the next line may belong to."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._open: Signal | None = None
        self._text: list[str] = []
        self._words: str | None = None

    def feed(self, line: str) -> list[Signal]:
        """Read one line.

        Args:
            line: without its line end.

        Returns:
            the signals it completes, in order; mostly none.
        """
        found = self._dialect.prefix.match(line)
        if not found:
            return self._continuation(line)
        signals = self.flush()
        message = found["message"]
        if window := self._dialect.window_line.match(message):
            signal = self._window(window["title"], window["event"].lower())
        else:
            signal = self._message(message)
        if signal and signal.name in self._dialect.continued:
            self._open = signal
        elif signal:
            signals.append(signal)
        return signals

    def flush(self) -> list[Signal]:
        """The signal still waiting for its text, if any (also at the end of the output)."""
        signal, self._open, self._words = self._open, None, None
        if signal is None:
            return []
        signal.detail["text"] = _tidy(" ".join(self._text))
        self._text = []
        return [signal]

    def _continuation(self, line: str) -> list[Signal]:
        if line.startswith("!!!!!!!!"):
            return []
        signals = [
            Signal(name, **found.groupdict())
            for name, pattern in self._dialect.raw
            if (found := pattern.search(line))
        ][:1]
        if self._open is not None:
            self._text.append(line)
        elif words := _WORDS.search(line):
            self._words = None if words[2] else words[1]
            if words[2] and _tidy(words[1]):
                signals.append(Signal("window_text", text=_tidy(words[1])))
        elif self._words is not None:
            text, end, _ = line.partition("}")
            self._words += " " + text
            if end:
                signals.append(Signal("window_text", text=_tidy(self._words)))
                self._words = None
        return signals

    def _message(self, message: str) -> Signal | None:
        for name, pattern in self._dialect.messages:
            if found := pattern.fullmatch(message):
                detail = {key: value for key, value in found.groupdict().items() if value is not None}
                name, _, key = name.partition(":")
                return Signal(name, **({"key": key} if key else {}), **detail)
        return None

    def _window(self, title: str, event: str) -> Signal | None:
        for name, pattern, events in self._dialect.windows:
            if event in events and pattern.search(title):
                return Signal(name, title=title) if name else None
        return None


def _tidy(text: str) -> str:
    return " ".join(_TAGS.sub(" ", unescape_basic(text)).split())[:500]


def unescape_basic(text: str) -> str:
    """Undo the entities Swing labels use; enough for words shown to a person."""
    return text.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
