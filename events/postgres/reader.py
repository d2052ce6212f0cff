"""Reads the log by short statements on read-only connections, without an open transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import starmap
from typing import Any

import sqlalchemy as sa

from indelible.errors import StoreCorruptError
from indelible.events.codec.metadata import METADATA_LIMIT
from indelible.events.codec.values import VALUE_LIMIT
from indelible.events.commit.shard_plan import STREAM_ID_BITS
from indelible.events.connections.database_clock import POSTGRESQL as NOW
from indelible.events.inbox.inbox import TEXT_LIMIT
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.model.event import RecordedEvent, by_stream
from indelible.events.model.event_types import EVENT_LIMIT
from indelible.events.model.stream_names import KIND_LIMIT, is_text
from indelible.events.postgres.driver_errors import translated, translated_failures
from indelible.events.read.stream_gaps import Span, gapless_events
from indelible.events.store import Cursor, Place, Sleepers, StreamHead

_PAGE = 1_000  # events that one statement of read() returns: some 300 KiB
_INT_MAX = 2**63 - 1
_ID_BYTES, _CHAIN_BYTES = 16, 32

# A value too large for an event is not loaded.  Empty bytes, or a type that is too long, replace it
# and match no event.  The texts of streams are indexed, so that they cannot be large.
_ID = f"""
    CASE WHEN octet_length(event_id) <= {_ID_BYTES} THEN event_id ELSE '' END, epoch,
    CASE WHEN octet_length(type) <= {KIND_LIMIT * 4} THEN type
        ELSE left(type, {KIND_LIMIT + 1}) END, schema
"""
_REST = f"""
    CASE WHEN octet_length(payload) <= {EVENT_LIMIT} THEN payload ELSE '' END,
    CASE WHEN octet_length(metadata) <= {METADATA_LIMIT} THEN metadata ELSE '' END, recorded_at,
    CASE WHEN octet_length(chain) <= {_CHAIN_BYTES} THEN chain ELSE '' END
"""
_EVENT = f"SELECT e.shard, e.position, s.name, e.version, {_ID}, {_REST}"
# A stream's head and its first page in one statement; the head alone if there is no such event.
_FIRST_PAGE = f"""{_EVENT}, s.id, s.version
    FROM streams AS s LEFT JOIN LATERAL (
        SELECT * FROM events
        WHERE stream_id = s.id AND version > %s AND version <= %s ORDER BY version LIMIT %s
    ) AS e ON true
    WHERE s.name = %s
"""
_NEXT_PAGE = f"""
    SELECT shard, position, %s::text, version, {_ID}, {_REST}
    FROM events WHERE stream_id = %s AND version > %s AND version <= %s ORDER BY version LIMIT %s
"""
_FIELDS = 12  # columns of an event
_FIRSTS = f"""{_EVENT}
    FROM streams AS s JOIN events AS e ON e.stream_id = s.id
    WHERE s.name = ANY (%s::text[]) AND e.version <= %s ORDER BY s.id, e.version
"""
_SHARD = f"""{_EVENT}
    FROM events AS e JOIN streams AS s ON s.id = e.stream_id
    WHERE e.shard = %s AND e.position > %s ORDER BY e.position LIMIT %s
"""
_BLOB = f"""
    SELECT CASE WHEN octet_length(content) <= {VALUE_LIMIT} THEN content END FROM blobs
    WHERE digest = %s
"""
_EVENT_ID = f"""
    SELECT substr(e.event_id, 1, {_ID_BYTES + 1})
    FROM streams AS s JOIN events AS e ON e.stream_id = s.id
    WHERE s.name = %s AND e.version = %s
"""
_HEAD = "SELECT name, category, version, status, wake_at FROM streams"
_HEADS = f"""{_HEAD}
    WHERE category = %s AND (%s::text[] IS NULL OR status = ANY (%s::text[]))
        AND (%s::bigint[] IS NULL OR id >> {STREAM_ID_BITS} = ANY (%s::bigint[]))
        AND (%s::bigint IS NULL OR wake_at = %s)
    ORDER BY id
"""
_HEADS_OF = f"{_HEAD} WHERE name = ANY (%s::text[])"
_SLEEPING = f"""
    SELECT name, category, version, status, wake_at, id FROM streams
    WHERE wake_at > 0 AND (wake_at, id) > (%s, %s) AND wake_at <= %s
        AND (%s::bigint[] IS NULL OR id >> {STREAM_ID_BITS} = ANY (%s::bigint[]))
    ORDER BY wake_at, id LIMIT %s
"""
_ENDS = f"""
    SELECT shard, head, substr(chain, 1, {_CHAIN_BYTES + 1}), coalesce(
        (SELECT max(position) FROM events WHERE events.shard = shards.shard), 0),
        epoch, streams
    FROM shards ORDER BY shard
