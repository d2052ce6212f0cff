"""Reading the log: short statements on read-only connections that hold nothing while they wait."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from itertools import starmap
from typing import Any

import sqlalchemy as sa

from indelible.errors import StoreCorruptError
from indelible.events.event import RecordedEvent, by_stream
from indelible.events.names import is_text
from indelible.events.plan import SHARD
from indelible.events.sqlite.faults import translated
from indelible.events.sqlite.many_rows import MOST
from indelible.events.store import Cursor, StreamHead

_PAGE = 1_000  # events of one statement of read(): some 300 KiB
_INT_MAX = 2**63 - 1

_EVENT = """
    SELECT e.shard, e.position, s.name, e.version, e.event_id, e.epoch, e.type, e.schema,
        e.payload, e.metadata, e.recorded_at, e.chain
"""
_STREAM = f"""{_EVENT}
    FROM streams AS s JOIN events AS e ON e.stream_id = s.id
    WHERE s.name = ? AND e.version > ? AND e.version <= ? ORDER BY e.version LIMIT ?
"""
_FIRSTS = f"""{_EVENT}
    FROM streams AS s JOIN events AS e ON e.stream_id = s.id
    WHERE s.name IN ({{names}}) AND e.version <= ? ORDER BY s.id, e.version
"""
_SHARD = f"""{_EVENT}
    FROM events AS e JOIN streams AS s ON s.id = e.stream_id
    WHERE e.shard = ? AND e.position > ? ORDER BY e.position LIMIT ?
"""
_HEAD = "SELECT name, category, version, status, wake_at FROM streams"
_ENDS = """
    SELECT shard, head, chain, coalesce(
        (SELECT max(position) FROM events WHERE events.shard = shards.shard), 0) FROM shards
"""


class SqliteReader:
    """Reads through a pool of connections; any thread may."""

    def __init__(self, engine: sa.Engine, url: str) -> None:
        """Connect on first use."""
        self.engine = engine
        self._url = url

    def read(self, stream: str, after: int, until: int | None) -> Iterator[RecordedEvent]:
        """Events of ``stream``, page by page."""
        if not is_text(stream):
            return
        last = _INT_MAX if until is None else until
        while after < last:
            page = self._rows(_STREAM, (stream, after, last, _PAGE))
            yield from starmap(RecordedEvent, page)
            if len(page) < _PAGE:
                return
            after = page[-1][3]

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """The first ``limit`` events of each of ``streams`` that has any."""
        names = [name for name in streams if is_text(name)]
        events: list[RecordedEvent] = []
        for start in range(0, len(names), MOST):
            part = names[start : start + MOST]
            statement = _FIRSTS.format(names=", ".join("?" * len(part)))
            events += starmap(RecordedEvent, self._rows(statement, (*part, limit)))
        return by_stream(events)

    def read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most ``limit`` events behind position ``after``."""
        return list(starmap(RecordedEvent, self._rows(_SHARD, (shard, after, limit))))

    def head(self, stream: str) -> StreamHead | None:
        """Where ``stream`` ends."""
        rows = self._rows(f"{_HEAD} WHERE name = ?", (stream,)) if is_text(stream) else ()
        return StreamHead(*rows[0]) if rows else None

    def heads(
        self, category: str, statuses: Sequence[str] | None, shards: Collection[int] | None
    ) -> Sequence[StreamHead]:
        """Heads of a category, in order of creation."""
        if shards is not None and SHARD not in shards:
            return []
        marks = "" if statuses is None else f" AND status IN ({', '.join('?' * len(statuses))})"
        rows = self._rows(
            f"{_HEAD} WHERE category = ?{marks} ORDER BY id", (category, *(statuses or ()))
        )
        return [StreamHead(*row) for row in rows]

    def blob(self, digest: bytes) -> bytes:
        """The payload with this sha256."""
        rows = self._rows("SELECT content FROM blobs WHERE digest = ?", (digest,))
        if not rows:
            raise StoreCorruptError(self._url, f"blob {digest.hex()} is missing")
        content = rows[0][0]
        if not isinstance(content, bytes) or sha256(content).digest() != digest:
            raise StoreCorruptError(self._url, f"blob {digest.hex()} has other contents")
        return content

    def positions(self) -> Cursor:
        """The last committed position of every shard."""
        return dict(self._rows("SELECT shard, head FROM shards", ()))

    def ends(self) -> Sequence[tuple[int, int, bytes, int]]:
        """Of every shard its number, its row's head and chain, and its last event's position."""
        return self._rows(_ENDS, ())

    def _rows(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """All rows, the connection back in its pool.

        From the driver's own cursor: SQLAlchemy's rows were measured to cost half as much again.
        """
        with translated(self._url), closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            try:
                cursor.execute(statement, parameters)
                return cursor.fetchall()
            finally:
                cursor.close()
