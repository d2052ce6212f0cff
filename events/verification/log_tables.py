"""Reads the tables of a store for verification, also by queries that readers do not use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from indelible.events.model.event_types import EVENT_LIMIT
from indelible.events.model.stream_names import is_text
from indelible.events.verification.row_reader import (
    PAGE,
    Connect,
    RowReader,
    disable_plans,
    is_sqlite,
)

WithoutTimeLimit = Callable[[sa.Connection], AbstractContextManager[object]]
"""Lifts the time limit for a statement that reads a whole table, and so may take minutes."""

_OF_MANY = (
    "WHERE stream_id > :after AND stream_id <= :last ORDER BY stream_id, version LIMIT :limit"
)
_OF_ONE = "WHERE stream_id = :stream AND version > :version ORDER BY version LIMIT :limit"
_COUNTS = "SELECT shard, count(*) FROM events{} GROUP BY shard"
_INDEXED = ("stream_id", "version", "shard", "position", "substr(chain, 1, 33)")  # of 32 bytes
INDEX_SCANS = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")


class StreamRow(NamedTuple):
    """A row of ``streams``; on SQLite a damaged value may have any type."""

    id: int
    name: str
    category: str
    version: int
    status: str
    wake_at: int

    @property
    def wrong(self) -> str:
        """The first invalid value, as text; empty if all are valid."""
        for (name, value), kind in zip(self._asdict().items(), _KINDS, strict=True):
            if type(value) is not kind or (kind is str and not is_text(value)):
                return f"its {name} is {value!r:.200}"
        if self.version < 1:
            return f"its version is {self.version}"
        return f"its wake_at is {self.wake_at}" if self.wake_at < 0 else ""


_KINDS = (int, str, str, int, str, int)


class Indexed(NamedTuple):
    """An event as the index by stream and version finds it."""

    stream_id: int
    version: int
    shard: int
    position: int
    chain: bytes


class LogTables:
    """Reads the tables of the log; a damaged row does not hide the others."""

    def __init__(
        self, connect: Connect, without_time_limit: WithoutTimeLimit = nullcontext
    ) -> None:
        """``connect`` begins a read-only transaction; ``without_time_limit`` is for counting."""
        self._connect = connect
        self._without_time_limit = without_time_limit
        self._rows = RowReader(connect, EVENT_LIMIT)

    def streams(self) -> Iterator[Sequence[StreamRow]]:
        """Return all rows of ``streams`` by id, page by page."""
        for page in self._rows.every("streams", StreamRow._fields, ("id",)):
            yield [StreamRow(*row) for row in page]

    def stream(self, number: int) -> StreamRow | None:
        """Return the current row of a stream, ``None`` if it does not exist."""
        rows = self._rows.page("streams", StreamRow._fields, "WHERE id = :number", number=number)
        return StreamRow(*rows[0]) if rows else None

    def by_version(self, after: int, last: int) -> Iterator[tuple[int, Iterator[Indexed]]]:
        """Return the events of each stream with an id after ``after`` and up to ``last``."""
        return groupby(self._by_version(after, last), key=attrgetter("stream_id"))

    def _by_version(self, after: int, last: int) -> Iterator[Indexed]:
        while page := self._indexed(_OF_MANY, after=after, last=last):
            yield from page
            after = page[-1].stream_id
            while len(page) == PAGE and type(page[-1].version) is int:  # the stream may have more
                page = self._indexed(_OF_ONE, stream=after, version=page[-1].version)
                yield from page

    def _indexed(self, which: str, **values: int) -> Sequence[Indexed]:
        rows = self._rows.page("events", _INDEXED, which, limit=PAGE, **values)
        return [Indexed(*row) for row in rows]

    def counts(self) -> dict[Any, int]:
        """Return the number of events of each shard, counted in the table without an index."""
        with self._connect() as connection, self._without_time_limit(connection):
            sqlite = is_sqlite(connection)
            if not sqlite:
                disable_plans(connection, INDEX_SCANS)
            statement = _COUNTS.format(" NOT INDEXED" if sqlite else "")
            return {row[0]: row[1] for row in connection.exec_driver_sql(statement)}

    def digests(self) -> Iterator[bytes]:
        """Return the key of every blob: a sha256, unless it is damaged."""
        for page in self._rows.every("blobs", ("digest",), ("digest",)):
            yield from (row[0] for row in page)

    def missing(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return the ``digests`` without a blob."""
        blobs = sa.table("blobs", sa.column("digest", sa.LargeBinary))
        found: set[bytes] = set()
        with self._connect() as connection:
            for start in range(0, len(digests), PAGE):
                part = digests[start : start + PAGE]
                query = sa.select(blobs.c.digest).where(blobs.c.digest.in_(part))
                found |= {bytes(row[0]) for row in connection.execute(query)}
        return set(digests) - found
