"""Where each view stands: the rows of ``projection_cursors``.

They are written in the transaction of the view itself: they never say more or less (invariant 8).
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


class Stand(NamedTuple):
    """What the rows of one view cover; no shard stands at 0."""

    version: int  # of the projection that wrote them
    cursor: Cursor


class Moved(NamedTuple):
    """A view that is about to cover more."""

    name: str
    version: int
    positions: Cursor  # of the shards that move
    before: Cursor  # where it stands, as far as is known


_MOVE = MultiRow(
    ("text", "bigint", "bigint", "bigint", "bigint"),
    "INSERT INTO projection_cursors (projection, shard, position, version)"
    " SELECT column1, column2, column3, column4 FROM",
    "WHERE column5 = coalesce((SELECT c.position FROM projection_cursors c"
    " WHERE c.projection = column1 AND c.shard = column2), 0)"
    " ON CONFLICT (projection, shard) DO UPDATE"
    " SET position = excluded.position, version = excluded.version",
)
"""Changes a row only if it stands where the view is thought to: a server that crashed may have lost
what it had not yet written of the views."""


DAMAGED = -1
"""The version of a view that does not know where it stands: it is made anew."""


def read_stands(connection: sa.Connection) -> dict[str, Stand]:
    """Where every view stands, by name; a view without a row is at the beginning.

    One that has a damaged row, in which SQLite takes any type for any column, stands nowhere, in
    the version :data:`DAMAGED`.
    """
    stands: dict[str, Stand] = {}
    name: sa.ColumnElement[Any] = CURSORS.c.projection
    if connection.dialect.name == "sqlite":
        name = sa.cast(name, sa.LargeBinary)  # text that is no UTF-8 is an error for all rows
    numbers = (
        _whole(column) for column in (CURSORS.c.shard, CURSORS.c.position, CURSORS.c.version)
    )
    for stored, *place in connection.execute(sa.select(name, *numbers)):
        view = stored.decode(errors="replace") if isinstance(stored, bytes) else stored
        shard, position, version = place
        damaged = any(type(number) is not int or number < 0 for number in place)
        stand = stands.setdefault(view, Stand(version, {}))
        if damaged or stand.version == DAMAGED:
            stands[view] = Stand(DAMAGED, {})
        elif position:
            stand.cursor[shard] = position
    return stands


def _whole(column: sa.Column[int]) -> sa.ColumnElement[int]:
    """Its value, -1 for what is no number."""
    return sa.case((column.between(0, 2**63 - 1), column), else_=-1)


def move(together: PipelinedStatements, views: Iterable[Moved]) -> None:
    """Store where ``views`` will be when the transaction commits.

    Raises:
        StoreUnavailableError: When it is run, if one of them does not stand where it was thought.
    """
    rows = [
        (view.name, shard, position, view.version, view.before.get(shard, 0))
        for view in views
        for shard, position in view.positions.items()
    ]
    together.add(_MOVE, rows, partial(_check, len(rows)))


def _check(wanted: int, moved: int) -> None:
    if moved != wanted:
        raise StoreUnavailableError("the rows of a view do not stand where it was left")


def forget(connection: sa.Connection, name: str) -> None:
    """Remove what is stored about the view ``name``."""
    for table in (CURSORS, PARKED):
        connection.execute(sa.delete(table).where(table.c.projection == name))


def rename(connection: sa.Connection, old: str, new: str) -> None:
    """Give what is stored about ``old`` to ``new``, which has nothing."""
    for table in (CURSORS, PARKED):
        connection.execute(sa.update(table).where(table.c.projection == old).values(projection=new))
