"""Reads a shard for views: a position without an event is returned as a damaged event.

Keeps invariant 8: positions are returned one by one, and none is skipped silently.
"""

from __future__ import annotations

from collections.abc import Sequence

from indelible.errors import StoreCorruptError
from indelible.events.model.event import UNREADABLE, DamagedEvent, RecordedEvent
from indelible.events.store import EventStore


def read_places(store: EventStore, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
    """Return the events of at most ``limit`` positions after ``after``; lost ones are damaged.

    It ends with the last event that was read, and is empty if no event is left.

    Raises:
        StoreError: The shard cannot be read.
    """
    events = store.read_shard(shard, after, limit)
    count = len(events)
    if not count or events[-1].position == after + count:  # positions increase: none is missing
        return events
    found = {event.position: event for event in events}
    end = min(after + limit, max(found))
    return [found.get(place) or _lost(shard, place) for place in range(after + 1, end + 1)]


def recorded_at(store: EventStore, shard: int, position: int) -> int:
    """Return when the event at ``position`` was recorded, or the next one if it is lost.

    Raises:
        StoreCorruptError: There is no event at ``position`` or after it.
    """
    for event in store.read_shard(shard, position - 1, 1):
        return event.recorded_at
    found = "the event is missing, and so are all behind it"
    raise StoreCorruptError(store.url, found, shard=shard, position=position)


def _lost(shard: int, position: int) -> DamagedEvent:
    empty = b""
    return DamagedEvent(
        *(shard, position, UNREADABLE, 0, empty, 0, UNREADABLE, 0),
        *(empty, empty, 0, empty),
        found="the event is missing",
    )