"""
_OWNERS = f"""
    SELECT left(name, {TEXT_LIMIT}), left(host, {TEXT_LIMIT}), pid, since
    FROM processes WHERE lease_until > {NOW} ORDER BY since, id
"""


class PostgresReader:
    """Reads on a pool of connections; for any thread."""

    def __init__(self, engine: sa.Engine, url: str) -> None:
        """Connect on first use."""
        self.engine = engine
        self._views = engine.execution_options(isolation_level="REPEATABLE READ")
        self._url = url

    def read(self, stream: str, after: int, until: int | None) -> Iterable[RecordedEvent]:
        """Return the events of ``stream``, read in pages."""
        after, until = max(0, after), _INT_MAX if until is None else until
        rows = self._rows(_FIRST_PAGE, (after, until, _PAGE, stream)) if is_text(stream) else ()
        if not rows:
            return ()
        span = Span.of(self._url, stream, rows[0][_FIELDS:], after, until, _PAGE)
        return gapless_events(
            span,
            [RecordedEvent(*row[:_FIELDS]) for row in rows if row[0] is not None],
            lambda version: self._events(_NEXT_PAGE, (stream, span.number, version, until, _PAGE)),
            self.read_shard,
        )

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """Return the first ``limit`` events of each of ``streams`` that has any, in one query."""
        names = [name for name in streams if is_text(name)]
        return by_stream(starmap(RecordedEvent, self._rows(_FIRSTS, (names, limit))))

    def read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Return at most ``limit`` events after position ``after``."""
        return self._events(_SHARD, (shard, after, limit))

    def event_id(self, stream: str, version: int) -> bytes | None:
        """Return the id of an event."""
        rows = self._rows(_EVENT_ID, (stream, version)) if is_text(stream) else ()
        return rows[0][0] if rows else None

    def head(self, stream: str) -> StreamHead | None:
        """Return the head of ``stream``."""
        rows = self._rows(f"{_HEAD} WHERE name = %s", (stream,)) if is_text(stream) else ()
        return StreamHead(*rows[0]) if rows else None

    def heads(
        self,
        category: str,
        statuses: Sequence[str] | None,
        shards: Collection[int] | None,
        wake_at: int | None,
    ) -> Sequence[StreamHead]:
        """Return the heads of a category, in order of creation within a shard."""
        wanted = None if statuses is None else list(statuses)
        numbers = None if shards is None else list(shards)
        values = (category, wanted, wanted, numbers, numbers, wake_at, wake_at)
        rows = self._rows(_HEADS, values)
        return [StreamHead(*row) for row in rows]

    def heads_of(self, streams: Collection[str]) -> Sequence[StreamHead]:
        """Return the heads of the ``streams`` that exist."""
        names = [name for name in streams if is_text(name)]
        return [StreamHead(*row) for row in self._rows(_HEADS_OF, (names,))]

    def sleeping(
        self, shards: Collection[int] | None, after: Place, until: int, limit: int
    ) -> Sleepers:
        """Return a page of the streams with a wake-up time, the earliest first."""
        numbers = None if shards is None else list(shards)
        rows = self._rows(_SLEEPING, (*after, until, numbers, numbers, limit))
        heads = [StreamHead(*row[:5]) for row in rows]
        return Sleepers(heads, tuple(rows[-1][4:]) if len(rows) == limit else None)

    def blob(self, digest: bytes) -> bytes:
        """Return the payload with this sha256."""
        rows = self._rows(_BLOB, (digest,))
        if not rows:
            raise StoreCorruptError(self._url, f"blob {digest.hex()} is missing")
        content: bytes | None = rows[0][0]
        if content is None:
            found = f"blob {digest.hex()} has more than {VALUE_LIMIT:,} bytes"
            raise StoreCorruptError(self._url, found)
        if sha256(content).digest() != digest:
            raise StoreCorruptError(self._url, f"blob {digest.hex()} has other contents")
        return content

    def positions(self) -> Cursor:
        """Return the last committed position of every shard."""
        return dict(self._rows("SELECT shard, head FROM shards ORDER BY shard", ()))

    def ends(self) -> Sequence[tuple[int, int, bytes, int, int, int]]:
        """Return the rows of the shards, and the position of the last event of each."""
        return self._rows(_ENDS, ())

    def owners(self) -> Sequence[StoreOwner]:
        """Return the processes whose lease has not ended."""
        return [StoreOwner(*row) for row in self._rows(_OWNERS, ())]

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a read-only transaction that sees one state of the database."""
        with translated_failures(self._url), self._views.connect() as connection:
            yield connection

    def _events(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[RecordedEvent]:
        return [RecordedEvent(*row) for row in self._rows(statement, parameters)]

    def _rows(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Return all rows and the connection to its pool; bytes are sent in binary, not as hex."""
        with translated(self._url), self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            with driver.cursor(binary=True) as cursor:
                rows: Sequence[Any] = cursor.execute(statement, parameters).fetchall()
            return rows
