"""Building a view a second time beside the live one, and putting it in its place.

The new rows grow in tables of their own with a cursor of their own; one transaction swaps them,
so whatever interrupts a rebuild leaves the old view as it was, and the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager

import sqlalchemy as sa
from sqlalchemy.schema import DropTable

from indelible.events.store import Cursor
from indelible.projections.engine import view_cursors as cursors
from indelible.projections.engine.commit_durability import wait_for_disk
from indelible.projections.engine.view_updater import ViewUpdater
from indelible.projections.parked import parked_rows as parking
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.views.view import View

SUFFIX = "__rebuild"
"""Ends the names of a rebuild's tables and of its cursor."""

Begin = Callable[[Collection[str]], AbstractContextManager[sa.Connection]]
"""Begins a transaction that may write the views of these names."""


class Rebuild:
    """One rebuild; belongs to the runner's thread, except for what it tells.

    Attributes:
        updater: The view being built.
        target: Positions that it must cover at least.
        prepared: Whether its tables exist.
        resumed: Events that an interrupted rebuild had done; known when it is prepared.
        swapping: Whether a swap was tried, so that they may no longer exist.
        finished: Whether it is in the old one's place.
        refused: Whether another process rebuilds this view.
    """

    def __init__(self, projection: View, target: Cursor) -> None:
        """Nothing happens before :meth:`prepare`."""
        self._projection = projection
        self.updater = ViewUpdater(projection.beside(SUFFIX), projection.name + SUFFIX, {})
        self.target = target
        self.prepared = False
        self.resumed = 0
        self.swapping = False
        self.finished = False
        self.refused = False

    def progress(self) -> tuple[int, int]:
        """Events done and to do, in all shards; for any thread."""
        done = sum(self.updater.cursor.values())
        return done, max(done, sum(self.target.values()))

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.finished or self.refused

    def news(self, told: tuple[int, int] | None) -> bool:
        """Whether there is another progress to tell than ``told``."""
        return self.prepared and self.progress() != told

    def prepare(self, begin: Begin) -> None:
        """Make the empty tables, or go on with those of an interrupted rebuild of this version."""
        with begin([self.updater.name]) as connection:
            wait_for_disk(connection)
            stand = cursors.read_stands(connection).get(self.updater.name)
            if stand is not None and stand.version == self._projection.version:
                self.updater.cursor = stand.cursor
                self.resumed = sum(stand.cursor.values())
            else:
                self._make_tables(connection)
        self.prepared = True

    def _make_tables(self, connection: sa.Connection) -> None:
        tables = self.updater.projection.tables
        for table in tables:
            connection.execute(DropTable(table, if_exists=True))
        cursors.forget(connection, self.updater.name)
        inspector = sa.inspect(connection)
        taken = {
            index["name"]
            for table in self._projection.tables
            if inspector.has_table(table.name)
            for index in inspector.get_indexes(table.name)
        }
        for table in tables:
            for index in table.indexes:  # a renamed table keeps the names of its indexes
                if index.name in taken:
                    index.name = sa.quoted_name(f"{index.name}_2", quote=None)
            table.create(connection, checkfirst=False)
        together = PipelinedStatements(connection)
        begun = cursors.Moved(self.updater.name, self._projection.version, {0: 0}, {})
        cursors.move(together, [begun])
        together.run()

    def covers(self, live: Cursor) -> bool:
        """Whether it holds all that it must, and all that the live view at ``live`` does."""
        cursor = self.updater.cursor
        return all(
            cursor.get(shard, 0) >= position
            for positions in (self.target, live)
            for shard, position in positions.items()
        )

    def swap(
        self,
        live: Cursor,
        begin: Begin,
        before_commit: Callable[[sa.Connection], None],
    ) -> ViewUpdater | None:
        """Put the new rows in the place of the old ones and return the view's new updater.

        ``None`` if the live view has come further in the meantime.  After it failed it may be
        called again: a commit of unknown outcome is looked up first.  What was skipped in the old
        view is skipped in the new one.
        """
        name = self._projection.name
        self.swapping = True
        with begin([name, self.updater.name]) as connection:
            wait_for_disk(connection)
            stands = cursors.read_stands(connection)
            if self.updater.name not in stands:
                self.finished = True
                return ViewUpdater(self._projection, name, stands[name].cursor)
            if not self.covers(live):
                self.swapping = False
                return None
            for old, new in zip(
                self._projection.tables, self.updater.projection.tables, strict=True
            ):
                connection.execute(DropTable(old, if_exists=True))
                connection.exec_driver_sql(f"ALTER TABLE {new.name} RENAME TO {old.name}")
            skipped = parking.skipped(connection, name)
            cursors.forget(connection, name)
            cursors.rename(connection, self.updater.name, name)
            parking.skip(connection, name, skipped)
            before_commit(connection)
        self.finished = True
        return ViewUpdater(self._projection, name, self.updater.cursor)
