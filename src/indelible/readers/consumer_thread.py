"""A consumer on its own thread: a handler gets each batch, which is committed when it returns.

A handler that fails is called again with the same batch, after growing pauses.  After the last
attempt the consumer stops with state ``failed``; it skips nothing.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from indelible.arguments.ids_and_timeouts import check_timeout
from indelible.errors import (
    ConsumerFailedError,
    ForkedError,
    RoleLostError,
    StoreUnavailableError,
    ThreadUnavailableError,
)
from indelible.errors.error_text import in_words
from indelible.events.store import Cursor
from indelible.events.subscribe.batches import EventBatch
from indelible.events.subscribe.shard_pages import format_cursor
from indelible.forks import leave, watch
from indelible.threads import start_now

if TYPE_CHECKING:
    from indelible.events.subscribe.consumers import Consumer

logger = logging.getLogger("indelible.consumers")

Handler = Callable[[EventBatch], object] | Callable[[EventBatch], Awaitable[object]]
"""Handles a batch; its events may come again, after a crash or a failure."""

MAX_ATTEMPTS = 10
"""Calls of a handler with one batch before the consumer stops: about a minute with the pauses."""

_FIRST_PAUSE, _LAST_PAUSE = 0.1, 30.0  # seconds between two attempts, doubled each time

State = Literal["waiting", "running", "retrying", "failed", "stopped"]


class ConsumerTask:
    """A consumer that runs until it is stopped, its system closes, or its handler has failed.

    Any thread may use it.

    Attributes:
        name: The consumer's durable name.
        state: ``waiting`` while another consumer has the name, ``running``, ``retrying`` after a
            failure, ``failed`` after the last attempt, or ``stopped``.
        attempts: Failed calls of the handler with the current batch.
        error: The newest failure; ``None`` if there is none.
    """

    def __init__(
        self,
        consumer: Consumer,
        handler: Handler,
        run_async: Callable[[Callable[[], Awaitable[Any]]], None],
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        """Start the thread; ``run_async`` runs the coroutine of an async handler and waits for it.

        Raises:
            ThreadUnavailableError: The host gives no thread; ``consumer`` is closed.
        """
        if max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        self.name = consumer.name
        self.state: State = "waiting"
        self.attempts = 0
        self.error: BaseException | None = None
        self._consumer = consumer
        self._handler = handler
        self._run_async = run_async
        self._max_attempts = max_attempts
        self._stopping = threading.Event()
        self._parent = 0  # in a forked child, the process that has the thread
        watch(self)
        self._thread = threading.Thread(
            target=self._run, name=f"indelible-consumer-{self.name}", daemon=True
        )
        try:
            start_now(self._thread)
        except ThreadUnavailableError:
            consumer.close()
            raise

    def __repr__(self) -> str:
        """Show the name and the state."""
        return f"<ConsumerTask {self.name!r} {self.state}>"

    @property
    def committed(self) -> Cursor:
        """The cursor up to which the handler has handled the log."""
        return self._consumer.committed

    def _forked(self, parent: int) -> None:
        """In a forked child: the thread does not exist, unless its handler has forked."""
        self._parent = parent

    def _check_process(self) -> None:
        if self._parent:
            raise ForkedError(f"consumer {self.name!r}", self._consumer.url, self._parent)

    def _leave_child(self, error: BaseException | None) -> None:
        """End a child that the handler has forked and that has returned from the handler."""
        if self._parent:
            leave(error)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait at most ``timeout`` seconds for the end; return whether the consumer has ended."""
        self._check_process()
        self._thread.join(check_timeout(timeout))
        return not self._thread.is_alive()

    def stop(self, timeout: float | None = None) -> bool:
        """Deliver no further batch and wait for the handler, at most ``timeout`` seconds.

        A call from the handler does not wait.

        Returns:
            Whether the consumer has ended; if not, its batch will be delivered again.
        """
        self._check_process()
        self._ask_to_stop()
        if threading.current_thread() is not self._thread:
            self._thread.join(check_timeout(timeout))
        return not self._thread.is_alive()

    def _ask_to_stop(self) -> None:
        self._stopping.set()
        self._consumer._end()

    # -- the thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.state = "waiting"
                try:
                    for batch in self._consumer:
                        self._deliver(batch)
                except RoleLostError as error:
                    logger.warning("consumer %s: %s", self.name, error)
                else:
                    break
            self.state = "stopped"
        except BaseException as error:
            self.error = error
            self.state = "failed"
            logger.exception("consumer %s has stopped", self.name)
        finally:
            self._consumer.close()

    def _deliver(self, batch: EventBatch) -> None:
        self.state, self.attempts = "running", 0
        pause = _FIRST_PAUSE
        while True:
            try:
                self._handle(batch)
                break
            except Exception as error:
                self.error = error
                self.attempts += 1
                self.state = "retrying"
                if self.attempts >= self._max_attempts:
                    first = batch[0].recorded
                    raise ConsumerFailedError(
                        self.name,
                        self.attempts,
                        format_cursor({first.shard: first.position}),
                        in_words(error),
                    ) from error
                logger.warning(
                    "the handler of consumer %s failed, attempt %d of %d",
                    self.name,
                    self.attempts,
                    self._max_attempts,
                    exc_info=True,
                )
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, _LAST_PAUSE)
            if not self._consumer.active:
                raise RoleLostError(f"consumer:{self.name}")
        self._commit(batch.cursor)
        self.state, self.attempts, self.error = "running", 0, None

    def _handle(self, batch: EventBatch) -> None:
        try:
            result = self._handler(batch)
        except BaseException as error:
            self._leave_child(error)
            raise
        self._leave_child(None)
        if inspect.isawaitable(result):
            self._run_async(lambda: result)

    def _commit(self, cursor: Cursor) -> None:
        """Commit until the store accepts it; the handler has returned already."""
        pause = _FIRST_PAUSE
        while True:
            try:
                self._consumer.commit(cursor)
                return
            except StoreUnavailableError as error:
                self.error = error
            if self._stopping.wait(pause):
                return  # the batch will be delivered again
            pause = min(2 * pause, 1.0)
