"""Compares the rows of ``streams`` with the events, read a second time by stream and version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from indelible.events.commit.shard_plan import STREAM_ID_BITS, shard_of
from indelible.events.model.stream_names import category_of, is_text
from indelible.events.verification.chain_walk import ShardEnd
from indelible.events.verification.findings import Findings
from indelible.events.verification.log_tables import Indexed, LogTables, StreamRow

Sums = dict[int, int]
"""For each shard a sum over its events that does not depend on their order."""


def fingerprint(stream: str, version: int, position: int, chain: bytes) -> int:
    """Return the number that an event adds to its shard's sum; it differs between processes."""
    return hash((stream, version, position, chain))


class StreamCheck:
    """Reads all streams and sums up their events, up to the ends of the shards.

    The store may be written meanwhile: a row that has changed is read again.
    """

    def __init__(
        self, tables: LogTables, ends: Mapping[int, ShardEnd], shards: int, findings: Findings
    ) -> None:
        """``ends`` are the ends to which the chains were checked; ``shards`` is their number."""
        self._tables = tables
        self._findings = findings
        self._ends = ends
        self._shards = shards
        self.sums: Sums = dict.fromkeys(ends, 0)
        self.streams: dict[int, int] = dict.fromkeys(ends, 0)

    def run(self) -> None:
        """Check all streams, and add the rows that contradict their events.

        Raises:
            VerificationError: The limit of findings is reached.
        """
        after = -(2**63)
        for rows in self._tables.streams():
            events = self._tables.by_version(after, rows[-1].id)
            without_events = {row.id: row for row in rows}
            for number, found in events:
                row = without_events.pop(number, None)
                if row is not None:  # otherwise the walk by position has found it
                    self._check(row, found)
            for row in without_events.values():
                self._check_row(row)
                self._add(row, 0, f"its row ends at version {row.version!r}, no event is there")
            after = rows[-1].id

    def _check(self, row: StreamRow, events: Iterable[Indexed]) -> None:
        shard = row.id >> STREAM_ID_BITS
        if shard in self.streams:
            self.streams[shard] += 1
        if not self._check_row(row):
            return
        end = self._ends.get(shard)
        version = before = 0
        for event in events:
            version += 1
            if (event.version, event.shard) != (version, shard) or not _is_after(event, before):
                found = f"version {event.version!r} is found where {version} was wanted"
                self._add(row, before, found)
                return
            before = event.position
            if end is not None and event.position <= end.head:
                self.sums[shard] += fingerprint(row.name, version, event.position, event.chain)
        now: StreamRow | None = row
        if row.version < version:  # the stream may have grown since the row was read
            now = self._tables.stream(row.id)
        if now is None or now.wrong or now.version < version or row.version > version:
            found = f"the row ends at version {row.version}, the events end at {version}"
            self._add(row, before, found)

    def _check_row(self, row: StreamRow) -> bool:
        """Add contradictions within the row; return whether its values are valid."""
        if row.wrong:
            self._add(row, 0, row.wrong)
            return False
        if row.category != category_of(row.name):
            self._add(row, 0, f"its category is {row.category!r:.200}")
        if row.id >> STREAM_ID_BITS != shard_of(row.name, self._shards):
            self._add(row, 0, f"it belongs to shard {shard_of(row.name, self._shards)}")
        return True

    def _add(self, row: StreamRow, position: int, found: str) -> None:
        words = f"stream {row.name!r:.300}: {found}"
        if not isinstance(row.name, str) or not is_text(row.name):
            words = f"stream number {row.id}: {found}"
        self._findings.add(row.id >> STREAM_ID_BITS, position, words)


def _is_after(event: Indexed, position: int) -> bool:
    return type(event.position) is int and event.position > position
