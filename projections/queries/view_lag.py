"""Computes how far views are behind the log, in events and in time, from rows alone."""

from __future__ import annotations

import msgspec

from indelible.events.read.shard_gaps import recorded_at
from indelible.events.store import Cursor, EventStore


class ViewLag(msgspec.Struct, frozen=True, kw_only=True):
    """The lag of a view.

    Attributes:
        events: Committed events that the view does not cover.
        seconds: Time from the oldest of them to the newest; 0 if there is none, or one.
        since: When the oldest of them was recorded, microseconds UTC; 0 if there is none.
    """

    events: int = 0
    seconds: float = 0.0
    since: int = 0


class LagMeter:
    """Compares cursors with the end of a log; reads only events that a view does not cover."""

    def __init__(self, store: EventStore) -> None:
        """Read the current end of the log."""
        self._store = store
        self._ends = store.positions()

    def lag(self, cursor: Cursor) -> ViewLag:
        """Return the lag of a view at ``cursor``."""
        lacking = {
            shard: end - cursor.get(shard, 0)
            for shard, end in self._ends.items()
            if end > cursor.get(shard, 0)
        }
        if not lacking:
            return ViewLag()
        oldest = min(self._recorded_at(shard, cursor.get(shard, 0) + 1) for shard in lacking)
        newest = max(self._recorded_at(shard, self._ends[shard]) for shard in lacking)
        return ViewLag(
            events=sum(lacking.values()), seconds=max(0, newest - oldest) / 1e6, since=oldest
        )

    def _recorded_at(self, shard: int, position: int) -> int:
        return recorded_at(self._store, shard, position)
