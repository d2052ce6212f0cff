"""Where each view stands: the rows of ``projection_cursors``.

They are written in the transaction of the view itself: they never say more or less (invariant 8).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from indelible.events.store import Cursor
from indelible.projections.multirow import insert
from indelible.projections.tables import CURSORS, PARKED
from indelible.projections.together import Together


class Stand(NamedTuple):
    """What the rows of one view cover; no shard stands at 0."""

    version: int  # of the projection that wrote them
    cursor: Cursor


class Moved(NamedTuple):
    """A view that is about to cover more."""

    name: str
    version: int
    positions: Cursor  # of the shards that move


_MOVE = insert(
    CURSORS,
    "ON CONFLICT (projection, shard) DO UPDATE"
    " SET position = excluded.position, version = excluded.version",
)


def read_stands(connection: sa.Connection) -> dict[str, Stand]:
    """Where every view stands, by name; a view without a row is at the beginning."""
    stands: dict[str, Stand] = {}
    for row in connection.execute(sa.select(CURSORS)):
        stand = stands.setdefault(row.projection, Stand(row.version, {}))
        if row.position:
            stand.cursor[row.shard] = row.position
    return stands


def move(together: Together, views: Iterable[Moved]) -> None:
    """Store where ``views`` will be when the transaction commits."""
    rows = [
        (view.name, shard, position, view.version)
        for view in views
        for shard, position in view.positions.items()
    ]
    together.add(_MOVE, rows)


def forget(connection: sa.Connection, name: str) -> None:
    """Remove what is stored about the view ``name``."""
    for table in (CURSORS, PARKED):
        connection.execute(sa.delete(table).where(table.c.projection == name))


def rename(connection: sa.Connection, old: str, new: str) -> None:
    """Give what is stored about ``old`` to ``new``, which has nothing."""
    for table in (CURSORS, PARKED):
        connection.execute(sa.update(table).where(table.c.projection == old).values(projection=new))
