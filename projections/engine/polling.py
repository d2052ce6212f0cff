"""Polls for events of other processes, since their hints may be lost.

It polls often while they write a little, seldom while they write nothing, and seldom in a flood,
in which hints are ignored too and each poll finds more events.
"""

from __future__ import annotations

from indelible.events.store import EventStore
from indelible.projections.engine.event_feed import FLOOD, EventFeed

POLL = 50_000_000
"""Nanoseconds between polls while there are new events ..."""

IDLE_POLL = 250_000_000
"""... and if there has been none for a while, or in a flood."""

_SHORT = 30_000_000
"""Shortest time, in nanoseconds, over which a flood is measured."""


class Polling:
    """Polls a store for a feed; for the runner's thread, except :meth:`hint`."""

    def __init__(self, store: EventStore, feed: EventFeed) -> None:
        """Let the first poll be due at once."""
        self._store = store
        self._feed = feed
        self._pause = POLL
        self._next_at = 0  # on the monotonic clock
        self._polled_at = 0
        self._flood_until = 0  # no earlier poll, since other processes commit a flood

    def hint(self) -> None:
        """Let the next poll be due at once; for any thread."""
        self._next_at = 0

    @property
    def due_at(self) -> int:
        """When to poll next, on the monotonic clock."""
        return max(self._next_at, self._flood_until)

    def delay(self, now: int) -> None:
        """Poll later, since the store failed."""
        self._next_at = now + IDLE_POLL

    def poll(self, now: int) -> None:
        """Tell the feed all committed positions; the next poll depends on how many are new.

        Raises:
            StoreError: The positions cannot be read.
        """
        positions, own = self._store.positions(), self._store.owned()
        others = {shard: end for shard, end in positions.items() if shard not in own}
        found = self._feed.count_unknown(others)
        self._feed.note_committed(positions)
        self._pause = POLL if found else min(2 * self._pause, IDLE_POLL)
        self._next_at = now + self._pause
        if found * 1_000_000_000 > FLOOD * max(now - self._polled_at, _SHORT):
            self._flood_until = now + IDLE_POLL
        self._polled_at = now
