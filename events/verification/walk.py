"""A shard's events in the order of their positions: the hash chain, walked again."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from indelible.errors import VerificationError
from indelible.events.chain import GENESIS, event_hash, link
from indelible.events.event import DamagedEvent, RecordedEvent
from indelible.events.verification.anchor import Place

PAGE = 1_000
"""Events read at once: enough to make the reading cheap, little to hold."""

ReadShard = Callable[[int, int, int], Sequence[RecordedEvent]]
"""As :meth:`~indelible.events.store.EventStore.read_shard`."""

See = Callable[[Sequence[RecordedEvent]], None]
"""Gets events that fit the chain, page by page."""


class ShardEnd(NamedTuple):
    """The row of a shard, and the position of the last event there is, read together."""

    shard: int
    head: int
    chain: bytes
    last: int
    epoch: int
    streams: int


def walk_shard(end: ShardEnd, read: ReadShard, anchored: Place | None, see: See) -> int:
    """Walk a shard up to its head and return how many events that was.

    An event that was edited, deleted, inserted or moved breaks the chain at its position.  Events
    cut off the end are found as long as the shard's own row tells of them; what was cut off, or
    written anew, together with that row is found by the place where the shard was ``anchored``.
    Epochs must never fall, and not exceed the shard's.

    Raises:
        VerificationError: At the first position that does not fit.
    """
    shard, head = end.shard, end.head
    if end.last > head:
        raise VerificationError(shard, head + 1, f"the shard's row ends at {head}")
    if anchored is not None and anchored.position > head:
        found = f"the log ends at {head}, and the anchor knows of position {anchored.position}"
        raise VerificationError(shard, head + 1, found)
    position, reached, epoch = 0, GENESIS, 1
    while position < head:
        page = read(shard, position, min(PAGE, head - position))
        if not page:
            raise VerificationError(shard, position + 1, "the events from here on are missing")
        for event in page:
            _verify_event(event, shard, position + 1, reached)
            if not epoch <= event.epoch <= end.epoch:
                found = f"epoch {event.epoch} is not from {epoch} to {end.epoch}"
                raise VerificationError(shard, event.position, found)
            position, reached, epoch = event.position, event.chain, event.epoch
            if anchored is not None and position == anchored.position and reached != anchored.chain:
                found = "the anchor holds another chain: events up to here were written anew"
                raise VerificationError(shard, position, found)
        see(page)
    if reached != end.chain:
        raise VerificationError(shard, position, "the shard's row holds another chain")
    return position


def _verify_event(event: RecordedEvent, shard: int, position: int, before: bytes) -> None:
    if isinstance(event, DamagedEvent):
        raise VerificationError(shard, position, event.found)
    if event.position != position:
        raise VerificationError(shard, position, f"position {event.position} stands in its place")
    try:
        hashed = event_hash(
            event.stream,
            event.version,
            event.event_id,
            event.type,
            event.schema,
            event.recorded_at,
            event.metadata,
            event.payload,
        )
        fits = link(before, shard, position, event.epoch, hashed) == event.chain
    except (TypeError, ValueError, AttributeError, struct.error):  # a column of another type
        fits = False
    if not fits:
        raise VerificationError(
            shard, position, f"event {event.version} of {event.stream!r} was changed, or moved here"
        )
