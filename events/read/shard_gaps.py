"""Reading a shard for views: a position without an event is a damaged event in its place.

Keeps invariant 8: positions come out one by one, and none is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Sequence

from indelible.errors import StoreCorruptError
from indelible.events.model.event import UNREADABLE, DamagedEvent, RecordedEvent
from indelible.events.store import EventStore


def read_places(store: EventStore, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
    """The next positions behind ``after``, at most ``limit``, with whatever is at them.

    Up to the last event that was read: where none is left the result is empty.

    Raises:
        StoreError: The shard cannot be read.
    """
    events = store.read_shard(shard, after, limit)
    count = len(events)
    if not count or events[-1].position == after + count:  # positions rise, so none is missing
        return events
    there = {event.position: event for event in events}
    end = min(after + limit, max(there))
    return [there.get(place) or _lost(shard, place) for place in range(after + 1, end + 1)]


def recorded_at(store: EventStore, shard: int, position: int) -> int:
    """When the event at ``position`` was recorded, or the next one if it is lost.

    Raises:
        StoreCorruptError: There is none.
    """
    for event in store.read_shard(shard, position - 1, 1):
        return event.recorded_at
    found = "the event is missing, and so are all behind it"
    raise StoreCorruptError(store.url, found, shard=shard, position=position)


def _lost(shard: int, position: int) -> DamagedEvent:
    nothing = b""
    return DamagedEvent(
        *(shard, position, UNREADABLE, 0, nothing, 0, UNREADABLE, 0),
        *(nothing, nothing, 0, nothing),
        found="the event is missing",
    )
