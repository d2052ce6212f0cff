"""Whether a shard's events are the ones that were written: its hash chain, walked again."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from indelible.errors import VerificationError
from indelible.events.chain import GENESIS, event_hash, link
from indelible.events.event import RecordedEvent

PAGE = 1_000
"""Events read at once: enough to make the reading cheap, little to hold."""

ReadShard = Callable[[int, int, int], Sequence[RecordedEvent]]
"""As :meth:`~indelible.events.store.EventStore.read_shard`."""


def verify_shard(shard: int, head: int, chain: bytes, last: int, read: ReadShard) -> int:
    """Walk ``shard`` up to position ``head`` and return how many events that was.

    An event that was edited, deleted, inserted or moved breaks the chain at its position.  Events
    cut off the end are found as long as the shard's own row (``head``, ``chain``) tells of them.
    ``last`` is the position of the last event there is, read together with that row.

    Raises:
        VerificationError: At the first position that does not fit.
    """
    if last > head:
        raise VerificationError(shard, head + 1, f"the shard's row ends at {head}")
    position, reached = 0, GENESIS
    while position < head:
        page = read(shard, position, min(PAGE, head - position))
        if not page:
            raise VerificationError(shard, position + 1, "the events from here on are missing")
        for event in page:
            _verify_event(event, shard, position + 1, reached)
            position, reached = event.position, event.chain
    if reached != chain:
        raise VerificationError(shard, position, "the shard's row holds another chain")
    return position


def _verify_event(event: RecordedEvent, shard: int, position: int, before: bytes) -> None:
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
        fits = link(before, shard, position, hashed) == event.chain
    except (TypeError, ValueError, AttributeError, struct.error):  # a column of another type
        fits = False
    if not fits:
        raise VerificationError(
            shard, position, f"event {event.version} of {event.stream!r} was changed, or moved here"
        )
