"""The tables of a store in a database, read for verification by ways that readers do not take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

PAGE = 1_000
"""Rows read at once."""

Connect = Callable[[], AbstractContextManager[sa.Connection]]
AtLength = Callable[[sa.Connection], AbstractContextManager[object]]
"""Surrounds a statement that reads a whole table, and so may take minutes."""

_FIRST = -(2**63)
_STREAMS = sa.text(
    "SELECT id, name, category, version, status, wake_at FROM streams"
    " WHERE id > :after ORDER BY id LIMIT :limit"
)
_EVENT = "SELECT stream_id, version, shard, position, chain FROM events"
_OF_MANY = sa.text(
    f"{_EVENT} WHERE stream_id > :after AND stream_id <= :last"
    " ORDER BY stream_id, version LIMIT :limit"
)
_OF_ONE = sa.text(
    f"{_EVENT} WHERE stream_id = :stream AND version > :version ORDER BY version LIMIT :limit"
)
_COUNTS = "SELECT shard, count(*) FROM events{} GROUP BY shard"
_DIGESTS = sa.text("SELECT digest FROM blobs WHERE digest > :after ORDER BY digest LIMIT :limit")

_BY_INDEX = ("enable_seqscan", "enable_sort")
_BY_TABLE = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")


class StreamRow(NamedTuple):
    """A row of ``streams``."""

    id: int
    name: str
    category: str
    version: int
    status: str
    wake_at: int


class Indexed(NamedTuple):
    """An event as it is found by its stream and version."""

    stream_id: int
    version: int
    shard: int
    position: int
    chain: bytes


class Tables:
    """Reads in short transactions, none of which stays open between two pages."""

    def __init__(self, connect: Connect, at_length: AtLength = nullcontext) -> None:
        """``connect`` begins a transaction that only reads; pages need no ``at_length``."""
        self._connect = connect
        self._at_length = at_length

    def streams(self) -> Iterator[Sequence[StreamRow]]:
        """All rows of ``streams`` by id, page by page."""
        after = _FIRST
        while page := self._rows(_STREAMS, after=after, limit=PAGE):
            yield [StreamRow(*row) for row in page]
            after = page[-1][0]

    def stream(self, number: int) -> StreamRow | None:
        """One row of ``streams`` as it is now."""
        for row in self._rows(_STREAMS, after=number - 1, limit=1):
            return StreamRow(*row) if row[0] == number else None
        return None

    def by_version(self, after: int, last: int) -> Iterator[tuple[int, Iterator[Indexed]]]:
        """The events of the streams with ids behind ``after`` up to ``last``, each in order."""
        return groupby(self._by_version(after, last), key=attrgetter("stream_id"))

    def _by_version(self, after: int, last: int) -> Iterator[Indexed]:
        while page := self._rows(_OF_MANY, after=after, last=last, limit=PAGE):
            yield from (Indexed(*row) for row in page)
            after = page[-1][0]
            while len(page) == PAGE:  # the last stream may go on
                page = self._rows(_OF_ONE, stream=after, version=page[-1][1], limit=PAGE)
                yield from (Indexed(*row) for row in page)

    def counts(self) -> dict[int, int]:
        """How many events each shard has, by the table itself and no index."""
        with self._connect() as connection, self._at_length(connection):
            lite = connection.dialect.name == "sqlite"
            _plan(connection, _BY_TABLE)
            statement = _COUNTS.format(" NOT INDEXED" if lite else "")
            return {row[0]: row[1] for row in connection.exec_driver_sql(statement)}

    def digests(self) -> Iterator[bytes]:
        """The sha256 of every blob there is."""
        after = b""
        while page := self._rows(_DIGESTS, after=after, limit=PAGE):
            yield from (bytes(row[0]) for row in page)
            after = page[-1][0]

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

    def _rows(self, statement: sa.TextClause, **values: Any) -> Sequence[Any]:
        with self._connect() as connection:
            _plan(connection, _BY_INDEX)
            return connection.execute(statement, values).all()


def _plan(connection: sa.Connection, without: Sequence[str]) -> None:
    """Have PostgreSQL do ``without`` some ways in this transaction; SQLite is told in the SQL."""
    if connection.dialect.name != "sqlite":
        for way in without:
            connection.exec_driver_sql(f"SET LOCAL {way} = off")
