"""The rows of ``streams`` against the events, which are found a second time, by their streams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from indelible.errors import VerificationError
from indelible.events.names import category_of
from indelible.events.plan import STREAM_ID_BITS, shard_of
from indelible.events.verification.tables import Indexed, StreamRow, Tables
from indelible.events.verification.walk import ShardEnd

Sums = dict[int, int]
"""Of each shard a sum over its events, which does not depend on their order."""


def fingerprint(stream: str, version: int, position: int, chain: bytes) -> int:
    """What an event adds to its shard's sum, in this process."""
    return hash((stream, version, position, chain))


class StreamCheck:
    """Goes through all streams and adds up their events, up to where the shards ended.

    A store may be written meanwhile: what has moved is read again.
    """

    def __init__(self, tables: Tables, ends: Mapping[int, ShardEnd], shards: int) -> None:
        """``ends`` are those of the walks; a store has ``shards`` of them."""
        self._tables = tables
        self._ends = ends
        self._shards = shards
        self.sums: Sums = dict.fromkeys(ends, 0)
        self.streams: dict[int, int] = dict.fromkeys(ends, 0)

    def run(self) -> None:
        """Check them all.

        Raises:
            VerificationError: At the first row that says something else than the events.
        """
        after = -(2**63)
        for rows in self._tables.streams():
            events = self._tables.by_version(after, rows[-1].id)
            of_rows = {row.id: row for row in rows}
            for number, found in events:
                row = of_rows.pop(number, None)
                if row is not None:  # else the walk by position has said so
                    self._check(row, found)
            if of_rows:
                row = next(iter(of_rows.values()))
                raise _wrong(row, 0, f"its row ends at version {row.version}, no event is there")
            after = rows[-1].id

    def _check(self, row: StreamRow, events: Iterable[Indexed]) -> None:
        shard = _check_row(row, self._shards)
        end = self._ends.get(shard)
        version = before = 0
        for event in events:
            version += 1
            if (event.version, event.shard) != (version, shard) or event.position <= before:
                found = f"version {event.version} is found where {version} was wanted"
                raise _wrong(row, event.position, found)
            before = event.position
            if end is not None and event.position <= end.head:
                self.sums[shard] += fingerprint(row.name, version, event.position, event.chain)
        if shard in self.streams:
            self.streams[shard] += 1
        now: StreamRow | None = row
        if row.version < version:  # or has it moved since it was read?
            now = self._tables.stream(row.id)
        if now is None or now.version < version or row.version > version:
            found = f"the row ends at version {row.version}, the events end at {version}"
            raise _wrong(row, before, found)


def _check_row(row: StreamRow, shards: int) -> int:
    """The shard of a stream; what else follows from the row alone is checked."""
    kinds = (int, str, str, int, str, int)
    shard = row.id >> STREAM_ID_BITS
    if tuple(map(type, row)) != kinds or row.wake_at < 0:
        raise _wrong(row, 0, "a column holds what no column of streams can hold")
    if row.category != category_of(row.name):
        raise _wrong(row, 0, f"its category is {row.category!r}")
    if shard != shard_of(row.name, shards):
        raise _wrong(row, 0, f"it belongs to shard {shard_of(row.name, shards)}")
    return shard


def _wrong(row: StreamRow, position: int, found: str) -> VerificationError:
    words = f"stream {row.name!r}: {found}"
    return VerificationError(row.id >> STREAM_ID_BITS, position, words)
