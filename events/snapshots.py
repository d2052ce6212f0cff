"""Snapshots: cached states of streams beside the log, at most two a stream, always droppable.

Keeps invariant 4: a snapshot is used only if its bytes are unchanged and its stream holds the
event after which it was taken; any other snapshot is ignored, and the state is folded from events.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from indelible.errors import StoreError
from indelible.events.store import EventStore

logger = logging.getLogger(__name__)

SNAPSHOT_LIMIT = 16 * 1024 * 1024
"""Bytes of an encoded state: writing that many delays appends by some 50 ms."""

KEPT = 2
"""Snapshots kept for a stream: if the newest cannot be read, the one before it is used."""

SNAPSHOTS = sa.Table(
    "snapshots",
    sa.MetaData(),
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("schema", sa.Text, nullable=False),
    sa.Column("taken_at", sa.BigInteger, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
)

_FORMAT = b"\x01"
_ID, _DIGEST = 16, 32
_HEADER = len(_FORMAT) + _ID + _DIGEST
_INT_MAX = 2**63 - 1

SNAPSHOT_BYTES = SNAPSHOT_LIMIT + _HEADER
"""Bytes of a stored snapshot, at most."""


class Snapshot(NamedTuple):
    """The state of a stream right after one of its events.

    Attributes:
        stream: Name of the stream.
        version: Version of the last event folded into the state, from 1.
        schema: Schema of the state, as the stream's decider names it.
        event_id: Id of that event; it tells a snapshot of another log, or of a lost event.
        taken_at: Microseconds UTC.
        state: An encoded value.
    """

    stream: str
    version: int
    schema: str
    event_id: bytes
    taken_at: int
    state: bytes


class Taken(NamedTuple):
    """A state to store; the attributes are those of :class:`Snapshot`."""

    stream: str
    version: int
    schema: str
    taken_at: int
    state: bytes


_LOADED: sa.ColumnElement[bytes | None] = sa.literal_column(  # composing it takes twice as long
    f"CASE WHEN length(state) <= {SNAPSHOT_BYTES} THEN state END", sa.LargeBinary
)
_WANTED = (
    sa.select(SNAPSHOTS.c.version, SNAPSHOTS.c.taken_at, _LOADED)
    .where(SNAPSHOTS.c.stream == sa.bindparam("stream"))
    .where(SNAPSHOTS.c.schema == sa.bindparam("schema"))
    .where(SNAPSHOTS.c.version <= sa.bindparam("until"))
    .order_by(SNAPSHOTS.c.version.desc())
    .limit(KEPT)
)


def find_snapshot(
    store: EventStore, stream: str, schema: str, until: int | None = None
) -> Snapshot | None:
    """Return the newest usable snapshot of ``stream`` at or before version ``until``.

    Also ``None`` if the database does not answer: reading the events then raises the error.
    """
    last = _INT_MAX if until is None else until
    try:
        with store.read_views() as connection:
            wanted = {"stream": stream, "schema": schema, "until": last}
            rows = connection.execute(_WANTED, wanted).all()
        for version, taken_at, stored in rows:
            snapshot = unpack(stream, version, schema, taken_at, stored or b"")
            if snapshot is not None and store.event_id(stream, version) == snapshot.event_id:
                return snapshot
            logger.warning(
                "the snapshot of %s at version %d is damaged or of another log; it is ignored",
                stream,
                version,
            )
    except (StoreError, SQLAlchemyError, TypeError) as error:  # TypeError: a column's type changed
        logger.warning("the snapshots of %s cannot be read: %s", stream, error)
    return None


def keep_snapshots(store: EventStore, taken: Sequence[Taken]) -> int:
    """Store states of different streams in one transaction, and return how many.

    A state whose event is not committed, or lost, is left out.  Rows at the same or a later
    version are replaced: only the owner writes snapshots, and it knows the head of the stream.
    The writer lock is held for two statements: each may take 5 ms beside a busy thread.

    Raises:
        StoreError: The snapshots cannot be written; nothing else is affected.
    """
    rows = []
    for one in taken:
        event_id = store.event_id(one.stream, one.version)
        if event_id is not None:
            state = _pack(Snapshot(*one[:3], event_id, *one[3:]))
            rows.append({**one._asdict(), "state": state})
    if not rows:
        return 0
    surplus = _surplus(store, {one.stream: one.version for one in taken})
    with store.write_views() as connection:
        if surplus:
            place = sa.tuple_(SNAPSHOTS.c.stream, SNAPSHOTS.c.version)
            connection.execute(sa.delete(SNAPSHOTS).where(place.in_(surplus)))
        connection.execute(sa.insert(SNAPSHOTS).values(rows))
    return len(rows)


def _surplus(store: EventStore, versions: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the rows to delete when each stream gets a snapshot at its version."""
    query = sa.select(SNAPSHOTS.c.stream, SNAPSHOTS.c.version)
    query = query.where(SNAPSHOTS.c.stream.in_(versions)).order_by(SNAPSHOTS.c.version)
    with store.read_views() as connection:
        rows = connection.execute(query).all()
    stay: dict[str, list[int]] = {stream: [] for stream in versions}
    for stream, version in rows:
        if version < versions[stream]:
            stay[stream].append(version)
    return [
        (stream, version) for stream, version in rows if version not in stay[stream][1 - KEPT :]
    ]


def drop_snapshots(store: EventStore, stream: str | None = None) -> int:
    """Remove the snapshots of ``stream``, or all, and return how many were removed.

    Raises:
        StoreReadOnlyError: The store is open for reading.
        StoreUnavailableError: The database failed; nothing was removed.
    """
    query = sa.delete(SNAPSHOTS)
    if stream is not None:
        query = query.where(SNAPSHOTS.c.stream == stream)
    with store.write_views() as connection:
        return connection.execute(query).rowcount


def _pack(snapshot: Snapshot) -> bytes:
    return _FORMAT + snapshot.event_id + _digest(snapshot) + snapshot.state


def unpack(stream: str, version: int, schema: str, taken_at: int, stored: bytes) -> Snapshot | None:
    """Return the snapshot that ``stored`` holds, ``None`` if a byte of it has changed."""
    if len(stored) < _HEADER or not stored.startswith(_FORMAT):
        return None
    event_id = stored[len(_FORMAT) : len(_FORMAT) + _ID]
    snapshot = Snapshot(stream, version, schema, event_id, taken_at, stored[_HEADER:])
    return snapshot if stored[len(_FORMAT) + _ID : _HEADER] == _digest(snapshot) else None


def _digest(snapshot: Snapshot) -> bytes:
    """Return the sha256 over length-prefixed parts; a changed or moved row does not match."""
    digest = sha256()
    parts = (
        snapshot.stream.encode(),
        b"%d" % snapshot.version,
        snapshot.schema.encode(),
        snapshot.event_id,
        snapshot.state,
    )
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
