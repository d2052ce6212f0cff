"""Wakes sleeping streams when they are due, a page at a time.

A sleeping stream is only a row in the store, with its wake time.  Its actor is loaded a moment
before that time, so that timers fire on time even if many are due at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial

from indelible.actors.durable.directory import Directory
from indelible.actors.runtime.pool.dispatcher import Dispatcher
from indelible.actors.runtime.pool.serial_queue import SerialQueue
from indelible.actors.runtime.timers import Timer, Timers
from indelible.clock import Clock
from indelible.errors import ActorStoppedError, IndelibleError
from indelible.events.store import FIRST, NEVER, EventStore, Place, StreamHead

logger = logging.getLogger("indelible.actors")

AHEAD = 2_000_000
"""Microseconds before its wake time at which a stream is loaded: enough for more than 10,000
streams that are due at once.  Less than :data:`~indelible.actors.durable.passivation.SOON`, so
that a stream is not loaded just after it left memory."""

PAGE = 500
"""Streams that are woken before other actors get their turn."""

MAX_LOADED = 50_000
"""Number of actors in memory at which streams are no longer loaded ahead of their time."""

_HORIZON = 60_000_000
"""Microseconds to the next search, at most."""

_RETRY_AFTER = 1_000_000
"""Microseconds between searches while the store cannot be read."""


class WakeService:
    """Has one timer, for its next search; any thread may call any method.

    Each page is an activation of the dispatcher, queued behind the actors that the last page woke:
    a slow database delays no timer, and streams are woken as fast as they are handled.
    """

    def __init__(
        self,
        store: EventStore,
        directory: Directory,
        dispatcher: Dispatcher,
        timers: Timers,
        clock: Clock,
        categories: Collection[str],
    ) -> None:
        """Wake streams of ``categories``; nothing happens before :meth:`take`."""
        self._store = store
        self._directory = directory
        self._timers = timers
        self._clock = clock
        self._categories = categories
        self._lock = threading.Lock()
        self._shards: frozenset[int] = frozenset()
        self._place: Place = FIRST  # all streams up to this place have been woken
        self._generation = 0  # how often the search began anew
        self._due_until = 0  # streams due up to this time have been woken, or are being woken
        self._queue = SerialQueue(dispatcher, "the wake service")
        self._search_waits = False  # whether a search is in the queue, and has not begun
        self._next_search = NEVER  # when the timer is due
        self._timer: Timer | None = None

    def take(self, shards: Collection[int]) -> None:
        """Also wake the streams of ``shards`` from now on; the first page on this thread."""
        with self._lock:
            self._shards |= frozenset(shards)
            self._place = FIRST  # waking a stream that is awake has no effect
            self._generation += 1
            waits, self._search_waits = self._search_waits, True
        if not waits:
            self._queue.begin(self._search)

    def leave(self, shards: Collection[int]) -> None:
        """Stop waking the streams of ``shards``."""
        with self._lock:
            self._shards -= frozenset(shards)

    def wake(self, heads: Sequence[StreamHead]) -> None:
        """Wake the streams of ``heads`` soon, in pages."""
        pages = (heads[at : at + PAGE] for at in range(0, len(heads), PAGE))
        self._queue.add(partial(self._wake_page, page) for page in pages)

    def left(self, stream: str, due: int) -> None:
        """A stream has left memory; its row has the wake time ``due``."""
        with self._lock:
            missed = due <= self._due_until
            if not missed:
                self._search_at(due - AHEAD)
        if missed:  # the search passed the row while the stream was still in memory
            self.wake([StreamHead(stream, stream.partition("-")[0], 0, "", due)])

    # -- its activations

    def _wake_page(self, page: Sequence[StreamHead]) -> None:
        """Wake requested streams."""
        self._try(partial(self._directory.wake_together, page))

    def _search(self) -> None:
        """Wake a page of streams that are due."""
        with self._lock:
            self._search_waits = False
        self._try(self._wake_due)

    def _try(self, wake: Callable[[], object]) -> None:
        """Call ``wake``; search again later if it fails."""
        try:
            wake()
        except ActorStoppedError:
            return  # the system is closing; the next one searches from the first place
        except Exception as error:  # noqa: BLE001 - it is tried again after any error
            level = logging.WARNING if isinstance(error, IndelibleError) else logging.ERROR
            logger.log(level, "the search for sleeping streams failed: %r", error)
            with self._lock:
                self._search_at(self._clock.now() + _RETRY_AFTER)

    def _wake_due(self) -> None:
        now = self._clock.now()
        with self._lock:
            if not self._shards:
                return
            crowded = len(self._directory) >= MAX_LOADED
            self._due_until = until = max(self._due_until, now if crowded else now + AHEAD)
            shards, place, generation = self._shards, self._place, self._generation
        page = self._store.sleeping(shards, after=place, until=until, limit=PAGE)
        known = [head for head in page.heads if head.category in self._categories]
        self._directory.wake_together(known)
        end = page.place or (until, NEVER)
        if page.place is None:
            later = self._store.sleeping(shards, after=end, limit=1).heads
            early = 0 if crowded else AHEAD
            due = min((head.wake_at - early for head in later), default=NEVER)
            with self._lock:
                self._search_at(max(now, min(due, now + _HORIZON)))
        with self._lock:
            anew = self._generation != generation
            if not anew:
                self._place = end
        if anew or page.place is not None:
            self._search_soon()

    def _search_at(self, due: int) -> None:
        """Search at ``due`` at the latest; called under the lock."""
        if due >= self._next_search:
            return
        if self._timer is not None:
            self._timers.cancel(self._timer)
        self._next_search = due
        self._timer = self._timers.at(due, "wakes", self._due)

    def _due(self) -> None:
        with self._lock:
            self._next_search, self._timer = NEVER, None
        self._search_soon()

    def _search_soon(self) -> None:
        with self._lock:
            waits, self._search_waits = self._search_waits, True
        if not waits:
            self._queue.add((self._search,))
