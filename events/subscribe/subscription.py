"""Follows a log: batches for ``for`` and ``async for``, of old events and of new ones.

The next batch is read when the caller asks for it and never before (back-pressure): a slow caller
delays nothing else, and no event is dropped.  Commits of this process wake the reader; for commits
of other processes it polls the shards' heads every 10 to 250 ms, or sooner on a hint of the store.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Literal, Self

from indelible.errors import (
    EventGapError,
    ForkedError,
    StoreUnavailableError,
    SystemClosedError,
    UnknownFilterError,
)
from indelible.events.model.event_types import EventTypes
from indelible.events.store import Cursor, EventStore
from indelible.events.subscribe.batches import EventBatch, Selection
from indelible.events.subscribe.log_followers import LogFollowers, WakeUp
from indelible.events.subscribe.shard_pages import MAX_BATCH, MAX_BYTES, ShardPages
from indelible.forks import watch

_log = logging.getLogger(__name__)

_FIRST_PAUSE, _LAST_PAUSE = 0.010, 0.250  # seconds between polls; doubled while nothing is new
_GAP_READS = 6
"""Reads of a gap before it is an error: the log has none, but a replica may lag a moment."""

After = Cursor | Literal["end"] | None
"""Where to begin: after a cursor, after the last committed event, or at the beginning."""


class Following(ABC):
    """An iterator over batches, for one thread or task at a time; any thread may close it."""

    def __init__(self, followers: LogFollowers) -> None:
        """Join the ``followers`` of an open store."""
        self._followers = followers
        self._store = followers.store
        self._wake_up = WakeUp()
        self._lock = threading.Lock()  # one read at a time, also after a cancelled one
        self._ready: EventBatch | None = None  # read, not returned
        self._ended = False
        self._pause = _FIRST_PAUSE / 2  # doubled before the first wait
        self._gaps = 0
        self._warned = False
        self._cursor: Cursor = {}
        self._parent = 0  # in a forked child, the process that made the reader
        watch(self)
        followers.add(self)

    @property
    def cursor(self) -> Cursor:
        """The cursor after the batches that it has returned."""
        return dict(self._cursor)

    @property
    def url(self) -> str:
        """Address of the store whose log it reads."""
        return self._store.url

    @property
    def closed(self) -> bool:
        """Whether the iteration has ended."""
        return self._ended

    def close(self) -> None:
        """End the iteration, also for a thread or task that waits; may be called twice."""
        self._end()

    def _end(self) -> None:
        """Return no more batches; those already returned may still be handled."""
        self._ended = True
        self._followers.remove(self)
        self._wake_up.set()

    def _forked(self, parent: int) -> None:
        """Stop reading in a forked child, and replace the locks of the parent's threads."""
        self._parent = parent
        self._lock = threading.Lock()
        self._wake_up = WakeUp()
        self._ready = None

    def _check_process(self) -> None:
        """Refuse a forked child: it would miss events, or take them from its parent.

        Raises:
            ForkedError: This process is a forked child.
        """
        if self._parent:
            raise ForkedError("a reader of the log", self._store.url, self._parent)

    def _on_commit(self) -> None:
        """Read at once; called on the thread that committed."""
        self._wake_up.set()

    @abstractmethod
    def _read(self) -> EventBatch | float | None:
        """Return the next batch, ``None`` if there is none, or the seconds until the next call.

        Called on a thread that may block for a query.
        """

    @abstractmethod
    def _waits_for_more(self) -> bool:
        """Whether to wait for new events when all are read."""

    # -- on a thread

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> EventBatch:
        """Wait for the next batch with at least one event and return it.

        Raises:
            BlockingCallError: This is the system's event loop; use ``async for``.
            ForkedError: This process was forked from the reader's.
        """
        self._check_process()
        self._followers.check_may_block("next", "anext")
        while True:
            self._wake_up.clear()
            self._fill()
            batch = self._take()
            if batch is not None:
                return batch
            if self._ended:
                raise StopIteration
            self._wake_up.wait(self._pause)

    def __enter__(self) -> Self:
        """Return itself; the end of the block closes it."""
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    # -- on an event loop

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> EventBatch:
        """Wait for the next batch and return it; a cancelled wait loses no batch."""
        self._check_process()
        while True:
            self._wake_up.clear()
            await self._followers.off_loop(self._fill)
            batch = self._take()
            if batch is not None:
                return batch
            if self._ended:
                raise StopAsyncIteration
            await self._wake_up.wait_async(self._pause)

    async def __aenter__(self) -> Self:
        """Return itself; the end of the block closes it."""
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self._followers.off_loop(self.close)

    # -- both

    def _fill(self) -> None:
        """Read a batch, unless one is ready because a task was cancelled before taking it."""
        with self._lock:
            while self._ready is None and not self._ended:
                try:
                    batch = self._read()
                except SystemClosedError:
                    self._end()
                    return
                except (StoreUnavailableError, EventGapError) as error:
                    self._retry_later(error)
                    return
                self._gaps, self._warned = 0, False
                if isinstance(batch, int | float):
                    self._pause = max(batch, _FIRST_PAUSE)
                elif batch is None:
                    if not self._waits_for_more():
                        self._end()
                    self._pause = min(2 * self._pause, _LAST_PAUSE)
                elif not batch:
                    self._cursor = batch.cursor  # none of the events was selected
                    continue
                else:
                    self._ready = batch
                    self._pause = _FIRST_PAUSE / 2
                return

    def _take(self) -> EventBatch | None:
        batch, self._ready = self._ready, None
        if batch is None or self._ended:
            return None
        self._cursor = batch.cursor
        return batch

    def _retry_later(self, error: StoreUnavailableError | EventGapError) -> None:
        """Have the next poll read again, or raise ``error`` if that cannot help."""
        gap = isinstance(error, EventGapError)
        self._gaps += gap
        if self._gaps >= _GAP_READS or not (gap or self._waits_for_more()):
            raise error
        if not gap and not self._warned:
            self._warned = True
            _log.warning("a reader of %s waits: %s", self._store.url, error)
        self._pause = min(2 * self._pause, _LAST_PAUSE)


