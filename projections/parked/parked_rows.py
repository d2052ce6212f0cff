"""Events that a view could not apply: the rows of ``parked_events``, in the view's transactions."""

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
    """Set aside events that the view ``name`` cannot apply, with the reason."""
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
    """The stream of a parked event, ``None`` if it is not parked."""
    query = sa.select(PARKED.c.stream).where(*_at(name, shard, position))
    stream: str | None = connection.execute(query).scalar()
    return stream


def skip(connection: sa.Connection, name: str, places: Collection[tuple[int, int]]) -> None:
    """Mark parked events as those that nobody waits for."""
    for shard, position in places:
        connection.execute(
            sa.update(PARKED).where(*_at(name, shard, position)).values(state=SKIPPED)
        )


def skipped(connection: sa.Connection, name: str, stream: str = "") -> list[tuple[int, int]]:
    """Shard and position of what is marked so, of one stream or of all."""
    query = sa.select(PARKED.c.shard, PARKED.c.position).where(
        PARKED.c.projection == name, PARKED.c.state == SKIPPED
    )
    if stream:
        query = query.where(PARKED.c.stream == stream)
    return [(row.shard, row.position) for row in connection.execute(query)]


def unpark(connection: sa.Connection, name: str, shard: int, position: int) -> None:
    """Remove an event that is applied now."""
    connection.execute(sa.delete(PARKED).where(*_at(name, shard, position)))


def unpark_stream(connection: sa.Connection, name: str, stream: str) -> None:
    """Remove all of a stream."""
    connection.execute(
        sa.delete(PARKED).where(PARKED.c.projection == name, PARKED.c.stream == stream)
    )


def _at(name: str, shard: int, position: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        PARKED.c.projection == name,
        PARKED.c.shard == shard,
        PARKED.c.position == position,
    )
