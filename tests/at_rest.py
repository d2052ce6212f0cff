"""Edits of a store's tables behind its back, as damage and people make them."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from typing import Any

from indelible.events.memory.store import MemoryEventStore
from indelible.events.sqlite.address import parse_address
from indelible.events.store import EventStore
from postgres_server import connect

OF_STREAM = "stream_id = (SELECT id FROM streams WHERE name = '{stream}')"
"""Where an event is of that stream."""

_LEAF = 0x0A
"""The type of a page that is all of an index (sqlite.org/fileformat2.html, 1.6)."""


def edit(url: str, *statements: str, touch: bool = True) -> None:
    """Run ``statements`` in the database of a store, each of which must ``touch`` a row."""
    if url.startswith("sqlite"):
        database = parse_address(url).database
        with closing(sqlite3.connect(database, isolation_level=None)) as lite:
            touched = [lite.execute(statement).rowcount for statement in statements]
    else:
        with connect(url) as postgres:
            touched = [postgres.execute(statement.encode()).rowcount for statement in statements]
    assert all(touched) or not touch, dict(zip(statements, touched, strict=True))


def drop_entry(url: str, index: str, *, last: bool) -> None:
    """Drop the first or last entry of an index that is one page of a SQLite file."""
    path = parse_address(url).database
    with closing(sqlite3.connect(path)) as lite:
        lite.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(size,)] = lite.execute("PRAGMA page_size")
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        [(number,)] = lite.execute(query, (index,))
    content = bytearray(path.read_bytes())
    page = (number - 1) * size
    (cells,) = struct.unpack_from(">H", content, page + 3)
    assert content[page] == _LEAF
    assert cells > 1
    if not last:
        content[page + 8 : page + 6 + 2 * cells] = content[page + 10 : page + 8 + 2 * cells]
    struct.pack_into(">H", content, page + 3, cells - 1)
    path.write_bytes(content)


def lose(store: EventStore, stream: str, *versions: int) -> None:
    """Remove events from ``store``, as if they had never been written."""
    if isinstance(store, MemoryEventStore):
        _forget(store, stream, versions)
        return
    wanted = ", ".join(map(str, versions))
    place = OF_STREAM.format(stream=stream)
    edit(store.url, f"DELETE FROM events WHERE {place} AND version IN ({wanted})")


def close_up(store: EventStore, stream: str, version: int) -> None:
    """Remove an event from the database of ``store``, and move what follows it in the shard up."""
    [event] = store.read(stream, version - 1, version)
    later = f"shard = {event.shard} AND position > {event.position}"
    edit(
        store.url,
        f"DELETE FROM events WHERE shard = {event.shard} AND position = {event.position}",
        f"UPDATE events SET position = -position WHERE {later}",
        f"UPDATE events SET position = -position - 1 WHERE shard = {event.shard} AND position < 0",
        f"UPDATE shards SET head = head - 1 WHERE shard = {event.shard}",
    )


def _forget(store: MemoryEventStore, stream: str, versions: tuple[int, ...]) -> None:
    memory: Any = store._memory
    lists = [memory.streams[stream], memory.events[store.shard_of(stream)]]
    for events in lists:
        events[:] = [e for e in events if e.stream != stream or e.version not in versions]
