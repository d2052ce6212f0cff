"""Rebuilds a view beside the live one, and swaps them.

The new rows have their own tables and their own cursor, and one transaction swaps them.  So an
interrupted rebuild leaves the old view unchanged, and the next rebuild continues it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager

import sqlalchemy as sa
from sqlalchemy.schema import DropTable

from indelible.events.store import Cursor
from indelible.projections.engine import view_cursors
from indelible.projections.engine.commit_durability import wait_for_disk
from indelible.projections.engine.view_updater import ViewUpdater
from indelible.projections.parked import parked_rows
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.views.view import View

SUFFIX = "__rebuild"
"""The ending of the names of a rebuild's tables and cursor."""

Begin = Callable[[Collection[str]], AbstractContextManager[sa.Connection]]
"""Begins a transaction that may write the views of these names."""


class Rebuild:
    """One rebuild; for the runner's thread, except its progress and flags.

    Attributes:
        updater: The updater of the new rows.
        target: Positions that the new rows must cover at least.
        prepared: Whether its tables exist.
        resumed: Events that an interrupted rebuild had applied; known once it is prepared.
        swapping: Whether a swap was tried, so that its tables may no longer exist.
        finished: Whether the new rows have replaced the old ones.
        refused: Whether another process rebuilds this view.
    """

    def __init__(self, projection: View, target: Cursor) -> None:
        """No I/O before :meth:`prepare`."""
        self._projection = projection
        self.updater = ViewUpdater(projection.beside(SUFFIX), projection.name + SUFFIX, {})
        self.target = target
        self.prepared = False
        self.resumed = 0
        self.swapping = False
        self.finished = False
        self.refused = False

    def progress(self) -> tuple[int, int]:
        """Return the events applied and the events in total, over all shards; for any thread."""
        done = sum(self.updater.cursor.values())
        return done, max(done, sum(self.target.values()))

    @property
    def over(self) -> bool:
        """Whether it is finished or refused."""
        return self.finished or self.refused

    def has_moved(self, reported: tuple[int, int] | None) -> bool:
        """Whether the progress differs from ``reported``."""
        return self.prepared and self.progress() != reported

    def prepare(self, begin: Begin) -> None:
        """Make empty tables, or continue those of an interrupted rebuild of this version."""
        with begin([self.updater.name]) as connection:
            wait_for_disk(connection)
            view_cursor = view_cursors.read_view_cursors(connection).get(self.updater.name)
            if view_cursor is not None and view_cursor.version == self._projection.version:
                self.updater.cursor = view_cursor.cursor
                self.resumed = sum(view_cursor.cursor.values())
            else:
                self._make_tables(connection)
        self.prepared = True

    def _make_tables(self, connection: sa.Connection) -> None:
        tables = self.updater.projection.tables
        for table in tables:
            connection.execute(DropTable(table, if_exists=True))
        view_cursors.forget(connection, self.updater.name)
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
        statements = PipelinedStatements(connection)
        begun = view_cursors.Moved(self.updater.name, self._projection.version, {0: 0}, {})
        view_cursors.move(statements, [begun])
        statements.run()

    def covers(self, live: Cursor) -> bool:
        """Whether it covers the target, and the live view's cursor ``live``."""
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
        """Replace the old rows by the new ones and return the view's new updater.

        ``None`` if the live view is ahead.  After a failure it may be called again: it first
        checks whether an earlier swap was committed.  Events that were skipped in the old view are
        skipped in the new one.
        """
        name = self._projection.name
        self.swapping = True
        with begin([name, self.updater.name]) as connection:
            wait_for_disk(connection)
            stored_cursors = view_cursors.read_view_cursors(connection)
            if self.updater.name not in stored_cursors:
                self.finished = True
                return ViewUpdater(self._projection, name, stored_cursors[name].cursor)
            if not self.covers(live):
                self.swapping = False
                return None
            for old, new in zip(
                self._projection.tables, self.updater.projection.tables, strict=True
            ):
                connection.execute(DropTable(old, if_exists=True))
                connection.exec_driver_sql(f"ALTER TABLE {new.name} RENAME TO {old.name}")
            skipped = parked_rows.skipped(connection, name)
            view_cursors.forget(connection, name)
            view_cursors.rename(connection, self.updater.name, name)
            parked_rows.skip(connection, name, skipped)
            before_commit(connection)
        self.finished = True
        return ViewUpdater(self._projection, name, self.updater.cursor)
