"""All of a store, verified: the walk by position, the one by stream, the table itself, blobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec

from indelible.errors import StoreCorruptError, VerificationError
from indelible.events.event import RecordedEvent
from indelible.events.run_events import StepCompleted
from indelible.events.verification.anchor import Anchor, Place
from indelible.events.verification.streams import StreamCheck, fingerprint
from indelible.events.verification.tables import Tables
from indelible.events.verification.walk import ReadShard, See, ShardEnd, walk_shard

Ends = Callable[[], Sequence[ShardEnd]]
"""The rows of all shards as they are now."""


class _Reference(msgspec.Struct, gc=False):
    """What of an event's payload refers to a blob."""

    blob: bytes = b""


_reference = msgspec.msgpack.Decoder(_Reference).decode


def anchor_of(ends: Sequence[ShardEnd]) -> Anchor:
    """Where the shards end, for keeping elsewhere.

    Raises:
        VerificationError: A shard's row does not say what its last event says.
    """
    for end in ends:
        if end.last != end.head:
            found = f"the shard's row ends at {end.head}, its last event is {end.last}"
            raise VerificationError(end.shard, min(end.last, end.head) + 1, found)
    return {end.shard: Place(end.head, end.chain) for end in ends if end.head}


def verify_chains(ends: Sequence[ShardEnd], read: ReadShard, anchor: Anchor, see: See) -> int:
    """Walk all shards and return how many events they have; ``see`` gets them page by page.

    Raises:
        VerificationError: At the first position that does not fit.
    """
    for shard in sorted(set(anchor) - {end.shard for end in ends}):
        raise VerificationError(shard, 1, "the anchor knows of this shard, and there is none")
    return sum(walk_shard(end, read, anchor.get(end.shard), see) for end in ends)


def verify_log(
    ends: Ends,
    read: ReadShard,
    tables: Tables,
    read_blob: Callable[[bytes], bytes],
    anchor: Anchor,
    shards: int,
) -> int:
    """Verify a store in a database, which may be written meanwhile; how many events it has.

    Raises:
        VerificationError: At the first thing that does not fit.
    """
    before = ends()
    sums = {end.shard: 0 for end in before}

    def see(events: Sequence[RecordedEvent]) -> None:
        for event in events:
            value = fingerprint(event.stream, event.version, event.position, event.chain)
            sums[event.shard] += value
        _check_references(events, tables)

    count = verify_chains(before, read, anchor, see)
    found = StreamCheck(tables, {end.shard: end for end in before}, shards)
    found.run()
    counts = tables.counts()
    after = {end.shard: end for end in ends()}
    for shard in sorted(set(counts) - set(after)):
        raise VerificationError(shard, 1, f"{counts[shard]} events are of a shard that is none")
    for end in before:
        if found.sums[end.shard] != sums[end.shard]:
            words = "the index by stream has other events than the one by position"
            raise VerificationError(end.shard, end.head, words)
        now = after.get(end.shard, end)
        _check_count(end, now, "events", counts.get(end.shard, 0), end.head, now.head)
        _check_count(end, now, "streams", found.streams[end.shard], end.streams, now.streams)
    _check_blobs(tables, read_blob)
    return count


def _check_count(
    end: ShardEnd, now: ShardEnd, what: str, count: int, least: int, most: int
) -> None:
    """As many as the shard's row said, or as it says by now."""
    if not least <= count <= most:
        words = f"its table has {count} {what}, its row in shards says {most}"
        raise VerificationError(now.shard, end.head, words)


def _check_references(events: Sequence[RecordedEvent], tables: Tables) -> None:
    """See that the blobs are there that ``events`` of runs refer to."""
    wanted: dict[bytes, RecordedEvent] = {}
    for event in events:
        if event.type == StepCompleted.wire_name:
            digest = _digest(event.payload)
            if digest:
                wanted[digest] = event
    for digest in sorted(tables.missing(list(wanted))) if wanted else ():
        event = wanted[digest]
        words = f"event {event.version} of {event.stream!r} refers to blob {digest.hex()}, lost"
        raise VerificationError(event.shard, event.position, words)


def _digest(payload: bytes) -> bytes:
    try:
        return _reference(payload).blob
    except msgspec.MsgspecError:  # the chain says that it is as it was written
        return b""


def _check_blobs(tables: Tables, read_blob: Callable[[bytes], bytes]) -> None:
    for digest in tables.digests():
        try:
            fits = sha256(read_blob(digest)).digest() == digest
        except StoreCorruptError as error:
            raise VerificationError(-1, 0, error.found) from error
        if not fits:
            raise VerificationError(-1, 0, f"blob {digest.hex()} has other contents")
