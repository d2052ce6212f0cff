"""The rows of ``streams`` against the events, which are found a second time, by their streams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from indelible.events.commit.shard_plan import STREAM_ID_BITS, shard_of
from indelible.events.model.stream_names import category_of, is_text
from indelible.events.verification.chain_walk import ShardEnd
from indelible.events.verification.findings import Findings
from indelible.events.verification.tables import Indexed, StreamRow, Tables

Sums = dict[int, int]
"""Of each shard a sum over its events, which does not depend on their order."""


def fingerprint(stream: str, version: int, position: int, chain: bytes) -> int:
    """What an event adds to its shard's sum, in this process."""
    return hash((stream, version, position, chain))


class StreamCheck:
    """Goes through all streams and adds up their events, up to where the shards ended.

    A store may be written meanwhile: what has moved is read again.
    """

    def __init__(
        self, tables: Tables, ends: Mapping[int, ShardEnd], shards: int, findings: Findings
    ) -> None:
        """``ends`` are those of the walks; a store has ``shards`` of them."""
        self._tables = tables
        self._findings = findings
        self._ends = ends
        self._shards = shards
        self.sums: Sums = dict.fromkeys(ends, 0)
        self.streams: dict[int, int] = dict.fromkeys(ends, 0)

    def run(self) -> None:
        """Check them all, and note the rows that say something else than the events.

        Raises:
            VerificationError: Enough was found.
        """
        after = -(2**63)
        for rows in self._tables.streams():
            events = self._tables.by_version(after, rows[-1].id)
            of_rows = {row.id: row for row in rows}
            for number, found in events:
                row = of_rows.pop(number, None)
                if row is not None:  # else the walk by position has said so
                    self._check(row, found)
            for row in of_rows.values():
                self._check_row(row)
                self._note(row, 0, f"its row ends at version {row.version!r}, no event is there")
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
            if (event.version, event.shard) != (version, shard) or not _behind(event, before):
                found = f"version {event.version!r} is found where {version} was wanted"
                self._note(row, before, found)
                return
            before = event.position
            if end is not None and event.position <= end.head:
                self.sums[shard] += fingerprint(row.name, version, event.position, event.chain)
        now: StreamRow | None = row
        if row.version < version:  # or has it moved since it was read?
            now = self._tables.stream(row.id)
        if now is None or now.wrong or now.version < version or row.version > version:
            found = f"the row ends at version {row.version}, the events end at {version}"
            self._note(row, before, found)

    def _check_row(self, row: StreamRow) -> bool:
        """Whether its values are of their types; what else follows from the row alone is noted."""
        if row.wrong:
            self._note(row, 0, row.wrong)
            return False
        if row.category != category_of(row.name):
            self._note(row, 0, f"its category is {row.category!r:.200}")
        if row.id >> STREAM_ID_BITS != shard_of(row.name, self._shards):
            self._note(row, 0, f"it belongs to shard {shard_of(row.name, self._shards)}")
        return True

    def _note(self, row: StreamRow, position: int, found: str) -> None:
        words = f"stream {row.name!r:.300}: {found}"
        if not isinstance(row.name, str) or not is_text(row.name):
            words = f"stream number {row.id}: {found}"
        self._findings.add(row.id >> STREAM_ID_BITS, position, words)


def _behind(event: Indexed, position: int) -> bool:
    return type(event.position) is int and event.position > position
