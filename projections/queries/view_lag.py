"""How far views are behind the log, in events and in time; computed from rows alone."""

from __future__ import annotations

import msgspec

from indelible.events.read.shard_gaps import recorded_at
from indelible.events.store import Cursor, EventStore


class ViewLag(msgspec.Struct, frozen=True, kw_only=True):
    """What a view lacks.

    Attributes:
        events: Committed events that it does not cover.
        seconds: From the oldest of them to the newest event of the log; 0 if it lacks none or one.
        since: When the oldest of them was recorded, microseconds UTC; 0 if it lacks none.
    """

    events: int = 0
    seconds: float = 0.0
    since: int = 0


class LagMeter:
    """Compares cursors with the end of a log; reads only events that a view lacks."""

    def __init__(self, store: EventStore) -> None:
        """Ask where the log ends, now."""
        self._store = store
        self._ends = store.positions()

    def lag(self, cursor: Cursor) -> ViewLag:
        """What a view at ``cursor`` lacks."""
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