class Subscription(Following):
    """The events of a log after a cursor, as batches.

    Attributes:
        cursor: The cursor after the batches that it has returned.
    """

    def __init__(
        self,
        followers: LogFollowers,
        types: EventTypes,
        *,
        after: After = None,
        selection: Selection | None = None,
        live: bool = True,
        max_batch: int = MAX_BATCH,
        max_bytes: int = MAX_BYTES,
        misspelling: UnknownFilterError | None = None,
    ) -> None:
        """Begin after ``after``; without ``live`` it ends at the end of the log.

        The bounds are events, and bytes of payloads and metadata; one event may be larger.
        ``misspelling`` is raised at the end of the log if no event was selected.

        Raises:
            ValueError: A bound is below 1, or ``after`` is not a cursor.
            StoreUnavailableError: The end of the log cannot be read.
        """
        store = followers.store
        self._pages = ShardPages(
            store,
            types.decode,
            selection or Selection(),
            starting(store, after),
            max_batch=max_batch,
            max_bytes=max_bytes,
        )
        super().__init__(followers)
        self._live = live
        self._misspelling = misspelling
        self._cursor = dict(self._pages.cursor)

    def _read(self) -> EventBatch | None:
        batch = self._pages.read()
        if batch:
            self._misspelling = None
        elif batch is None and self._misspelling is not None:
            raise self._misspelling
        return batch

    def _waits_for_more(self) -> bool:
        return self._live


def starting(store: EventStore, after: After) -> Cursor:
    """Return the cursor that ``after`` means now."""
    if after == "end":
        return dict(store.positions())
    return {} if after is None else after
