"""Streams that sleep are rows: this wakes them when their time comes, a page at a time.

Nothing of a stream that waits is in memory but what its row says.  It is brought back a moment
before it is due, so that it fires on time however many are due at once.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Collection, Sequence

from indelible.actors.durable.directory import Directory
from indelible.actors.runtime.pool.dispatcher import Dispatcher
from indelible.actors.runtime.timers import Timer, Timers
from indelible.clock import Clock
from indelible.errors import ActorStoppedError, IndelibleError
from indelible.events.store import FIRST, NEVER, EventStore, Place, StreamHead

logger = logging.getLogger("indelible.actors")

AHEAD = 2_000_000
"""Microseconds before its time at which a stream is brought into memory: room for 10,000 and more
that are due at once.  Less than :data:`~indelible.actors.durable.passivation.SOON`, so that none
comes back that has just left."""

PAGE = 500
"""Streams that are woken before others get their turn."""

CROWD = 50_000
"""Actors in memory from which on none is brought there ahead of its time."""

_HORIZON = 60_000_000
"""Microseconds after which it looks again at the latest."""

_AGAIN = 1_000_000
"""Microseconds between looks at a store that cannot be read."""


class WakeService:
    """Has one timer, for its next look; any thread may call any method.

    Each look is an activation of the dispatcher, behind the actors that the one before has woken:
    a database that is slow holds up no timer, and many that are due are woken as fast as they are
    worked on.
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
        self._dispatcher = dispatcher
        self._timers = timers
        self._clock = clock
        self._categories = categories
        self._lock = threading.Lock()
        self._shards: frozenset[int] = frozenset()
        self._place: Place = FIRST  # all up to there have been woken
        self._taken = 0  # how often it began anew
        self._until = 0  # and all that were due until then, or are being woken
        self._asked: deque[Sequence[StreamHead]] = deque()
        self._scheduled = False
        self._next = NEVER  # when the timer is due
        self._timer: Timer | None = None

    def __str__(self) -> str:
        """The name that errors have for it."""
        return "the wake service"

    def take(self, shards: Collection[int]) -> None:
        """Wake the streams of ``shards``, too, from now on: the first page on this thread."""
        with self._lock:
            self._shards |= frozenset(shards)
            self._place = FIRST  # those of other shards that are awake do not mind
            self._taken += 1
            first, self._scheduled = not self._scheduled, True
        if first:
            self.run_activation()

    def leave(self, shards: Collection[int]) -> None:
        """Wake no stream of ``shards`` any more."""
        with self._lock:
            self._shards -= frozenset(shards)

    def wake(self, heads: Sequence[StreamHead]) -> None:
        """Wake the streams of ``heads`` soon, in pages."""
        with self._lock:
            self._asked.extend(heads[at : at + PAGE] for at in range(0, len(heads), PAGE))
        self._look_soon()

    def left(self, stream: str, due: int) -> None:
        """A stream has left memory, whose row says that it wants to be woken at ``due``."""
        with self._lock:
            missed = due <= self._until
            if not missed:
                self._look_at(due - AHEAD)
        if missed:  # the row was passed while the stream was in memory still
            self.wake([StreamHead(stream, stream.partition("-")[0], 0, "", due)])

    # -- its activations

    def run_activation(self) -> None:
        """Wake a page; for the dispatcher."""
        more = False
        try:
            more = self._turn()
        except ActorStoppedError:
            return  # the system is closing; the next one looks from the first
        except Exception as error:  # noqa: BLE001 - it is tried again, whatever it was
            level = logging.WARNING if isinstance(error, IndelibleError) else logging.ERROR
            logger.log(level, "streams that sleep cannot be looked for: %r", error)
            with self._lock:
                self._look_at(self._clock.now() + _AGAIN)
        with self._lock:
            self._scheduled = False
        if more:
            self._look_soon()

    def _turn(self) -> bool:
        """Wake what was asked for, or what is due; whether there may be more at once."""
        with self._lock:
            heads = self._asked.popleft() if self._asked else None
        if heads is not None:
            self._directory.wake_together(heads)
            return True
        now = self._clock.now()
        with self._lock:
            if not self._shards:
                return False
            crowded = len(self._directory) >= CROWD
            self._until = until = max(self._until, now if crowded else now + AHEAD)
            shards, place, taken = self._shards, self._place, self._taken
        page = self._store.sleeping(shards, after=place, until=until, limit=PAGE)
        known = [head for head in page.heads if head.category in self._categories]
        self._directory.wake_together(known)
        end = page.place or (until, NEVER)
        if page.place is None:
            later = self._store.sleeping(shards, after=end, limit=1).heads
            early = 0 if crowded else AHEAD
            due = min((head.wake_at - early for head in later), default=NEVER)
            with self._lock:
                self._look_at(max(now, min(due, now + _HORIZON)))
        with self._lock:
            if self._taken != taken:
                return True
            self._place = end
        return page.place is not None

    def _look_at(self, due: int) -> None:
        """Look at ``due`` at the latest; under the lock."""
        if due >= self._next:
            return
        if self._timer is not None:
            self._timers.cancel(self._timer)
        self._next = due
        self._timer = self._timers.at(due, "wakes", self._due)

    def _due(self) -> None:
        with self._lock:
            self._next, self._timer = NEVER, None
        self._look_soon()

    def _look_soon(self) -> None:
        with self._lock:
            if self._scheduled:
                return
            self._scheduled = True
        try:
            self._dispatcher.schedule(self)
        except ActorStoppedError:
            return  # closed: `_scheduled` stays, nothing will be looked at
