"""Buttons pressed in Telegram become rows for the watcher, and its answer goes back to whoever pressed."""
# ruff: noqa: TRY400 - the log is for people: one sentence, no traceback

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable

from telegram import CallbackQuery, Update

from ..store import Store, StoreError
from . import pauses
from .errors import BrokenError, DeliveryError, NotEditableError, RefusedError
from .telegram_api import UnchangedError, call
from .telegram_channel import CALLBACK_VERSION, POLL_SECONDS, TelegramChannel
from .telegram_text import MOST_ANSWER, cut

log = logging.getLogger(__name__)

DECIDE_SECONDS = 2.0
"""Whoever pressed looks at a turning wheel until we answer."""
LOOK_SECONDS = 0.05
ANSWER_SECONDS = 10.0
POLL_GRACE_SECONDS = 10.0
"""How much longer than asked for a poll may take."""
MOST_SECONDS = 30.0
"""Longest pause between polls: that Telegram answers again is noticed here first."""
RECEIVED = "Received"
NOT_ALLOWED = "You are not allowed to press this."
NOT_OURS = "This button is not one of this machine's."
NOT_STORED = (
    "The machine could not write this down: its disk may be full. Use the shell: sudo ibgatewayctl doctor"
)
_DATA = re.compile(rf"{CALLBACK_VERSION}\|([A-Za-z0-9]{{1,60}})", re.ASCII)
_EVERY_FAILURE = (DeliveryError, RefusedError, NotEditableError, UnchangedError)


class PressPoller:
    """Asks Telegram for presses, one long request after the other.

    Attributes:
        beat: when it last did something, by `time.monotonic`.
        failing_since: when Telegram stopped answering, seconds since the epoch; None while it answers.
        trouble: why, in words fit for the log.
        reached: when Telegram last answered, seconds since the epoch.
    """

    def __init__(
        self, channel: TelegramChannel, chat: int, users: tuple[int, ...],
        *, on_return: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.time,
        poll_seconds: int = POLL_SECONDS,
    ) -> None:  # fmt: skip
        """Prepare the poller; `use` gives it a database.

        Args:
            channel: whose bot to ask.
            chat: the private chat in which presses count.
            users: the ids of those who may press.
            on_return: called when Telegram answers after it did not.
            clock: seconds since the epoch.
            poll_seconds: how long Telegram may keep a request open.
        """
        self.name = channel.name
        self.beat = time.monotonic()
        self.failing_since: float | None = None
        self.trouble = ""
        self.reached: float | None = None
        self._bot = channel.bot
        self._chat = chat
        self._users = users
        self._on_return = on_return
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._key = f"telegram:{channel.name}:offset"
        self._offset: int | None = None
        self._answers: set[asyncio.Task[None]] = set()

    def use(self, store: Store) -> None:
        """Work on this database from now on."""
        self._store = store

    async def run(self, _wake: asyncio.Event) -> None:
        """Poll for ever."""
        self.resume()
        attempts = 0
        while True:
            wait = await self.step(attempts)
            attempts = attempts + 1 if wait else 0
            end = time.monotonic() + wait
            while (left := end - time.monotonic()) > 0:
                self.beat = time.monotonic()
                await asyncio.sleep(min(left, 5.0))

    def resume(self) -> None:
        """Go on after the last press that an earlier process has kept."""
        if self._offset is None:
            self._offset = self._store.recall(self._key)

    async def step(self, attempts: int = 0) -> float:
        """Ask once and keep what came.

        Args:
            attempts: how often asking has failed in a row.

        Returns:
            seconds to wait before the next time; 0 when Telegram answered.
        """
        self.beat = time.monotonic()
        try:
            updates = await call(
                self._bot.get_updates(
                    offset=self._offset, timeout=self._poll_seconds, allowed_updates=[Update.CALLBACK_QUERY]
                ),
                self._poll_seconds + POLL_GRACE_SECONDS,
            )
        except _EVERY_FAILURE as error:
            return self._failed(error, attempts)
        self.reached = self._clock()
        if self.failing_since is not None:
            log.info("%s: presses arrive again", self.name)
            self.failing_since, self.trouble = None, ""
            self._on_return()
        for update in updates:
            self._take(update)
        return 0.0

    def _failed(self, error: Exception, attempts: int) -> float:
        if self.failing_since is None:
            self.failing_since = self._clock()
        trouble = f"presses do not arrive: {error}"
        if trouble != self.trouble:
            log.warning("%s: %s", self.name, trouble)
            self.trouble = trouble
        if isinstance(error, BrokenError):
            return pauses.after(len(pauses.SECONDS))
        if isinstance(error, DeliveryError) and error.retry_after is not None:
            return min(error.retry_after, pauses.MOST)
        # Somebody else polls this bot, and asking more often would only take turns with him.
        least = MOST_SECONDS if str(error).startswith("409") else 0.0
        return max(min(pauses.after(attempts + 1), MOST_SECONDS), least)

    def _take(self, update: Update) -> None:
        self._offset = update.update_id + 1
        query = update.callback_query
        if query is None:
            self._keep_offset()
            return
        refusal, nonce = self._judge(query)
        if refusal:
            log.warning("%s: press refused: user %d: %s", self.name, query.from_user.id, refusal)
            self._keep_offset()
            self._answer_soon(query, refusal, None)
            return
        try:
            with self._store.transaction():
                number = self._store.add_press(
                    self.name, str(update.update_id), query.from_user.id, nonce, self._clock()
                )
                self._store.remember(self._key, self._offset)
        except StoreError as error:
            log.error("%s: a press is lost (%s)", self.name, error)
            self._answer_soon(query, NOT_STORED, None)
            return
        if number is None:
            log.info("%s: update %d came again", self.name, update.update_id)
        else:
            log.info("%s: user %d pressed a button", self.name, query.from_user.id)
        self._answer_soon(query, RECEIVED, number)

    def _judge(self, query: CallbackQuery) -> tuple[str, str]:
        """Return why the press is refused at once, or an empty text and the button's nonce."""
        # Telegram sends an old message without its content, but with its chat.
        chat = query.message.chat if query.message else None
        if (
            query.from_user.id not in self._users
            or chat is None
            or chat.id != self._chat
            or chat.type != "private"
        ):
            return NOT_ALLOWED, ""
        match = _DATA.fullmatch(query.data or "")
        return ("", match[1]) if match else (NOT_OURS, "")

    def _keep_offset(self) -> None:
        with contextlib.suppress(StoreError):  # the next press keeps it, or the update comes again
            self._store.remember(self._key, self._offset)

    def _answer_soon(self, query: CallbackQuery, answer: str, number: int | None) -> None:
        task = asyncio.create_task(self._answer(query.id, answer, number))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(self, query: str, answer: str, number: int | None) -> None:
        if number is not None:
            answer = await self._decision(number) or answer
        try:
            await call(self._bot.answer_callback_query(query, text=cut(answer, MOST_ANSWER)), ANSWER_SECONDS)
        except _EVERY_FAILURE as error:
            # Telegram takes no late answer; the watcher's message tells what became of the press.
            log.info("%s: a press could not be answered (%s)", self.name, error or type(error).__name__)

    async def _decision(self, number: int) -> str | None:
        end = time.monotonic() + DECIDE_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(StoreError):
                if answer := self._store.press_answer(number):
                    return answer
            await asyncio.sleep(LOOK_SECONDS)
        return None
