"""Verifies a log in four ways: by position, by stream, by counting the table, and its blobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from indelible.errors import StoreCorruptError, VerificationError
from indelible.events.model.event import RecordedEvent
from indelible.events.model.run_events import StepCompleted
from indelible.events.verification.anchor import Anchor, AnchoredEnd
from indelible.events.verification.chain_walk import OnPage, ReadShard, ShardEnd, walk_shard
from indelible.events.verification.findings import Findings
from indelible.events.verification.log_tables import LogTables
from indelible.events.verification.stream_check import StreamCheck, Sums, fingerprint

Ends = Callable[[], Sequence[ShardEnd]]
"""Reads the rows of all shards."""


class _BlobReference(msgspec.Struct, gc=False):
    """The field of an event's payload that refers to a blob."""

    blob: bytes = b""


_reference = msgspec.msgpack.Decoder(_BlobReference).decode


def anchor_of(ends: Sequence[ShardEnd]) -> Anchor:
    """Return the ends of the shards as an anchor.

    Raises:
        VerificationError: A shard's row contradicts its last event.
    """
    for end in ends:
        if end.last != end.head:
            found = f"the shard's row ends at {end.head}, its last event is {end.last}"
            raise VerificationError(end.shard, min(end.last, end.head) + 1, found)
    return {end.shard: AnchoredEnd(end.head, end.chain) for end in ends if end.head}


def walk_shards(
    ends: Sequence[ShardEnd], read: ReadShard, anchor: Anchor, on_page: OnPage, findings: Findings
) -> int:
    """Check the chains of all shards and return the number of events.

    Raises:
        VerificationError: The limit of findings is reached.
    """
    for shard in sorted(set(anchor) - {end.shard for end in ends}):
        findings.add(shard, 1, "the anchor knows of this shard, and there is none")
    count = 0
    for end in ends:
        with findings.collecting():
            count += walk_shard(end, read, anchor.get(end.shard), on_page, findings)
    return count


def verify_chains(ends: Sequence[ShardEnd], read: ReadShard, anchor: Anchor) -> int:
    """Verify a store that has no tables but events, and return the number of events.

    Raises:
        VerificationError: There is at least one finding.
    """
    findings = Findings()
    count = walk_shards(ends, read, anchor, lambda _: None, findings)
    findings.check()
    return count


def verify_log(
    ends: Ends,
    read: ReadShard,
    tables: LogTables,
    read_blob: Callable[[bytes], bytes],
    anchor: Anchor,
    shards: int,
    findings: Findings,
) -> int:
    """Verify a log in a database, also while it is written, and return the number of events.

    Raises:
        VerificationError: The limit of findings is reached.
    """
    before: Sequence[ShardEnd] = ()
    try:
        before = _valid(ends(), findings)
    except StoreCorruptError as error:
        findings.add(-1, 0, f"the rows of shards cannot be read: {error.found}")
    sums = {end.shard: 0 for end in before}

    def on_page(events: Sequence[RecordedEvent]) -> None:
        for event in events:
            value = fingerprint(event.stream, event.version, event.position, event.chain)
            sums[event.shard] += value
        _check_references(events, tables, findings)

    count = walk_shards(before, read, anchor, on_page, findings)
    streams = StreamCheck(tables, {end.shard: end for end in before}, shards, findings)
    with findings.collecting():
        streams.run()
        _compare(before, ends(), tables.counts(), streams, sums, findings)
    with findings.collecting():
        _check_blobs(tables, read_blob, findings)
    return count


def _valid(ends: Sequence[ShardEnd], findings: Findings) -> Sequence[ShardEnd]:
    """Return the valid rows of shards, and add the others to the findings."""
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
    """Compare the events read by position, by stream and by table with the rows of ``shards``."""
    ends = {end.shard: end for end in after}
    broken = findings.shards.copy()  # these have findings already
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
            if not least <= count <= most:  # between the row's counts before and after the walks
                words = f"its table has {count} {what}, its row in shards says {most}"
                findings.add(end.shard, end.head, words)


def _check_references(
    events: Sequence[RecordedEvent], tables: LogTables, findings: Findings
) -> None:
    """Check that the blobs exist to which ``events`` of runs refer."""
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
    except msgspec.MsgspecError:  # the payload matches the chain: it was written so
        return b""


def _check_blobs(
    tables: LogTables, read_blob: Callable[[bytes], bytes], findings: Findings
) -> None:
    for digest in tables.digests():
        if not isinstance(digest, bytes):
            findings.add(-1, 0, f"the key of a blob is {digest!r:.80}, where a sha256 was wanted")
            continue
        try:
            read_blob(digest)
        except StoreCorruptError as error:
            findings.add(-1, 0, error.found)
