"""Reads the log by short statements on read-only connections, without an open transaction."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import starmap
from typing import Any

import sqlalchemy as sa

from indelible.errors import StoreCorruptError
from indelible.events.codec.values import VALUE_LIMIT
from indelible.events.commit.shard_plan import SHARD
from indelible.events.model.event import RecordedEvent, by_stream
from indelible.events.model.stream_names import is_text
from indelible.events.read.stream_gaps import Span, gapless_events
from indelible.events.sqlite.driver_errors import is_row_error, translated
from indelible.events.sqlite.engines import loading_at_most
from indelible.events.sqlite.read.rows import EVENT, EVENT_BYTES, ROW_IDS, read_one_by_one
from indelible.events.sqlite.write.many_rows import MOST
from indelible.events.store import Cursor, Place, Sleepers, StreamHead

_log = logging.getLogger(__name__)

_PAGE = 1_000  # events that one statement of read() returns: some 300 KiB
_INT_MAX = 2**63 - 1

_LAST = "SELECT id, version FROM streams WHERE name = ?"
_STREAM = """
    FROM streams AS s JOIN events AS e ON e.stream_id = s.id
    WHERE s.name = ? AND e.version > ? AND e.version <= ? ORDER BY e.version LIMIT ?
"""
_FIRSTS = """
    FROM streams AS s JOIN events AS e ON e.stream_id = s.id
    WHERE s.name IN ({names}) AND e.version <= ? ORDER BY s.id, e.version
"""
# Its type first, since a damaged shard may be too large to load; AND would not keep the order.
_OF_SHARD = """
    WHERE CASE typeof(e.shard) WHEN 'integer' THEN e.shard = ? END AND e.position > ?
    ORDER BY e.position LIMIT ?
"""
_SHARD = f"FROM events AS e JOIN streams AS s ON s.id = e.stream_id {_OF_SHARD}"
_SHARD_ROWS = f"FROM events AS e {_OF_SHARD}"  # without the join, which damage may make fail
_EVENT_ID = """
    SELECT e.event_id FROM streams AS s JOIN events AS e ON e.stream_id = s.id
    WHERE s.name = ? AND e.version = ?
"""
_HEAD = "SELECT name, category, version, status, wake_at"
# A damaged wake_at may be text or bytes, which are greater than all numbers.
# Two searches, since the index does not support one comparison of (wake_at, id) pairs.
_SLEEPING = """
    SELECT * FROM (
        SELECT wake_at, id FROM streams
        WHERE wake_at > 0 AND wake_at = ?1 AND id > ?2 AND ?1 <= ?3 ORDER BY id LIMIT ?4
    ) UNION ALL SELECT * FROM (
        SELECT wake_at, id FROM streams
        WHERE wake_at > max(?1, 0) AND wake_at > 0 AND wake_at <= ?3
        ORDER BY wake_at, id LIMIT ?4
    )
"""
_ENDS = """
    SELECT shard, head, chain, coalesce((
        SELECT position FROM events
        WHERE CASE typeof(events.shard) WHEN 'integer' THEN events.shard = shards.shard END
        ORDER BY position DESC LIMIT 1
    ), 0), epoch, streams
    FROM shards
