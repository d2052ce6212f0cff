"""Building a view a second time beside the live one, and putting it in its place.

The new rows grow in tables of their own with a cursor of their own; one transaction swaps them,
so whatever interrupts a rebuild leaves the old view as it was.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.schema import DropTable

from indelible.events.store import Cursor
from indelible.projections import cursors
from indelible.projections.lane import Lane, Transaction
from indelible.projections.projection import Projection

SUFFIX = "__rebuild"
"""Ends the names of a rebuild's tables and of its cursor."""


class Rebuild:
    """One rebuild; belongs to the runner's thread, except for what it tells.

    Attributes:
        lane: The view being built.
        target: Positions that it must cover at least.
        prepared: Whether its tables exist.
        swapping: Whether a swap was tried, so that they may no longer exist.
        finished: Whether it is in the old one's place.
    """

    def __init__(self, projection: Projection, target: Cursor) -> None:
        """Nothing happens before :meth:`prepare`."""
        self._projection = projection
        self.lane = Lane(projection.beside(SUFFIX), projection.name + SUFFIX, {})
        self.target = target
        self.prepared = False
        self.swapping = False
        self.finished = False

    def progress(self) -> tuple[int, int]:
        """Events done and to do, in all shards; for any thread."""
        done = sum(self.lane.cursor.values())
        return done, max(done, sum(self.target.values()))

    def prepare(self, begin: Transaction) -> None:
        """Make the empty tables, in place of those of an interrupted rebuild."""
        with begin() as connection:
            drop_leftovers(connection, self._projection)
            inspector = sa.inspect(connection)
            taken = {
                index["name"]
                for table in self._projection.tables
                for index in inspector.get_indexes(table.name)
            }
            for table in self.lane.projection.tables:
                for index in table.indexes:  # a renamed table keeps the names of its indexes
                    if index.name in taken:
                        index.name = sa.quoted_name(f"{index.name}_2", quote=None)
                table.create(connection, checkfirst=False)
            version = self._projection.version
            cursors.move(connection, [cursors.Moved(self.lane.name, version, {0: 0})])
        self.prepared = True

    def covers(self, live: Cursor) -> bool:
        """Whether it holds all that it must, and all that the live view at ``live`` does."""
        cursor = self.lane.cursor
        return all(
            cursor.get(shard, 0) >= position
            for positions in (self.target, live)
            for shard, position in positions.items()
        )

    def swap(
        self, live: Cursor, begin: Transaction, before_commit: Callable[[], None]
    ) -> Lane | None:
        """Put the new rows in the place of the old ones and return the view's new lane.

        ``None`` if the live view has come further in the meantime.  After it failed it may be
        called again: a commit of unknown outcome is looked up first.
        """
        name = self._projection.name
        self.swapping = True
        with begin() as connection:
            stands = cursors.read_stands(connection)
            if self.lane.name not in stands:
                self.finished = True
                return Lane(self._projection, name, stands[name].cursor)
            if not self.covers(live):
                self.swapping = False
                return None
            for old, new in zip(self._projection.tables, self.lane.projection.tables, strict=True):
                connection.execute(DropTable(old))
                connection.exec_driver_sql(f"ALTER TABLE {new.name} RENAME TO {old.name}")
            cursors.forget(connection, name)
            cursors.rename(connection, self.lane.name, name)
            before_commit()
        self.finished = True
        return Lane(self._projection, name, self.lane.cursor)


def drop_leftovers(connection: sa.Connection, projection: Projection) -> None:
    """Remove what an interrupted rebuild of ``projection`` left behind."""
    for table in projection.beside(SUFFIX).tables:
        connection.execute(DropTable(table, if_exists=True))
    cursors.forget(connection, projection.name + SUFFIX)
