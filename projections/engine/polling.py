"""When to look at what other processes have committed, of which nobody here hears for certain.

Often while they write a little, seldom while they write nothing, and seldom in a flood: then hints
are not heard either, and more is found at once.
"""

from __future__ import annotations

from indelible.events.store import EventStore
from indelible.projections.engine.event_feed import FLOOD, EventFeed

POLL = 50_000_000
"""ns between looks while there is something ..."""

IDLE_POLL = 250_000_000
"""... and when there has been nothing for a while, or a flood."""

_SHORT = 30_000_000
"""ns over which a flood is measured at least."""


class Polling:
    """Looks at a store for a feed; belongs to the runner's thread, but for :meth:`hint`."""

    def __init__(self, store: EventStore, feed: EventFeed) -> None:
        """Look as soon as it is asked."""
        self._store = store
        self._feed = feed
        self._pause = POLL
        self._next_at = 0  # on the monotonic clock
        self._looked_at = 0
        self._polite_until = 0  # while other processes commit floods

    def hint(self) -> None:
        """There is something to find; for any thread."""
        self._next_at = 0

    @property
    def due_at(self) -> int:
        """When to look next, on the monotonic clock."""
        return max(self._next_at, self._polite_until)

    def put_off(self, now: int) -> None:
        """The store cannot be asked: let it be for a while."""
        self._next_at = now + IDLE_POLL

    def look(self, now: int) -> None:
        """Learn of all that is committed; how soon again depends on what others have written.

        Raises:
            StoreError: The store cannot say where it ends.
        """
        positions, own = self._store.positions(), self._store.owned()
        others = {shard: end for shard, end in positions.items() if shard not in own}
        found = self._feed.unknown(others)
        self._feed.expect(positions)
        self._pause = POLL if found else min(2 * self._pause, IDLE_POLL)
        self._next_at = now + self._pause
        if found * 1_000_000_000 > FLOOD * max(now - self._looked_at, _SHORT):
            self._polite_until = now + IDLE_POLL
        self._looked_at = now
