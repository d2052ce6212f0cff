"""The tables of a store in a database, read for verification by ways that readers do not take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from indelible.events.model.event_types import EVENT_LIMIT
from indelible.events.model.stream_names import is_text
from indelible.events.verification.rows import PAGE, Connect, Rows, do_without, is_lite

AtLength = Callable[[sa.Connection], AbstractContextManager[object]]
"""Surrounds a statement that reads a whole table, and so may take minutes."""

_OF_MANY = (
    "WHERE stream_id > :after AND stream_id <= :last ORDER BY stream_id, version LIMIT :limit"
)
_OF_ONE = "WHERE stream_id = :stream AND version > :version ORDER BY version LIMIT :limit"
_COUNTS = "SELECT shard, count(*) FROM events{} GROUP BY shard"
_INDEXED = ("stream_id", "version", "shard", "position", "substr(chain, 1, 33)")  # of 32 bytes
BY_TABLE = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")


class StreamRow(NamedTuple):
    """A row of ``streams``; a value may be of any type where SQLite has it."""

    id: int
    name: str
    category: str
    version: int
    status: str
    wake_at: int

    @property
    def wrong(self) -> str:
        """What is wrong with its values as such; empty if nothing is."""
        for (name, value), kind in zip(self._asdict().items(), _KINDS, strict=True):
            if type(value) is not kind or (kind is str and not is_text(value)):
                return f"its {name} is {value!r:.200}"
        if self.version < 1:
            return f"its version is {self.version}"
        return f"its wake_at is {self.wake_at}" if self.wake_at < 0 else ""


_KINDS = (int, str, str, int, str, int)


class Indexed(NamedTuple):
    """An event as it is found by its stream and version."""

    stream_id: int
    version: int
    shard: int
    position: int
    chain: bytes


class Tables:
    """Reads the log and what belongs to it; a damaged row leaves the others readable."""

    def __init__(self, connect: Connect, at_length: AtLength = nullcontext) -> None:
        """``connect`` begins a transaction that only reads; pages need no ``at_length``."""
        self._connect = connect
        self._at_length = at_length
        self._rows = Rows(connect, EVENT_LIMIT)

    def streams(self) -> Iterator[Sequence[StreamRow]]:
        """All rows of ``streams`` by id, page by page."""
        for page in self._rows.every("streams", StreamRow._fields, ("id",)):
            yield [StreamRow(*row) for row in page]

    def stream(self, number: int) -> StreamRow | None:
        """One row of ``streams`` as it is now."""
        rows = self._rows.page("streams", StreamRow._fields, "WHERE id = :number", number=number)
        return StreamRow(*rows[0]) if rows else None

    def by_version(self, after: int, last: int) -> Iterator[tuple[int, Iterator[Indexed]]]:
        """The events of the streams with ids behind ``after`` up to ``last``, each in order."""
        return groupby(self._by_version(after, last), key=attrgetter("stream_id"))

    def _by_version(self, after: int, last: int) -> Iterator[Indexed]:
        while page := self._indexed(_OF_MANY, after=after, last=last):
            yield from page
            after = page[-1].stream_id
            while len(page) == PAGE and type(page[-1].version) is int:  # it may go on
                page = self._indexed(_OF_ONE, stream=after, version=page[-1].version)
                yield from page

    def _indexed(self, which: str, **values: int) -> Sequence[Indexed]:
        rows = self._rows.page("events", _INDEXED, which, limit=PAGE, **values)
        return [Indexed(*row) for row in rows]

    def counts(self) -> dict[Any, int]:
        """How many events each shard has, by the table itself and no index."""
        with self._connect() as connection, self._at_length(connection):
            lite = is_lite(connection)
            if not lite:
                do_without(connection, BY_TABLE)
            statement = _COUNTS.format(" NOT INDEXED" if lite else "")
            return {row[0]: row[1] for row in connection.exec_driver_sql(statement)}

    def digests(self) -> Iterator[bytes]:
        """The key of every blob there is: a sha256, if it is whole."""
        for page in self._rows.every("blobs", ("digest",), ("digest",)):
            yield from (row[0] for row in page)

    def missing(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those of ``digests`` of which there is no blob."""
        blobs = sa.table("blobs", sa.column("digest", sa.LargeBinary))
        found: set[bytes] = set()
        with self._connect() as connection:
            for start in range(0, len(digests), PAGE):
                part = digests[start : start + PAGE]
                query = sa.select(blobs.c.digest).where(blobs.c.digest.in_(part))
                found |= {bytes(row[0]) for row in connection.execute(query)}
        return set(digests) - found
