"""Reads rows of the log one by one, and column by column, if the driver cannot read them at once.

For text that is not UTF-8, a value too large to load, or a damaged page, the driver raises an error
for all rows of a statement.  Reading the rows one by one limits the damage to its own row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import starmap
from typing import Any

from indelible.events.codec.metadata import METADATA_LIMIT
from indelible.events.model.event import UNREADABLE, DamagedEvent, RecordedEvent
from indelible.events.model.event_types import EVENT_LIMIT
from indelible.events.model.stream_names import NAME_LIMIT
from indelible.events.sqlite.driver_errors import is_row_error

EVENT_BYTES = EVENT_LIMIT + METADATA_LIMIT + 16 * 1024
"""Bytes of an event that SQLite may load in one value, or in one row of a sorter."""

EVENT = """
    SELECT e.shard, e.position, s.name, e.version, e.event_id, e.epoch, e.type, e.schema,
        e.payload, e.metadata, e.recorded_at, e.chain
"""
ROW_IDS = "SELECT e.rowid"
_WHOLE = "FROM events AS e JOIN streams AS s ON s.id = e.stream_id WHERE e.rowid = ?"
_ONE = "FROM events AS e WHERE e.rowid = ?"

_FIELDS: dict[str, tuple[str, type, Any]] = {  # column, type, value if it is unreadable
    "shard": ("e.shard", int, -1),
    "position": ("e.position", int, 0),
    "stream": ("(SELECT name FROM streams WHERE id = e.stream_id)", str, UNREADABLE),
    "version": ("e.version", int, 0),
    "event_id": ("e.event_id", bytes, b""),
    "epoch": ("e.epoch", int, 0),
    "type": ("e.type", str, UNREADABLE),
    "schema": ("e.schema", int, 0),
    "payload": ("e.payload", bytes, b""),
    "metadata": ("e.metadata", bytes, b""),
    "recorded_at": ("e.recorded_at", int, 0),
    "chain": ("e.chain", bytes, b""),
}


def read_one_by_one(cursor: sqlite3.Cursor, rows: Sequence[tuple[int]]) -> list[RecordedEvent]:
    """Return the events in ``rows`` (row ids), a damaged row as a :class:`DamagedEvent`."""
    events: list[RecordedEvent] = []
    for (number,) in rows:
        try:
            found = cursor.execute(f"{EVENT} {_WHOLE}", (number,)).fetchall()
        except sqlite3.Error as error:
            if not is_row_error(error):
                raise
            events.append(_damaged(cursor, number))
        else:
            events += starmap(RecordedEvent, found)  # empty if the event belongs to no stream
    return events


def why_unreadable(error: BaseException, most: int) -> str:
    """Return the driver's ``error`` as text, for a value that may have ``most`` bytes."""
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_TOOBIG:
        return f"has more than {most:,} bytes"
    return f"cannot be read ({str(error)[:NAME_LIMIT]})"


def _damaged(cursor: sqlite3.Cursor, number: int) -> DamagedEvent:
    """Read the event of the row ``number`` column by column."""
    fields: dict[str, Any] = {}
    found: list[str] = []
    for name, (column, kind, default) in _FIELDS.items():
        try:
            [(value,)] = cursor.execute(f"SELECT {column} {_ONE}", (number,)).fetchall()
            why = "" if isinstance(value, kind) else f"is {value!r:.80}"
        except sqlite3.Error as error:
            if not is_row_error(error):
                raise
            value, why = default, why_unreadable(error, EVENT_BYTES)
        fields[name] = default if why else value
        if why:
            found.append(f"its {name} {why}")
    fields["payload"] = b""  # so that it is never decoded
    what = ", ".join(found) or "its row could not be read a moment ago"
    return DamagedEvent(**fields, found=what)