"""


class SqliteReader:
    """Reads on a pool of connections; for any thread."""

    def __init__(self, engine: sa.Engine, url: str) -> None:
        """Connect on first use."""
        self.engine = engine
        self._url = url

    def read(self, stream: str, after: int, until: int | None) -> Iterable[RecordedEvent]:
        """Return the events of ``stream``, read in pages."""
        if not is_text(stream):
            return ()
        after, until = max(0, after), _INT_MAX if until is None else until
        with self._cursor(EVENT_BYTES) as cursor:
            # The head is read before the events, so that the events reach it.
            ends = cursor.execute(_LAST, (stream,)).fetchall()
            page = _events(cursor, _STREAM, (stream, after, until, _PAGE)) if ends else ()
        if not ends:
            return ()
        span = Span.of(self._url, stream, ends[0], after, until, _PAGE)
        return gapless_events(
            span,
            page,
            lambda version: self._events(_STREAM, (stream, version, until, _PAGE)),
            self.read_shard,
        )

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """Return the first ``limit`` events of each of ``streams`` that has any."""
        names = [name for name in streams if is_text(name)]
        events: list[RecordedEvent] = []
        for start in range(0, len(names), MOST):
            part = names[start : start + MOST]
            statement = _FIRSTS.format(names=", ".join("?" * len(part)))
            events += self._events(statement, (*part, limit))
        return by_stream(events)

    def read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Return at most ``limit`` events after position ``after``."""
        return self._events(_SHARD, (shard, after, limit), _SHARD_ROWS)

    def event_id(self, stream: str, version: int) -> bytes | None:
        """Return the id of an event."""
        rows = self._rows(_EVENT_ID, (stream, version)) if is_text(stream) else ()
        return rows[0][0] if rows else None

    def head(self, stream: str) -> StreamHead | None:
        """Return the head of ``stream``."""
        if not is_text(stream):
            return None
        try:
            rows = self._rows(f"{_HEAD} FROM streams WHERE name = ?", (stream,))
        except StoreCorruptError as error:
            raise StoreCorruptError(self._url, error.found, stream=stream) from error
        return _head(rows[0], self._url) if rows else None

    def heads(
        self,
        category: str,
        statuses: Sequence[str] | None,
        shards: Collection[int] | None,
        wake_at: int | None,
    ) -> Sequence[StreamHead]:
        """Return the heads of a category, in order of creation."""
        if shards is not None and SHARD not in shards:
            return []
        marks = "" if statuses is None else f" AND status IN ({', '.join('?' * len(statuses))})"
        due = "" if wake_at is None else " AND wake_at = ?"
        which = f"FROM streams WHERE category = ?{marks}{due} ORDER BY id"
        values = () if wake_at is None else (wake_at,)
        return self._heads(which, (category, *(statuses or ()), *values))

    def heads_of(self, streams: Collection[str]) -> Sequence[StreamHead]:
        """Return the heads of the ``streams`` that exist."""
        names = [name for name in streams if is_text(name)]
        heads: list[StreamHead] = []
        for start in range(0, len(names), MOST):
            part = names[start : start + MOST]
            heads += self._heads(f"FROM streams WHERE name IN ({', '.join('?' * len(part))})", part)
        return heads

    def sleeping(
        self, shards: Collection[int] | None, after: Place, until: int, limit: int
    ) -> Sleepers:
        """Return a page of the streams with a wake-up time, the earliest first."""
        if shards is not None and SHARD not in shards:
            return Sleepers((), None)
        places = sorted(self._rows(_SLEEPING, (*after, until, limit)))[:limit]
        ids = [number for _, number in places]
        marks = ", ".join("?" * len(ids))
        heads = self._heads(f"FROM streams WHERE id IN ({marks}) ORDER BY wake_at, id", ids)
        return Sleepers(heads, tuple(places[-1]) if len(places) == limit else None)

    def _heads(self, which: str, parameters: Sequence[Any]) -> Sequence[StreamHead]:
        heads: list[StreamHead] = []
        for row in self._head_rows(which, parameters):
            try:
                heads.append(_head(row, self._url))
            except StoreCorruptError as error:
                _log.error("skipped: %s", error)
        return heads

    def _head_rows(self, which: str, parameters: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """Return rows of ``streams``; an unreadable row is logged and left out."""
        try:
            yield from self._rows(f"{_HEAD} {which}", parameters)
        except StoreCorruptError:
            for (number,) in self._rows(f"SELECT id {which}", parameters):
                try:
                    yield from self._rows(f"{_HEAD} FROM streams WHERE id = ?", (number,))
                except StoreCorruptError as error:
                    _log.error("stream number %d is skipped: %s", number, error.found)

    def blob(self, digest: bytes) -> bytes:
        """Return the payload with this sha256."""
        try:
            query = "SELECT content FROM blobs WHERE digest = ?"
            rows = self._rows(query, (digest,), VALUE_LIMIT)
        except StoreCorruptError as error:
            found = f"blob {digest.hex()} cannot be read: {error.found}"
            raise StoreCorruptError(self._url, found) from error
        if not rows:
            raise StoreCorruptError(self._url, f"blob {digest.hex()} is missing")
        content = rows[0][0]
        if not isinstance(content, bytes) or sha256(content).digest() != digest:
            raise StoreCorruptError(self._url, f"blob {digest.hex()} has other contents")
        return content

    def positions(self) -> Cursor:
        """Return the last committed position of every shard."""
        rows = self._rows("SELECT shard, head FROM shards", ())
        for row in rows:
            if set(map(type, row)) != {int}:
                raise StoreCorruptError(self._url, f"the row of a shard holds {tuple(row)!r:.80}")
        return dict(rows)

    def ends(self) -> Sequence[tuple[int, int, bytes, int, int, int]]:
        """Return the rows of the shards, and the position of the last event of each."""
        return self._rows(_ENDS, ())

    def _events(
        self, which: str, parameters: tuple[Any, ...], rows: str = ""
    ) -> Sequence[RecordedEvent]:
        with self._cursor(EVENT_BYTES) as cursor:
            return _events(cursor, which, parameters, rows)

    def _rows(
        self, statement: str, parameters: Sequence[Any], most: int = EVENT_BYTES
    ) -> Sequence[Any]:
        """Return all rows of a statement; a value of more than ``most`` bytes is an error."""
        with self._cursor(most) as cursor:
            rows: Sequence[Any] = cursor.execute(statement, parameters).fetchall()
            return rows

    @contextmanager
    def _cursor(self, most: int) -> Iterator[sqlite3.Cursor]:
        """Open a cursor of the driver: SQLAlchemy's rows were measured to cost half as much again.

        Loading a value of more than ``most`` bytes is an error.
        """
        with translated(self._url):
            connection = self.engine.raw_connection()
            try:
                with loading_at_most(most, connection.driver_connection) as driver:
                    cursor = driver.cursor()
                    try:
                        yield cursor
                    finally:
                        cursor.close()
            finally:
                connection.close()


def _events(
    cursor: sqlite3.Cursor, which: str, parameters: tuple[Any, ...], rows_of: str = ""
) -> Sequence[RecordedEvent]:
    """Return the events that ``which`` selects; with damage, those in the rows of ``rows_of``."""
    try:
        rows = cursor.execute(f"{EVENT} {which}", parameters).fetchall()
    except sqlite3.Error as error:
        if not is_row_error(error):
            raise
        return read_one_by_one(
            cursor, cursor.execute(f"{ROW_IDS} {rows_of or which}", parameters).fetchall()
        )
    return list(starmap(RecordedEvent, rows))


def _head(row: Sequence[Any], url: str) -> StreamHead:
    """Check a row of ``streams``, in which SQLite takes any type for any column.

    Raises:
        StoreCorruptError: A value has another type.
    """
    if tuple(map(type, row)) == _HEAD_TYPES:
        return StreamHead(*row)
    columns = zip(row, _HEAD_NAMES, _HEAD_TYPES, strict=True)
    value, name, kind = next((v, name, kind) for v, name, kind in columns if type(v) is not kind)
    found = f"its {name} in streams is {value!r:.80}, where {kind.__name__} was wanted"
    raise StoreCorruptError(url, found, stream=str(row[0]))


_HEAD_NAMES = ("name", "category", "version", "status", "wake_at")
_HEAD_TYPES = (str, str, int, str, int)
