"""All of a store, verified: the walk by position, the one by stream, the table itself, blobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from indelible.errors import StoreCorruptError, VerificationError
from indelible.events.model.event import RecordedEvent
from indelible.events.model.run_events import StepCompleted
from indelible.events.verification.anchor import Anchor, AnchoredEnd
from indelible.events.verification.chain_walk import ReadShard, See, ShardEnd, walk_shard
from indelible.events.verification.findings import Findings
from indelible.events.verification.stream_check import StreamCheck, Sums, fingerprint
from indelible.events.verification.tables import Tables

Ends = Callable[[], Sequence[ShardEnd]]
"""The rows of all shards as they are now."""


class _BlobReference(msgspec.Struct, gc=False):
    """What of an event's payload refers to a blob."""

    blob: bytes = b""


_reference = msgspec.msgpack.Decoder(_BlobReference).decode


def anchor_of(ends: Sequence[ShardEnd]) -> Anchor:
    """Where the shards end, for keeping elsewhere.

    Raises:
        VerificationError: A shard's row does not say what its last event says.
    """
    for end in ends:
        if end.last != end.head:
            found = f"the shard's row ends at {end.head}, its last event is {end.last}"
            raise VerificationError(end.shard, min(end.last, end.head) + 1, found)
    return {end.shard: AnchoredEnd(end.head, end.chain) for end in ends if end.head}


def walk_shards(
    ends: Sequence[ShardEnd], read: ReadShard, anchor: Anchor, see: See, findings: Findings
) -> int:
    """Walk all shards and return how many events they have; ``see`` gets them page by page.

    Raises:
        VerificationError: Enough was found.
    """
    for shard in sorted(set(anchor) - {end.shard for end in ends}):
        findings.add(shard, 1, "the anchor knows of this shard, and there is none")
    count = 0
    for end in ends:
        with findings.noting():
            count += walk_shard(end, read, anchor.get(end.shard), see, findings)
    return count


def verify_chains(ends: Sequence[ShardEnd], read: ReadShard, anchor: Anchor) -> int:
    """Verify what a store keeps that has nothing but events; how many there are.

    Raises:
        VerificationError: Something does not fit.
    """
    findings = Findings()
    count = walk_shards(ends, read, anchor, lambda _: None, findings)
    findings.check()
    return count


def verify_log(
    ends: Ends,
    read: ReadShard,
    tables: Tables,
    read_blob: Callable[[bytes], bytes],
    anchor: Anchor,
    shards: int,
    findings: Findings,
) -> int:
    """Verify a log in a database, which may be written meanwhile; how many events it has.

    Raises:
        VerificationError: Enough was found.
    """
    before: Sequence[ShardEnd] = ()
    try:
        before = _usable(ends(), findings)
    except StoreCorruptError as error:
        findings.add(-1, 0, f"the rows of shards cannot be read: {error.found}")
    sums = {end.shard: 0 for end in before}

    def see(events: Sequence[RecordedEvent]) -> None:
        for event in events:
            value = fingerprint(event.stream, event.version, event.position, event.chain)
            sums[event.shard] += value
        _check_references(events, tables, findings)

    count = walk_shards(before, read, anchor, see, findings)
    streams = StreamCheck(tables, {end.shard: end for end in before}, shards, findings)
    with findings.noting():
        streams.run()
        _compare(before, ends(), tables.counts(), streams, sums, findings)
    with findings.noting():
        _check_blobs(tables, read_blob, findings)
    return count


def _usable(ends: Sequence[ShardEnd], findings: Findings) -> Sequence[ShardEnd]:
    """Those rows of shards that say where to walk; the others are noted."""
    for end in ends:
        if end.wrong:
            findings.add(end.shard if type(end.shard) is int else -1, 0, end.wrong)
    return [end for end in ends if not end.wrong]


def _compare(
    before: Sequence[ShardEnd],
    after: Sequence[ShardEnd],
    counts: dict[int, int],
    streams: StreamCheck,
    sums: Sums,
    findings: Findings,
) -> None:
    """Compare the ways in which the events were found, and what the shards' rows count."""
    ends = {end.shard: end for end in after}
    broken = findings.shards.copy()  # of these it is known already that something is missing
    for shard in set(counts) - set(ends):
        words = f"{counts[shard]} events are of a shard that is none"
        findings.add(shard if type(shard) is int else -1, 1, words)
    for end in before:
        if end.shard in broken:
            continue
        if streams.sums[end.shard] != sums[end.shard]:
            words = "the index by stream has other events than the one by position"
            findings.add(end.shard, end.head, words)
        now = ends.get(end.shard, end)
        for what, count, least, most in (
            ("events", counts.get(end.shard, 0), end.head, now.head),
            ("streams", streams.streams[end.shard], end.streams, now.streams),
        ):
            if not least <= count <= most:  # as many as its row said, or as it says by now
                words = f"its table has {count} {what}, its row in shards says {most}"
                findings.add(end.shard, end.head, words)


def _check_references(events: Sequence[RecordedEvent], tables: Tables, findings: Findings) -> None:
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
        findings.add(event.shard, event.position, words)


def _digest(payload: bytes) -> bytes:
    try:
        return _reference(payload).blob
    except msgspec.MsgspecError:  # the chain says that it is as it was written
        return b""


def _check_blobs(tables: Tables, read_blob: Callable[[bytes], bytes], findings: Findings) -> None:
    for digest in tables.digests():
        if not isinstance(digest, bytes):
            findings.add(-1, 0, f"the key of a blob is {digest!r:.80}, where a sha256 was wanted")
            continue
        try:
            read_blob(digest)
        except StoreCorruptError as error:
            findings.add(-1, 0, error.found)
