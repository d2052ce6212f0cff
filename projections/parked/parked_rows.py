"""The rows of ``parked_events``, written in the transactions of the views."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from indelible.errors.error_text import in_words
from indelible.projections.engine.view_batch import Bad
from indelible.projections.sql.multi_row import insert
from indelible.projections.tables import PARKED, stored_text

WAITING, SKIPPED = "parked", "skipped"

_PARK = insert(
    PARKED, "ON CONFLICT (projection, shard, position) DO UPDATE SET error = excluded.error"
)


def park(connection: sa.Connection, name: str, parked: Sequence[Bad]) -> None:
    """Park events that the view ``name`` cannot apply, with their errors."""
    rows = [
        (
            name,
            event.shard,
            event.position,
            event.stream,
            event.version,
            event.type,
            stored_text(in_words(error)),
            event.recorded_at,
            WAITING,
        )
        for event, error in parked
    ]
    _PARK.execute(connection, rows)


def stream_of(connection: sa.Connection, name: str, shard: int, position: int) -> str | None:
    """Return the stream of a parked event, ``None`` if the event is not parked."""
    query = sa.select(PARKED.c.stream).where(*_at(name, shard, position))
    stream: str | None = connection.execute(query).scalar()
    return stream


def skip(connection: sa.Connection, name: str, places: Collection[tuple[int, int]]) -> None:
    """Mark parked events as skipped."""
    for shard, position in places:
        connection.execute(
            sa.update(PARKED).where(*_at(name, shard, position)).values(state=SKIPPED)
        )


def skipped(connection: sa.Connection, name: str, stream: str = "") -> list[tuple[int, int]]:
    """Return shard and position of the skipped events, of one stream or of all."""
    query = sa.select(PARKED.c.shard, PARKED.c.position).where(
        PARKED.c.projection == name, PARKED.c.state == SKIPPED
    )
    if stream:
        query = query.where(PARKED.c.stream == stream)
    return [(row.shard, row.position) for row in connection.execute(query)]


def unpark(connection: sa.Connection, name: str, shard: int, position: int) -> None:
    """Remove a parked event, which is being applied."""
    connection.execute(sa.delete(PARKED).where(*_at(name, shard, position)))


def unpark_stream(connection: sa.Connection, name: str, stream: str) -> None:
    """Remove all parked events of a stream."""
    connection.execute(
        sa.delete(PARKED).where(PARKED.c.projection == name, PARKED.c.stream == stream)
    )


def _at(name: str, shard: int, position: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        PARKED.c.projection == name,
        PARKED.c.shard == shard,
        PARKED.c.position == position,
    )
