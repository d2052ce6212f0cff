"""Following a log: batches for ``for`` and ``async for``, now and as events are committed.

The reader reads when it is asked for the next batch and never before (back-pressure): a slow one
holds up nobody, and nothing is dropped.  Commits of this process wake it; those of others it sees
by looking at the shards' heads every 10 to 250 ms, or sooner where the store gives a hint.
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
from indelible.events.subscribe.log_followers import LogFollowers, Wake
from indelible.events.subscribe.shard_pages import MAX_BATCH, MAX_BYTES, ShardPages
from indelible.forks import watch

_log = logging.getLogger(__name__)

_FIRST_PAUSE, _LAST_PAUSE = 0.010, 0.250  # seconds between looks; doubled while nothing comes
_GAP_LOOKS = 6
"""Looks at a gap before it is an error: the log has none, but a replica may lag a moment."""

After = Cursor | Literal["end"] | None
"""Where to begin: behind a cursor, behind all that is committed now, or at the beginning."""


class Following(ABC):
    """An iterator over batches, for one thread or task at a time; any thread may close it."""

    def __init__(self, followers: LogFollowers) -> None:
        """Be one of the ``followers`` of an open store."""
        self._followers = followers
        self._store = followers.store
        self._wake = Wake()
        self._lock = threading.Lock()  # one look at a time, also after a cancelled one
        self._ready: EventBatch | None = None  # read, not handed out
        self._ended = False
        self._pause = _FIRST_PAUSE / 2  # doubled before the first wait
        self._gaps = 0
        self._troubled = False
        self._cursor: Cursor = {}
        self._parent = 0  # in a forked child, the process whose reader it is
        watch(self)
        followers.add(self)

    @property
    def cursor(self) -> Cursor:
        """Where to go on after the batches that were handed out so far."""
        return dict(self._cursor)

    @property
    def url(self) -> str:
        """Address of the store whose log it reads."""
        return self._store.url

    @property
    def closed(self) -> bool:
        """Whether no batch will come any more."""
        return self._ended

    def close(self) -> None:
        """End the iteration, whoever waits in it; may be called twice."""
        self._end()

    def _end(self) -> None:
        """Hand out no batch any more; what was handed out may still be dealt with."""
        self._ended = True
        self._followers.remove(self)
        self._wake.ring()

    def _forked(self, parent: int) -> None:
        """In a child: read nothing any more, and wait for no thread of the parent."""
        self._parent = parent
        self._lock = threading.Lock()
        self._wake = Wake()
        self._ready = None

    def _check_process(self) -> None:
        """Refuse a forked child: it would miss events, or take them from its parent.

        Raises:
            ForkedError: This process is one.
        """
        if self._parent:
            raise ForkedError("a reader of the log", self._store.url, self._parent)

    def _hear(self) -> None:
        """Look at once; called on the thread that committed."""
        self._wake.ring()

    @abstractmethod
    def _read(self) -> EventBatch | float | None:
        """The next batch, ``None`` if there is none, or the seconds until it may be asked again.

        It is called on whatever thread may block for a query.
        """

    @abstractmethod
    def _stays(self) -> bool:
        """Whether to wait for more, when there is nothing."""

    # -- on a thread

    def __iter__(self) -> Self:
        """Be the iterator."""
        return self

    def __next__(self) -> EventBatch:
        """The next batch with at least one event; waits for it.

        Raises:
            BlockingCallError: This is the system's event loop; use ``async for``.
            ForkedError: This process was forked from the reader's.
        """
        self._check_process()
        self._followers.check_may_block("next", "anext")
        while True:
            self._wake.clear()
            self._look()
            batch = self._take()
            if batch is not None:
                return batch
            if self._ended:
                raise StopIteration
            self._wake.wait(self._pause)

    def __enter__(self) -> Self:
        """Be closed at the end of the block."""
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
        """Be the iterator."""
        return self

    async def __anext__(self) -> EventBatch:
        """The next batch; a cancelled wait loses none."""
        self._check_process()
        while True:
            self._wake.clear()
            await self._followers.off_loop(self._look)
            batch = self._take()
            if batch is not None:
                return batch
            if self._ended:
                raise StopAsyncIteration
            await self._wake.wait_async(self._pause)

    async def __aenter__(self) -> Self:
        """Be closed at the end of the block."""
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

    def _look(self) -> None:
        """Read a batch, unless one is ready: then a task was cancelled before it took it."""
        with self._lock:
            while self._ready is None and not self._ended:
                try:
                    batch = self._read()
                except SystemClosedError:
                    self._end()
                    return
                except (StoreUnavailableError, EventGapError) as error:
                    self._bear(error)
                    return
                self._gaps, self._troubled = 0, False
                if isinstance(batch, int | float):
                    self._pause = max(batch, _FIRST_PAUSE)
                elif batch is None:
                    if not self._stays():
                        self._end()
                    self._pause = min(2 * self._pause, _LAST_PAUSE)
                elif not batch:
                    self._cursor = batch.cursor  # nobody waits for these
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

    def _bear(self, error: StoreUnavailableError | EventGapError) -> None:
        """Look again later, if that may help."""
        gap = isinstance(error, EventGapError)
        self._gaps += gap
        if self._gaps >= _GAP_LOOKS or not (gap or self._stays()):
            raise error
        if not gap and not self._troubled:
            self._troubled = True
            _log.warning("a reader of %s waits: %s", self._store.url, error)
        self._pause = min(2 * self._pause, _LAST_PAUSE)


class Subscription(Following):
    """The events of a log behind a cursor, as batches.

    Attributes:
        cursor: Where to go on after the batches that were handed out so far.
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
        doubt: UnknownFilterError | None = None,
    ) -> None:
        """Begin behind ``after``; without ``live`` it ends where the log ends.

        Bounds are events and bytes of payloads and metadata; one event may be larger.  ``doubt``
        is raised where the log ends if nothing has been found until there.

        Raises:
            ValueError: A bound below 1, or ``after`` is no cursor.
            StoreUnavailableError: Where the log ends cannot be read.
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
        self._doubt = doubt
        self._cursor = dict(self._pages.cursor)

    def _read(self) -> EventBatch | None:
        batch = self._pages.read()
        if batch:
            self._doubt = None
        elif batch is None and self._doubt is not None:
            raise self._doubt
        return batch

    def _stays(self) -> bool:
        return self._live


def starting(store: EventStore, after: After) -> Cursor:
    """The cursor that ``after`` means at this moment."""
    if after == "end":
        return dict(store.positions())
    return {} if after is None else after
