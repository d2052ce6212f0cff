"""The cursors of the views: the rows of ``projection_cursors``.

A view's cursor is written in the transaction of its rows, so that both always agree (invariant 8).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa

from indelible.errors import StoreUnavailableError
from indelible.events.store import Cursor
from indelible.projections.sql.multi_row import MultiRow
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.tables import CURSORS, PARKED


class ViewCursor(NamedTuple):
    """The stored cursor of a view; shards at position 0 are left out."""

    version: int  # of the projection that wrote them
    cursor: Cursor


class Moved(NamedTuple):
    """A change of a view's cursor."""

    name: str
    version: int
    positions: Cursor  # the new positions of the shards that move
    before: Cursor  # the cursor before, as far as is known


_MOVE = MultiRow(
    ("text", "bigint", "bigint", "bigint", "bigint"),
    "INSERT INTO projection_cursors (projection, shard, position, version)"
    " SELECT column1, column2, column3, column4 FROM",
    "WHERE column5 = coalesce((SELECT c.position FROM projection_cursors c"
    " WHERE c.projection = column1 AND c.shard = column2), 0)"
    " ON CONFLICT (projection, shard) DO UPDATE"
    " SET position = excluded.position, version = excluded.version",
)
"""Changes a row only if its position is the expected one: a server that crashed may have lost the
latest commits of the views."""


DAMAGED = -1
"""The version of a view whose cursor is damaged: the view is rebuilt."""


def read_view_cursors(connection: sa.Connection) -> dict[str, ViewCursor]:
    """Return the cursor of every view, by name; a view without a row is at the beginning.

    A view with a damaged row has an empty cursor and the version :data:`DAMAGED`; SQLite takes any
    type for any column.
    """
    stored_cursors: dict[str, ViewCursor] = {}
    name: sa.ColumnElement[Any] = CURSORS.c.projection
    if connection.dialect.name == "sqlite":
        name = sa.cast(name, sa.LargeBinary)  # text that is not UTF-8 is an error for all rows
    numbers = (
        _whole(column) for column in (CURSORS.c.shard, CURSORS.c.position, CURSORS.c.version)
    )
    for stored, *place in connection.execute(sa.select(name, *numbers)):
        view = stored.decode(errors="replace") if isinstance(stored, bytes) else stored
        shard, position, version = place
        damaged = any(type(number) is not int or number < 0 for number in place)
        view_cursor = stored_cursors.setdefault(view, ViewCursor(version, {}))
        if damaged or view_cursor.version == DAMAGED:
            stored_cursors[view] = ViewCursor(DAMAGED, {})
        elif position:
            view_cursor.cursor[shard] = position
    return stored_cursors


def _whole(column: sa.Column[int]) -> sa.ColumnElement[int]:
    """Return the value of ``column``, -1 if it is not a number from 0."""
    return sa.case((column.between(0, 2**63 - 1), column), else_=-1)


def move(statements: PipelinedStatements, views: Iterable[Moved]) -> None:
    """Store the new cursors of ``views`` in the transaction.

    Raises:
        StoreUnavailableError: When the statements run, if a stored cursor is not the expected one.
    """
    rows = [
        (view.name, shard, position, view.version, view.before.get(shard, 0))
        for view in views
        for shard, position in view.positions.items()
    ]
    statements.add(_MOVE, rows, partial(_check, len(rows)))


def _check(wanted: int, moved: int) -> None:
    if moved != wanted:
        raise StoreUnavailableError("the stored cursor of a view is not the expected one")


def forget(connection: sa.Connection, name: str) -> None:
    """Remove the cursor and the parked events of the view ``name``."""
    for table in (CURSORS, PARKED):
        connection.execute(sa.delete(table).where(table.c.projection == name))


def rename(connection: sa.Connection, old: str, new: str) -> None:
    """Rename the cursor and the parked events of ``old`` to ``new``, which has none."""
    for table in (CURSORS, PARKED):
        connection.execute(sa.update(table).where(table.c.projection == old).values(projection=new))
