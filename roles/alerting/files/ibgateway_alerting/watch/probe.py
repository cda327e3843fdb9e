"""The API probe: one long-lived, read-only connection to a Gateway, and the first stage of it that fails.

"The port is open" is not "healthy". Recorded: a Gateway that accepted and never read, one that left its
clients in CLOSE_WAIT, one that stayed at its login window while the API sent 1100 for 15 hours, one whose
handshake was fine and that answered nothing after it. So: port, handshake, ready (accounts, id), time, link.

Nothing here waits: the caller's selector says when there is something to read, `tick` looks at the deadlines.
"""

from __future__ import annotations

import logging
import selectors
from collections import deque
from collections.abc import Callable

from ibgatewaylib import api_wire

from ..observation import SAY_AGAIN, Changes, Observation
from .codes import TOLD
from .connection import CLIENT_ID, HANDSHAKE, INCOMPATIBLE, OK, PORT, READY, TIME, Connection

log = logging.getLogger(__name__)

LINK = "link"
"""The last stage: Gateway answers, and says that it has no link to IBKR's servers."""

DEADLINES = {PORT: 2.0, HANDSHAKE: 5.0, READY: 5.0, TIME: 10.0}
"""Seconds a stage may take."""
ASK_EVERY = 10.0
"""Seconds from an answer to the next question for the time."""
PAUSE = 2.0
"""Seconds before connecting anew."""
PAUSE_OWN_FAULT = 30.0
"""Seconds before connecting anew where a version or all our client ids are refused: hurrying is no use."""
KEEP_SILENT = 20.0
"""Seconds a silent connection is kept beyond its deadline. A Gateway that wakes up answers it; a new one
every few seconds would fill the queue of one that does not accept any more."""
LOST_AGAIN = 30.0
"""Seconds within which a second connection that is lost after it worked is no coincidence."""
CLIENT_IDS = tuple(range(972, 980))
"""The launcher has 970, the check after a reset 971; 0 would bind manual orders."""
LONGEST_STEP = 5.0
"""Seconds between two ticks beyond which the clock was set or the machine slept: all deadlines move along."""
_EVIDENCE_EVERY = 10.0
_CALM = 1.0
"""Seconds for which nothing can be new while Gateway is fine and says nothing."""
_QUESTIONS = {
    PORT: "the connection attempt",
    HANDSHAKE: "the handshake",
    READY: "the client's start",
    TIME: "the question for the time",
}


class Probe:
    """Watches the API of one instance, while it is wanted."""

    def __init__(
        self,
        instance: str,
        port: int,
        *,
        host: str = "127.0.0.1",
        newest: int = api_wire.MAX_VERSION,
        evidence: Callable[[int], str] = lambda _port: "",
    ) -> None:
        """Prepare; nothing is connected before `want`.

        Args:
            instance: name of the instance.
            port: its API port.
            host: its address.
            newest: the newest version of the API to offer.
            evidence: what the system knows of a port, asked when there is trouble.
        """
        self.instance = instance
        self._address = (host, port)
        self._newest = newest
        self._evidence = evidence
        self._selector: selectors.BaseSelector | None = None
        self._connection: Connection | None = None
        self._wanted = False
        self._value = self._text = ""
        self._ids = deque(CLIENT_IDS)
        self._ids_refused = 0
        self._next = self._lost = self._looked = 0.0
        self._last: float | None = None
        self._calm_until = 0.0
        self._changes = Changes()
        self._told: dict[int, float] = {}

    def register(self, selector: selectors.BaseSelector) -> None:
        """Name the selector in which connections are waited for; their keys carry this probe as `data`."""
        self._selector = selector

    def want(self, wanted: bool, now: float) -> None:
        """Begin or end watching.

        Args:
            wanted: whether the instance says that its API answers.
            now: seconds since the epoch.
        """
        if wanted == self._wanted:
            return
        self.close()
        self._wanted = wanted
        self._calm_until = 0.0
        self._value = self._text = ""
        self._next = now
        self._lost = self._looked = 0.0
        for what in ("probe", "link", "farm"):
            self._changes.forget(self.instance, what)

    def ready(self, _key: selectors.SelectorKey, _mask: int, now: float) -> None:
        """Go on: the selector says that there is something to do. What comes of it, the next `tick` says."""
        self._follow_the_clock(now)
        self._calm_until = 0.0
        if self._connection:
            self._connection.advance(now)

    def tick(self, now: float) -> list[Observation]:
        """Look at the connection and its deadlines.

        Args:
            now: seconds since the epoch.

        Returns:
            `probe` (ok; the first stage that fails, where silence behind an accepted connection is always
            `time`; incompatible; client_id), `link` (up, down), `farm` (tuple of the broken ones) and `code`
            (number), when they are news.
        """
        self._follow_the_clock(now)
        if not self._wanted or now < self._calm_until:
            return []
        if self._connection is None:
            if now < self._next:
                return list(self._news(now))
            self._connect(now)
        connection = self._connection
        if connection is None:
            return []
        found = list(self._codes(connection, now))
        if connection.over:
            self._ended(connection, now)
        elif connection.stage == OK:
            self._fine(connection, now)
        else:
            self._waiting(connection, now)
        return [*found, *self._news(now, connection)]

    def close(self) -> None:
        """End watching."""
        self._drop()
        self._wanted = False

    def _connect(self, now: float) -> None:
        try:
            self._connection = Connection(
                self._address, self._ids[0], self._newest, now, self._selector, self
            )
        except OSError as error:
            # Out of sockets: that says nothing about Gateway.
            self._next = now + PAUSE
            log.error("%s: cannot make a socket (%s)", self.instance, error.strerror)  # noqa: TRY400

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _follow_the_clock(self, now: float) -> None:
        step = 0.0 if self._last is None else now - self._last
        self._last = now
        if not 0 <= step <= LONGEST_STEP:
            self._next += step
            self._lost += step
            self._calm_until = 0.0
            if self._connection:
                self._connection.since += step

    # --- how the connection is ---

    def _fine(self, connection: Connection, now: float) -> None:
        self._ids_refused = 0
        down = connection.system.link == "down"
        self._judge(LINK if down else OK, f"code {connection.system.code}" if down else "", now)
        if now >= connection.since + ASK_EVERY:
            connection.ask(now)
        else:
            self._calm_until = min(now + _CALM, connection.since + ASK_EVERY)

    def _waiting(self, connection: Connection, now: float) -> None:
        """For a stage: when its deadline is over, say so and wait on for a while, then try afresh."""
        late = now - connection.since - DEADLINES[connection.stage]
        if late < 0:
            return
        # Accepting and never answering is one and the same wedge, at whatever stage a connection meets it. In
        # the end its queue is full, too, and it does not even accept.
        wedged = connection.stage != PORT or self._value == TIME
        waited = DEADLINES[connection.stage]
        text = f"no answer within {waited:.0f} s to {_QUESTIONS[connection.stage]}"
        self._judge(TIME if wedged else PORT, text, now)
        if late >= KEEP_SILENT:
            self._drop()
            self._next = now + PAUSE

    def _ended(self, connection: Connection, now: float) -> None:
        self._drop()
        self._next = now + PAUSE
        if connection.over == CLIENT_ID:
            self._another_id(connection, now)
        elif connection.over == INCOMPATIBLE:
            self._next = now + PAUSE_OWN_FAULT
            self._judge(INCOMPATIBLE, connection.words, now)
        elif connection.answered and now - self._lost > LOST_AGAIN:
            self._lost = now  # a restart of Gateway's API; what the next connection meets is the verdict
        else:
            self._lost = now if connection.answered else self._lost
            self._judge(READY if connection.answered else connection.over, connection.words, now)

    def _another_id(self, connection: Connection, now: float) -> None:
        """A client id is in use, which says nothing about Gateway: try the next one at once."""
        self._ids.rotate(-1)
        self._ids_refused += 1
        if self._ids_refused < len(CLIENT_IDS):
            self._next = now
            return
        self._ids_refused = 0
        self._next = now + PAUSE_OWN_FAULT
        self._judge(
            CLIENT_ID, f"{connection.words}, as are all from {CLIENT_IDS[0]} to {CLIENT_IDS[-1]}", now
        )

    # --- what is said ---

    def _judge(self, value: str, text: str, now: float) -> None:
        if value in (PORT, HANDSHAKE, READY, TIME):
            if value == self._value and now - self._looked < _EVIDENCE_EVERY:
                return
            self._looked = now
            text = "; ".join(filter(None, (text, self._evidence(self._address[1]))))
        self._value, self._text = value, text

    def _news(self, now: float, connection: Connection | None = None) -> list[Observation]:
        found = []
        if self._value:
            found += self._changes.news(self.instance, "probe", self._value, now, self._text)
        if connection and connection.system.link:
            system = connection.system
            found += self._changes.news(self.instance, "link", system.link, now, str(system.code))
        if connection and connection.answered:
            found += self._changes.news(self.instance, "farm", tuple(sorted(connection.system.farms)), now)
        return found

    def _codes(self, connection: Connection, now: float) -> list[Observation]:
        found = []
        for code, text in connection.codes:
            if code in TOLD and not 0 <= now - self._told.get(code, float("-inf")) < SAY_AGAIN:
                self._told[code] = now
                found.append(Observation(self.instance, "code", code, now, text))
        connection.codes.clear()
        return found
